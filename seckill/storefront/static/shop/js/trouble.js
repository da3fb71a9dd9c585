// @ts-check
// Trouble: the banner that says what is wrong and that nothing needs doing about it.

import { ConnectionLost, Problem } from "./api.js";
import { span } from "./format.js";
import { say } from "./text.js";

const TOO_MANY = 429;

/**
 * Show trouble, or its end; fits `persist`. With a place in line the banner says that it is kept.
 *
 * @param {Error | null} trouble
 * @param {number} waitMs
 * @param {boolean} [placeKept]
 */
export function showTrouble(trouble, waitMs, placeKept = false) {
  const text = trouble ? words(trouble, waitMs, placeKept) : "";
  for (const banner of document.querySelectorAll("[data-trouble]")) {
    if (!(banner instanceof HTMLElement)) continue;
    banner.hidden = !text;
    if (banner.textContent !== text) banner.textContent = text;
  }
}

/** @param {Error} trouble @param {number} waitMs @param {boolean} placeKept */
function words(trouble, waitMs, placeKept) {
  if (trouble instanceof ConnectionLost) return say(placeKept ? "place_kept_lost" : "connection_lost");
  if (trouble instanceof Problem && trouble.status === TOO_MANY) {
    return say("throttled", { wait: span(Math.ceil(waitMs / 1000)) });
  }
  return say(placeKept ? "place_kept_unavailable" : "unavailable");
}
