// @ts-check
// Getting the pass ahead of time, so that buying is a single request. Buyers must not all ask in the same second.

import * as api from "./api.js";
import { now } from "./clock.js";
import { persist, sleep } from "./retry.js";

const EARLY_MS = 120_000; // a sale that opens later than this: nobody asks yet
const LATE_MS = 15_000; // by then before the opening everybody has asked
const JITTER_MS = 5_000;
const TIMER_MS_MAX = 3_600_000; // long timers are cut short by sleep and by the browser

/**
 * Get a pass into the pocket in good time before the opening, or within seconds when the sale is open.
 *
 * @param {import("./pocket.js").Pocket} pocket
 * @param {number} saleId
 * @param {() => string} opensAt asked again before use: the shop may move the opening
 * @returns {Promise<void>} settles when the pass is there; a refusal is left for the purchase to meet
 */
export async function getPassEarly(pocket, saleId, opensAt) {
  const share = Math.random();
  for (;;) {
    const untilOpen = Date.parse(opensAt()) - now();
    const wait = untilOpen > EARLY_MS ? untilOpen - LATE_MS - share * (EARLY_MS - LATE_MS) : share * JITTER_MS;
    await sleep(Math.min(wait, TIMER_MS_MAX));
    if (wait <= TIMER_MS_MAX) break;
  }
  if (pocket.pass) return;
  try {
    await getPass(pocket, saleId, () => undefined);
  } catch (error) {
    if (!(error instanceof api.Problem)) throw error;
  }
}

/**
 * The pass in the pocket, or a fresh one. Throws Problem: not_logged_in, closed, forbidden, not_found.
 *
 * @param {import("./pocket.js").Pocket} pocket
 * @param {number} saleId
 * @param {(trouble: Error | null, waitMs: number) => void} onTrouble
 * @returns {Promise<string>}
 */
export async function getPass(pocket, saleId, onTrouble) {
  if (!pocket.pass) pocket.keepPass(await persist(() => api.issuePass(saleId), onTrouble));
  return /** @type {string} */ (pocket.pass);
}
