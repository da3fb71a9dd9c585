// @ts-check
// A sale's window and state by the server's clock.

import { now } from "./clock.js";
import { dateTime } from "./format.js";
import { t } from "./text.js";

/**
 * @typedef {"scheduled" | "open" | "sold_out" | "paused" | "closed"} State
 * @typedef {{state: State, remaining: number, stock: number, opens_at: string, closes_at: string, server_time: string}} Progress
 * @typedef {Progress & {id: number, product: {name: string, description: string, image: string | null},
 *   price: string, currency: string, pay_within_s: number}} Sale
 */

/** Return the milliseconds until the sale opens; negative after the opening. @param {Progress} sale */
export const untilOpen = (sale) => Date.parse(sale.opens_at) - now();

/**
 * Return the current state. Opening and closing times take effect before the next response confirms them.
 * @param {Progress} sale
 * @returns {State}
 */
export function stateNow(sale) {
  if (sale.state === "scheduled" && untilOpen(sale) <= 0) return "open";
  if (sale.state !== "closed" && Date.parse(sale.closes_at) <= now()) return "closed";
  return sale.state;
}

/** Return the opening or closing time in words. @param {Progress} sale */
export function windowText(sale) {
  const state = stateNow(sale);
  if (state === "scheduled") return t("opens_at", { time: dateTime(sale.opens_at) });
  return t(state === "closed" ? "closed_at" : "closes_at", { time: dateTime(sale.closes_at) });
}

/** Show the state in its badge. @param {HTMLElement} badge @param {State} state */
export function showState(badge, state) {
  badge.dataset.state = state;
  const text = t(`state_${state}`);
  if (badge.textContent !== text) badge.textContent = text;
}
