// @ts-check
// The server's clock. A phone's own clock may be minutes off, and a sale opens at the same moment for everybody.

const SAMPLES_MAX = 20;

/** @type {number[]} */
const samples = [];

/**
 * Take a `server_time` that has just arrived. It was true when the server wrote it, so server time minus our steady
 * clock is never less than this; delay and caches only make it smaller. The largest of the latest samples is therefore
 * the best, and `now` is never ahead of the server: a countdown that ends here has ended there.
 *
 * @param {string} serverTime ISO 8601
 */
export function observe(serverTime) {
  samples.push(Date.parse(serverTime) - performance.now());
  if (samples.length > SAMPLES_MAX) samples.shift();
}

/**
 * Take the Date header of any answer, as long as there is nothing better; it is cut to whole seconds.
 * @param {string | null} date
 */
export function observeDate(date) {
  if (date && !samples.length) observe(date);
}

/** The server's time now, milliseconds since 1970; the phone's until the first sample. */
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
