// @ts-check
// The sale page: product, opening time, stock, the buy button, and the line.

import { goLogIn, showAccount } from "./account.js";
import * as api from "./api.js";
import { BuyButton } from "./buy_button.js";
import { everySecond, observe } from "./clock.js";
import { countdown, money, span } from "./format.js";
import { Line } from "./line.js";
import { LineOverlay } from "./line_overlay.js";
import { getPassEarly } from "./pass.js";
import { Pocket } from "./pocket.js";
import { pause, persist } from "./retry.js";
import { showState, stateNow, untilOpen, windowInWords } from "./sale_window.js";
import { fill, find, slot } from "./slots.js";
import { showStock } from "./stock.js";
import { page, say } from "./text.js";
import { showTrouble } from "./trouble.js";

/** @typedef {import("./line.js").View} View */
/** @typedef {import("./sale_window.js").Sale} Sale */

// Polling interval of the progress, by time until the opening.
const NEAR_MS = 60_000;
const FAR_MS = 600_000;
const POLL_NEAR_MS = 2_000;
const POLL_MS = 15_000;
const POLL_FAR_MS = 60_000;
// Views that open the overlay by themselves: after a page load, and when the view changes later.
const WORTH_RESUMING = new Set(["waiting", "waitlisted", "confirmed"]);
const NEWS = new Set(["confirmed", "paid", "sold_out", "released", "refused"]);

const root = find(document, "[data-sale]");
const saleTitle = document.title;

const account = showAccount();
/** @type {Sale} */
const sale = await persist(() => api.sale(page.sale_id), showTrouble);
observe(sale.server_time);
const username = await account;

const button = new BuyButton(root, username !== null);
const overlay = new LineOverlay({ onDecided: (order) => line?.showOrder(order), needLogin: goLogIn });
const pocket = username === null ? null : new Pocket(username, sale.id);
const line = pocket && new Line({
  saleId: sale.id,
  pocket,
  opensAt: async () => (await askProgress()).opens_at,
  show,
  onTrouble: showTrouble,
  needLogin: goLogIn,
});
/** @type {View} */
let view = { name: "idle" };

fill(root, {
  price: money(sale.price, sale.currency),
  "pay-within": say("pay_within_fact", { time: span(sale.pay_within_s) }),
});
everySecond(() => {
  draw();
  overlay.tick();
});
if (pocket && line) {
  button.onPress(() => {
    const begins = view.name === "idle" || view.name === "refused";
    if (begins) void line.join();
    overlay.open();
  });
  pocket.onTicketFromElsewhere(() => void line.resume());
  void getPassEarly(pocket, sale.id, () => sale.opens_at);
  void line.resume();
} else {
  button.onPress(goLogIn);
}
void watchProgress();

/** @param {View} next */
function show(next) {
  const before = view.name;
  view = next;
  overlay.show(view);
  if (view.name !== before && (before === "idle" ? WORTH_RESUMING : NEWS).has(view.name)) overlay.open();
  draw();
}

function draw() {
  const state = stateNow(sale);
  showState(slot(root, "state"), state);
  showStock(root, sale.remaining, sale.stock);
  fill(root, { when: windowInWords(sale) });
  const counting = state === "scheduled" && username === null; // otherwise the button shows the countdown
  slot(root, "countdown-row").hidden = !counting;
  if (counting) fill(root, { countdown: countdown(untilOpen(sale)) });
  button.draw(state, untilOpen(sale), view);
  const title = button.pageTitle(view);
  document.title = title ? `${title} · ${saleTitle}` : saleTitle;
}

async function askProgress() {
  const progress = await persist(() => api.progress(sale.id), (trouble, waitMs) => {
    if (view.name === "idle") showTrouble(trouble, waitMs); // otherwise the line reports errors
  });
  Object.assign(sale, progress);
  observe(progress.server_time);
  draw();
  return sale;
}

/** Poll the progress while the page is visible. */
async function watchProgress() {
  for (;;) {
    await pause(pollDelay());
    if (document.hidden) continue;
    try {
      await askProgress();
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
