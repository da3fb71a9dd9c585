// @ts-check
// Trying again: what passes by itself is tried until it works, gently.

import { ConnectionLost, Problem } from "./api.js";

const FIRST_MS = 1_000;
const LONGEST_MS = 15_000;
const PASSING = new Set([429, 500, 502, 503, 504]);

/**
 * Call `attempt` until it succeeds or fails for good. A server's Retry-After is the least we wait; a crowd that was
 * turned away together must not come back together, so every wait has a random part.
 *
 * @template T
 * @param {() => Promise<T>} attempt has to be safe to repeat
 * @param {(trouble: Error | null, waitMs: number) => void} onTrouble told of each failure, and with null of its end
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
 * Wait, but no longer than until the network is back or somebody looks at the page again.
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
 * Wait, whatever happens: the server asked for it.
 * @param {number} ms
 * @returns {Promise<void>}
 */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
