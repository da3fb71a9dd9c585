// @ts-check
// Requests the pass before the opening, so that a purchase is a single request. Requests are spread over time.

import * as api from "./api.js";
import { now } from "./clock.js";
import { retryUntilDone, sleep } from "./retry.js";

const EARLY_MS = 120_000; // passes are requested from this long before the opening
const LATE_MS = 15_000; // … until this long before the opening
const JITTER_MS = 5_000;
const TIMER_MS_MAX = 3_600_000; // device sleep and browsers make longer timers unreliable

/**
 * Store a pass before the opening, or within seconds if the sale opens soon or is open.
 *
 * @param {import("./purchase_store.js").PurchaseStore} store
 * @param {number} saleId
 * @param {() => string} opensAt called again before each wait, because the shop may move the opening
 * @returns {Promise<void>} settles when the pass is stored; errors are ignored, because the purchase reports them
 */
export async function getPassEarly(store, saleId, opensAt) {
  const share = Math.random();
  for (;;) {
    const untilOpen = Date.parse(opensAt()) - now();
    const wait = untilOpen > EARLY_MS ? untilOpen - LATE_MS - share * (EARLY_MS - LATE_MS) : share * JITTER_MS;
    await sleep(Math.min(wait, TIMER_MS_MAX));
    if (wait <= TIMER_MS_MAX) break;
  }
  if (store.pass) return;
  try {
    await getPass(store, saleId, () => undefined);
  } catch (error) {
    if (!(error instanceof api.Problem)) throw error;
  }
}

/**
 * Return the stored pass, or request a new one. Throws Problem: not_logged_in, closed, forbidden, not_found.
 *
 * @param {import("./purchase_store.js").PurchaseStore} store
 * @param {number} saleId
 * @param {(error: Error | null, waitMs: number) => void} onError
 * @returns {Promise<string>}
 */
export async function getPass(store, saleId, onError) {
  if (!store.pass) store.storePass(await retryUntilDone(() => api.issuePass(saleId), onError));
  return /** @type {string} */ (store.pass);
}
