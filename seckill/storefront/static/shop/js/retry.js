// @ts-check
// Retries of transient errors, with exponential backoff and jitter.

import { ConnectionLost, Problem } from "./api.js";

const BACKOFF_MS_MIN = 1_000;
const BACKOFF_MS_MAX = 15_000;
const TRANSIENT_STATUSES = new Set([429, 500, 502, 503, 504]);

/**
 * Call `attempt` until it succeeds or fails with a permanent error. Each wait is Retry-After plus a random part, so
 * that clients that failed together do not retry together.
 *
 * @template T
 * @param {() => Promise<T>} attempt must be safe to repeat
 * @param {(error: Error | null, waitMs: number) => void} onError called after each failure, then with null
 * @returns {Promise<T>}
 */
export async function retryUntilDone(attempt, onError) {
  for (let failures = 0; ; failures += 1) {
    try {
      const result = await attempt();
      if (failures) onError(null, 0);
      return result;
    } catch (error) {
      const lost = error instanceof ConnectionLost;
      if (!lost && !(error instanceof Problem && TRANSIENT_STATUSES.has(error.status))) {
        if (failures) onError(null, 0);
        throw error;
      }
      const backoffMs = Math.min(BACKOFF_MS_MIN * 2 ** failures, BACKOFF_MS_MAX);
      const waitMs = error.retryAfterMs + backoffMs * (0.5 + Math.random() / 2);
      onError(error, waitMs);
      await (lost ? sleepUntilVisible(waitMs) : sleep(waitMs));
    }
  }
}

/**
 * Wait for `ms`, or until the network is back or the page becomes visible.
 * @param {number} ms
 * @returns {Promise<void>}
 */
export function sleepUntilVisible(ms) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      document.removeEventListener("visibilitychange", whenVisible);
      resolve();
    };
    const whenVisible = () => {
      if (!document.hidden) done();
    };
    const timer = setTimeout(done, ms);
    window.addEventListener("online", done);
    document.addEventListener("visibilitychange", whenVisible);
  });
}

/**
 * Wait for `ms` in any case, as the server asked.
 * @param {number} ms
 * @returns {Promise<void>}
 */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
