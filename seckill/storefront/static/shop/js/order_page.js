// @ts-check
// The order page: details, payment deadline, pay and cancel buttons.

import { openLoginPage, showAccount } from "./account.js";
import * as api from "./api.js";
import { everySecond, now } from "./clock.js";
import { bound, find, setTexts } from "./dom.js";
import { countdown, dateTime, exactDateTime, money, number } from "./format.js";
import { orderActions } from "./order_actions.js";
import { requestWithLogin } from "./request_with_login.js";
import { sleepUntilVisible } from "./retry.js";
import { address, page, t } from "./text.js";

/** @typedef {import("./line.js").Order} Order */

const AFTER_DEADLINE_MS = 1_500;
const EXPIRY_POLL_MS = 2_000;

const root = find(document, "[data-order]");
const actions = orderActions(find(root, "[data-order-actions]"), show, openLoginPage);
/** @type {Order | undefined} */
let shown;

void showAccount();
void watch();

/** Show the order. While it is pending, load it again after its payment deadline. */
async function watch() {
  do {
    const order = await requestWithLogin(() => api.order(page.number));
    if (!order) {
      find(document, "[data-no-order]").hidden = false;
      return;
    }
    const first = !shown;
    show(order);
    if (first) everySecond(tick);
    await sleepUntilVisible(Math.max(Date.parse(order.pay_before) - now() + AFTER_DEADLINE_MS, EXPIRY_POLL_MS));
  } while (shown?.status === "pending");
}

/** @param {Order} order */
function show(order) {
  shown = order;
  setTexts(root, {
    status: t(`status_${order.status}`),
    product: order.product,
    price: money(order.price, order.currency),
    number: order.number,
    place: number(order.place),
    created: exactDateTime(order.created_at),
    "pay-before": dateTime(order.pay_before),
    paid: order.status_changed_at ? exactDateTime(order.status_changed_at) : "",
    closed: order.status_changed_at ? exactDateTime(order.status_changed_at) : "",
  });
  const pending = order.status === "pending";
  bound(root, "status").dataset.state = order.status;
  bound(root, "payment").hidden = !pending;
  bound(root, "pay-before-row").hidden = !pending;
  bound(root, "paid-row").hidden = order.status !== "paid";
  bound(root, "closed-row").hidden = pending || order.status === "paid";
  bound(root, "sale-link").setAttribute("href", address("sales", order.sale));
  actions.offer(order);
  root.hidden = false;
  document.title = `${order.number} · ${order.product}`;
}

function tick() {
  if (shown) setTexts(root, { countdown: countdown(Date.parse(shown.pay_before) - now()) });
}
