// @ts-check
// The error banner. It shows a transient error that is being retried.

import { ConnectionLost, Problem } from "./api.js";
import { span } from "./format.js";
import { say } from "./text.js";

const TOO_MANY = 429;

/**
 * Show an error, or hide the banner. Can be passed to `persist` as `onTrouble`.
 *
 * @param {Error | null} trouble null hides the banner
 * @param {number} waitMs
 * @param {boolean} [placeKept] whether to add that the place in line is kept
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
