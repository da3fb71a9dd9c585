// @ts-check
// Retries of transient errors, with exponential backoff and jitter.

import { ConnectionLost, Problem } from "./api.js";

const FIRST_MS = 1_000;
const LONGEST_MS = 15_000;
const PASSING = new Set([429, 500, 502, 503, 504]);

/**
 * Call `attempt` until it succeeds or fails with a permanent error. Each wait is Retry-After plus a random part, so
 * that clients that failed together do not retry together.
 *
 * @template T
 * @param {() => Promise<T>} attempt must be safe to repeat
 * @param {(trouble: Error | null, waitMs: number) => void} onTrouble called after each failure, then with null
 * @returns {Promise<T>}
 */
export async function persist(attempt, onTrouble) {
  for (let failures = 0; ; failures += 1) {
    try {
      const result = await attempt();
      if (failures) onTrouble(null, 0);
      return result;
    } catch (error) {
      const lost = error instanceof ConnectionLost;
      if (!lost && !(error instanceof Problem && PASSING.has(error.status))) {
        if (failures) onTrouble(null, 0);
        throw error;
      }
      const longest = Math.min(FIRST_MS * 2 ** failures, LONGEST_MS);
      const waitMs = error.retryAfterMs + longest * (0.5 + Math.random() / 2);
      onTrouble(error, waitMs);
      await (lost ? pause(waitMs) : sleep(waitMs));
    }
  }
}

/**
 * Wait for `ms`, or until the network is back or the page becomes visible.
 * @param {number} ms
 * @returns {Promise<void>}
 */
export function pause(ms) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      document.removeEventListener("visibilitychange", whenSeen);
      resolve();
    };
    const whenSeen = () => {
      if (!document.hidden) done();
    };
    const timer = setTimeout(done, ms);
    window.addEventListener("online", done);
    document.addEventListener("visibilitychange", whenSeen);
  });
}

/**
 * Wait for `ms` in any case, as the server asked.
 * @param {number} ms
 * @returns {Promise<void>}
 */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
