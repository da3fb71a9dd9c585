// @ts-check
// The sale page: product, opening time, stock, the buy button, and the line.

import { openLoginPage, showAccount } from "./account.js";
import * as api from "./api.js";
import { BuyButton } from "./buy_button.js";
import { everySecond, observe } from "./clock.js";
import { bound, find, setTexts } from "./dom.js";
import { showErrorBanner } from "./error_banner.js";
import { countdown, duration, money } from "./format.js";
import { Line } from "./line.js";
import { LineOverlay } from "./line_overlay.js";
import { getPassEarly } from "./pass.js";
import { PurchaseStore } from "./purchase_store.js";
import { retryUntilDone, sleepUntilVisible } from "./retry.js";
import { showState, stateNow, untilOpen, windowText } from "./sale_window.js";
import { showStock } from "./stock.js";
import { page, t } from "./text.js";

/** @typedef {import("./line.js").View} View */
/** @typedef {import("./sale_window.js").Sale} Sale */

// Polling interval of the progress, by time until the opening.
const NEAR_MS = 60_000;
const FAR_MS = 600_000;
const POLL_NEAR_MS = 2_000;
const POLL_MS = 15_000;
const POLL_FAR_MS = 60_000;
// Views that open the overlay by themselves: after a page load, and when the view changes later.
const OPENS_AFTER_LOAD = new Set(["waiting", "waitlisted", "confirmed"]);
const OPENS_ON_CHANGE = new Set(["confirmed", "paid", "sold_out", "released", "refused"]);

const root = find(document, "[data-sale]");
const saleTitle = document.title;

const account = showAccount();
/** @type {Sale} */
const sale = await retryUntilDone(() => api.sale(page.sale_id), showErrorBanner);
observe(sale.server_time);
const username = await account;

const button = new BuyButton(root, username !== null);
const overlay = new LineOverlay({ onDecided: (order) => line?.showOrder(order), onLoginRequired: openLoginPage });
const store = username === null ? null : new PurchaseStore(username, sale.id);
const line = store && new Line({
  saleId: sale.id,
  store,
  opensAt: async () => (await fetchProgress()).opens_at,
  show,
  onError: showErrorBanner,
  onLoginRequired: openLoginPage,
});
/** @type {View} */
let view = { name: "idle" };

setTexts(root, {
  price: money(sale.price, sale.currency),
  "pay-within": t("pay_within_fact", { time: duration(sale.pay_within_s) }),
});
everySecond(() => {
  draw();
  overlay.tick();
});
if (store && line) {
  button.onPress(() => {
    const begins = view.name === "idle" || view.name === "refused";
    if (begins) void line.join();
    overlay.open();
  });
  store.onTicketFromOtherTab(() => void line.resume());
  void getPassEarly(store, sale.id, () => sale.opens_at);
  void line.resume();
} else {
  button.onPress(openLoginPage);
}
void watchProgress();

/** @param {View} next */
function show(next) {
  const before = view.name;
  view = next;
  overlay.show(view);
  if (view.name !== before && (before === "idle" ? OPENS_AFTER_LOAD : OPENS_ON_CHANGE).has(view.name)) overlay.open();
  draw();
}

function draw() {
  const state = stateNow(sale);
  showState(bound(root, "state"), state);
  showStock(root, sale.remaining, sale.stock);
  setTexts(root, { when: windowText(sale) });
  const counting = state === "scheduled" && username === null; // otherwise the button shows the countdown
  bound(root, "countdown-row").hidden = !counting;
  if (counting) setTexts(root, { countdown: countdown(untilOpen(sale)) });
  button.draw(state, untilOpen(sale), view);
  const title = button.pageTitle(view);
  document.title = title ? `${title} · ${saleTitle}` : saleTitle;
}

async function fetchProgress() {
  const progress = await retryUntilDone(() => api.progress(sale.id), (error, waitMs) => {
    if (view.name === "idle") showErrorBanner(error, waitMs); // otherwise the line reports errors
  });
  Object.assign(sale, progress);
  observe(progress.server_time);
  draw();
  return sale;
}

/** Poll the progress while the page is visible. */
async function watchProgress() {
  for (;;) {
    await sleepUntilVisible(pollDelay());
    if (document.hidden) continue;
    try {
      await fetchProgress();
    } catch (error) {
      if (error instanceof api.Problem) return; // the sale no longer exists
      throw error;
    }
  }
}

function pollDelay() {
  if (stateNow(sale) === "closed" || document.hidden) return POLL_FAR_MS;
  if (view.name !== "idle") return POLL_MS; // the ticket is polled instead
  const ahead = untilOpen(sale);
  if (ahead <= NEAR_MS) return POLL_NEAR_MS * (0.8 + Math.random() * 0.4);
  return Math.min(ahead > FAR_MS ? POLL_FAR_MS : POLL_MS, ahead - NEAR_MS + 1);
}
