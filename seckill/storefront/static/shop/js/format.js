// @ts-check
// Money and time, the way the visitor writes them.

import { now } from "./clock.js";
import { locale, numbers, say } from "./text.js";

const clockTime = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
const clockSeconds = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const dayAndTime = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

/** @param {number} value */
export const number = (value) => numbers.format(value);

/** @param {string} amount decimal, such as "19.90" @param {string} currency ISO 4217 */
export const money = (amount, currency) =>
  new Intl.NumberFormat(locale, { style: "currency", currency }).format(Number(amount));

/** A moment in the browser's zone; today's without the date. @param {string} iso */
export function moment(iso) {
  const then = new Date(iso);
  return (isToday(then) ? clockTime : dayAndTime).format(then);
}

/** The same with seconds when it is today: for moments where seconds decided. @param {string} iso */
export function exactMoment(iso) {
  const then = new Date(iso);
  return (isToday(then) ? clockSeconds : dayAndTime).format(then);
}

/** @param {Date} then */
const isToday = (then) => then.toDateString() === new Date(now()).toDateString();

/** Time left as a clock shows it: 04:05, 1:04:05, 2 days 1:04:05; never below 00:00. @param {number} ms */
export function countdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3600);
  const minutes = two(Math.floor((seconds % 3600) / 60));
  const rest = `${minutes}:${two(seconds % 60)}`;
  if (days) return say("days", { count: days, rest: `${hours}:${rest}` });
  return hours ? `${hours}:${rest}` : rest;
}

/** A span of time in words, in the larger unit that fits. @param {number} seconds */
export const span = (seconds) =>
  seconds < 90 ? say("seconds", { count: Math.ceil(seconds) }) : say("minutes", { count: Math.round(seconds / 60) });

/** @param {number} value */
const two = (value) => String(value).padStart(2, "0");
