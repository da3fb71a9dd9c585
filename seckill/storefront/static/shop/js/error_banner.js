// @ts-check
// The error banner. It shows a transient error that is being retried.

import { ConnectionLost, Problem } from "./api.js";
import { duration } from "./format.js";
import { t } from "./text.js";

const TOO_MANY_REQUESTS = 429;

/**
 * Show an error, or hide the banner. Can be passed to `retryUntilDone` as `onError`.
 *
 * @param {Error | null} error null hides the banner
 * @param {number} waitMs
 * @param {boolean} [placeKept] whether to add that the place in line is kept
 */
export function showErrorBanner(error, waitMs, placeKept = false) {
  const text = error ? messageFor(error, waitMs, placeKept) : "";
  for (const banner of document.querySelectorAll("[data-error-banner]")) {
    if (!(banner instanceof HTMLElement)) continue;
    banner.hidden = !text;
    if (banner.textContent !== text) banner.textContent = text;
  }
}

/** @param {Error} error @param {number} waitMs @param {boolean} placeKept */
function messageFor(error, waitMs, placeKept) {
  if (error instanceof ConnectionLost) return t(placeKept ? "place_kept_lost" : "connection_lost");
  if (error instanceof Problem && error.status === TOO_MANY_REQUESTS) {
    return t("throttled", { wait: duration(Math.ceil(waitMs / 1000)) });
  }
  return t(placeKept ? "place_kept_unavailable" : "unavailable");
}
