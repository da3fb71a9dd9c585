// @ts-check
// The list of the visitor's orders.

import { showAccount } from "./account.js";
import * as api from "./api.js";
import { everySecond, now } from "./clock.js";
import { bound, cloneTemplate, find, setTexts } from "./dom.js";
import { countdown, dateTime, money } from "./format.js";
import { requestWithLogin } from "./request_with_login.js";
import { address, t } from "./text.js";

/** @typedef {import("./line.js").Order} Order */

void showAccount();
/** @type {Order[]} */
const orders = (await requestWithLogin(api.orders)) ?? [];
const list = find(document, "[data-orders]");
const rows = orders.map(makeRow);
list.replaceChildren(...rows);
list.removeAttribute("aria-busy");
find(document, "[data-no-orders]").hidden = orders.length > 0;
everySecond(() => orders.forEach((order, at) => drawTimeLeft(rows[at], order)));

/** @param {Order} order */
function makeRow(order) {
  const row = cloneTemplate(document, "order");
  setTexts(row, {
    product: order.product,
    number: order.number,
    created: dateTime(order.created_at),
    price: money(order.price, order.currency),
    status: t(`status_${order.status}`),
  });
  bound(row, "status").dataset.state = order.status;
  bound(row, "product").setAttribute("href", address("orders", order.number));
  return row;
}

/** @param {HTMLElement} row @param {Order} order */
function drawTimeLeft(row, order) {
  const left = Date.parse(order.pay_before) - now();
  const running = order.status === "pending" && left > 0;
  bound(row, "left").hidden = !running;
  if (running) setTexts(row, { left: t("pay_within", { time: countdown(left) }) });
}
