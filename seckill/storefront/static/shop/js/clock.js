// @ts-check
// Estimate of the server's clock, because a device's clock may be minutes off and a sale opens by the server's.

const SAMPLES_MAX = 20;

/** @type {number[]} */
const samples = [];

/**
 * Record a `server_time` from a response. Network delay and caches make the sampled offset (server time minus the
 * monotonic clock) too small, never too large. So the largest of the latest samples is the best estimate, and `now` is
 * never ahead of the server: when a countdown ends here, it has ended on the server.
 *
 * @param {string} serverTime ISO 8601
 */
export function observe(serverTime) {
  samples.push(Date.parse(serverTime) - performance.now());
  if (samples.length > SAMPLES_MAX) samples.shift();
}

/**
 * Record a response's Date header, unless there is a sample already. The header has a resolution of one second.
 * @param {string | null} date
 */
export function observeDate(date) {
  if (date && !samples.length) observe(date);
}

/** Return the server's time in milliseconds since 1970; the device's time before the first sample. */
export function now() {
  return samples.length ? Math.max(...samples) + performance.now() : Date.now();
}

/**
 * Call `onTick` now and at every full second of the server's clock.
 * @param {() => void} onTick
 */
export function everySecond(onTick) {
  onTick();
  setTimeout(() => everySecond(onTick), 1000 - (now() % 1000) + 5);
}
