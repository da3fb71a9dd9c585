// @ts-check
// The order page: details, payment deadline, pay and cancel buttons.

import { goLogIn, showAccount } from "./account.js";
import * as api from "./api.js";
import { everySecond, now } from "./clock.js";
import { countdown, exactMoment, moment, money, number } from "./format.js";
import { askAsBuyer } from "./my_orders.js";
import { orderActions } from "./order_actions.js";
import { pause } from "./retry.js";
import { fill, find, slot } from "./slots.js";
import { address, page, say } from "./text.js";

/** @typedef {import("./line.js").Order} Order */

const AFTER_DEADLINE_MS = 1_500;
const EXPIRY_POLL_MS = 2_000;

const root = find(document, "[data-order]");
const actions = orderActions(find(root, "[data-order-actions]"), show, goLogIn);
/** @type {Order | undefined} */
let shown;

void showAccount();
void watch();

/** Show the order. While it is pending, load it again after its payment deadline. */
async function watch() {
  do {
    const order = await askAsBuyer(() => api.order(page.number));
    if (!order) {
      find(document, "[data-no-order]").hidden = false;
      return;
    }
    const first = !shown;
    show(order);
    if (first) everySecond(tick);
    await pause(Math.max(Date.parse(order.pay_before) - now() + AFTER_DEADLINE_MS, EXPIRY_POLL_MS));
  } while (shown?.status === "pending");
}

/** @param {Order} order */
function show(order) {
  shown = order;
  fill(root, {
    status: say(`status_${order.status}`),
    product: order.product,
    price: money(order.price, order.currency),
    number: order.number,
    place: number(order.place),
    created: exactMoment(order.created_at),
    "pay-before": moment(order.pay_before),
    paid: order.status_changed_at ? exactMoment(order.status_changed_at) : "",
    back: order.status_changed_at ? exactMoment(order.status_changed_at) : "",
  });
  const pending = order.status === "pending";
  slot(root, "status").dataset.state = order.status;
  slot(root, "payment").hidden = !pending;
  slot(root, "pay-before-row").hidden = !pending;
  slot(root, "paid-row").hidden = order.status !== "paid";
  slot(root, "back-row").hidden = pending || order.status === "paid";
  slot(root, "sale-link").setAttribute("href", address("sales", order.sale));
  actions.offer(order);
  root.hidden = false;
  document.title = `${order.number} · ${order.product}`;
}

function tick() {
  if (shown) fill(root, { countdown: countdown(Date.parse(shown.pay_before) - now()) });
}
