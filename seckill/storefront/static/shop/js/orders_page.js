// @ts-check
// The list of the visitor's orders.

import { showAccount } from "./account.js";
import * as api from "./api.js";
import { everySecond, now } from "./clock.js";
import { countdown, moment, money } from "./format.js";
import { askAsBuyer } from "./my_orders.js";
import { fill, find, slot, stamp } from "./slots.js";
import { address, say } from "./text.js";

/** @typedef {import("./line.js").Order} Order */

void showAccount();
/** @type {Order[]} */
const orders = (await askAsBuyer(api.orders)) ?? [];
const list = find(document, "[data-orders]");
const rows = orders.map(makeRow);
list.replaceChildren(...rows);
list.removeAttribute("aria-busy");
find(document, "[data-no-orders]").hidden = orders.length > 0;
everySecond(() => orders.forEach((order, at) => drawTimeLeft(rows[at], order)));

/** @param {Order} order */
function makeRow(order) {
  const row = stamp(document, "order");
  fill(row, {
    product: order.product,
    number: order.number,
    created: moment(order.created_at),
    price: money(order.price, order.currency),
    status: say(`status_${order.status}`),
  });
  slot(row, "status").dataset.state = order.status;
  slot(row, "product").setAttribute("href", address("orders", order.number));
  return row;
}

/** @param {HTMLElement} row @param {Order} order */
function drawTimeLeft(row, order) {
  const left = Date.parse(order.pay_before) - now();
  const running = order.status === "pending" && left > 0;
  slot(row, "left").hidden = !running;
  if (running) fill(row, { left: say("pay_within", { time: countdown(left) }) });
}
