// @ts-check
// A sale's card on the home page.

import { bound, cloneTemplate, setTexts } from "./dom.js";
import { countdown, money } from "./format.js";
import { showState, stateNow, untilOpen, windowText } from "./sale_window.js";
import { showStock } from "./stock.js";
import { address, t } from "./text.js";

/** @typedef {import("./sale_window.js").Sale} Sale */

const COUNT_DOWN_MS = 86_400_000; // a day; sales that open later show the date

/** @param {Sale} sale @returns {HTMLElement} */
export function makeSaleCard(sale) {
  const card = cloneTemplate(document, "sale");
  const image = bound(card, "image");
  if (sale.product.image) {
    image.setAttribute("src", sale.product.image);
    image.hidden = false;
  }
  setTexts(card, { name: sale.product.name, price: money(sale.price, sale.currency) });
  bound(card, "name").setAttribute("href", address("sales", sale.id));
  drawSaleCard(card, sale);
  return card;
}

/** Update state, time and stock of a card. @param {HTMLElement} card @param {Sale} sale */
export function drawSaleCard(card, sale) {
  const state = stateNow(sale);
  const ahead = untilOpen(sale);
  const counting = state === "scheduled" && ahead < COUNT_DOWN_MS;
  showState(bound(card, "state"), state);
  setTexts(card, { when: counting ? t("opens_in", { time: countdown(ahead) }) : windowText(sale) });
  showStock(card, sale.remaining, sale.stock);
}
