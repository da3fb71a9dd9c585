// @ts-check
// The home page: the carousel, and one card per sale.

import { showAccount } from "./account.js";
import * as api from "./api.js";
import { startCarousel } from "./carousel.js";
import { everySecond, observe } from "./clock.js";
import { bound, cloneTemplate, find, setTexts } from "./dom.js";
import { showErrorBanner } from "./error_banner.js";
import { retryUntilDone, sleepUntilVisible } from "./retry.js";
import { drawSaleCard, makeSaleCard } from "./sale_card.js";
import { address } from "./text.js";

/** @typedef {import("./sale_window.js").Sale} Sale */

const POLL_MS = 10_000;

/** @type {Map<number, {sale: Sale, card: HTMLElement}>} */
let shown = new Map();

void showAccount();
void showBanners();
void showSales();

async function showBanners() {
  const root = find(document, "[data-carousel]");
  const banners = await retryUntilDone(api.banners, () => undefined); // `showSales` shows errors already
  root.hidden = banners.length === 0;
  if (banners.length) startCarousel(root, banners.map((/** @type {Banner} */ banner) => makeSlide(root, banner)));
}

/**
 * @typedef {{title: string, subtitle: string, image: string, sale: number | null}} Banner
 * @param {HTMLElement} root
 * @param {Banner} banner
 */
function makeSlide(root, banner) {
  const slide = cloneTemplate(root, "slide");
  bound(slide, "image").setAttribute("src", banner.image);
  setTexts(slide, { title: banner.title, subtitle: banner.subtitle });
  if (banner.sale !== null) {
    const link = bound(slide, "link");
    link.setAttribute("href", address("sales", banner.sale));
    link.hidden = false;
  }
  return slide;
}

async function showSales() {
  let ticking = false;
  for (;;) {
    /** @type {Sale[]} */
    const sales = await retryUntilDone(api.sales, showErrorBanner);
    for (const sale of sales) observe(sale.server_time);
    showCards(sales);
    if (!ticking) everySecond(() => shown.forEach(({ sale, card }) => drawSaleCard(card, sale)));
    ticking = true;
    do await sleepUntilVisible(POLL_MS * (0.8 + Math.random() * 0.4));
    while (document.hidden);
  }
}

/** Show the sales. Reuse existing cards, so that focus and images are kept. @param {Sale[]} sales */
function showCards(sales) {
  const list = find(document, "[data-sales]");
  const before = shown;
  shown = new Map(sales.map((sale) => [sale.id, { sale, card: before.get(sale.id)?.card ?? makeSaleCard(sale) }]));
  const cards = [...shown.values()].map(({ card }) => card);
  const same = cards.length === list.children.length && cards.every((card, at) => card === list.children[at]);
  if (!same) list.replaceChildren(...cards);
  list.removeAttribute("aria-busy");
  list.hidden = sales.length === 0;
  find(document, "[data-no-sales]").hidden = sales.length > 0;
}
