// @ts-check
// Money and time in the visitor's locale.

import { now } from "./clock.js";
import { locale, numbers, t } from "./text.js";

const clockTime = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
const clockSeconds = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const dayAndTime = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

/** @param {number} value */
export const number = (value) => numbers.format(value);

/** @param {string} amount decimal, such as "19.90" @param {string} currency ISO 4217 */
export const money = (amount, currency) =>
  new Intl.NumberFormat(locale, { style: "currency", currency }).format(Number(amount));

/** Return a time in the browser's time zone, without the date if it is today. @param {string} iso */
export function dateTime(iso) {
  const then = new Date(iso);
  return (isToday(then) ? clockTime : dayAndTime).format(then);
}

/** Like `dateTime`, but with seconds if it is today. For times where seconds matter. @param {string} iso */
export function exactDateTime(iso) {
  const then = new Date(iso);
  return (isToday(then) ? clockSeconds : dayAndTime).format(then);
}

/** @param {Date} then */
const isToday = (then) => then.toDateString() === new Date(now()).toDateString();

/** Return the time left as 04:05, 1:04:05 or 2 days 1:04:05; 00:00 at least. @param {number} ms */
export function countdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3600);
  const minutes = two(Math.floor((seconds % 3600) / 60));
  const rest = `${minutes}:${two(seconds % 60)}`;
  if (days) return t("days", { count: days, rest: `${hours}:${rest}` });
  return hours ? `${hours}:${rest}` : rest;
}

/** Return a duration in words, in seconds below 90 s, else in minutes. @param {number} seconds */
export const duration = (seconds) =>
  seconds < 90 ? t("seconds", { count: Math.ceil(seconds) }) : t("minutes", { count: Math.round(seconds / 60) });

/** @param {number} value */
const two = (value) => String(value).padStart(2, "0");
