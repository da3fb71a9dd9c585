// @ts-check
// A sale's card on the home page.

import { countdown, money } from "./format.js";
import { showState, stateNow, untilOpen, windowInWords } from "./sale_window.js";
import { fill, slot, stamp } from "./slots.js";
import { showStock } from "./stock.js";
import { address, say } from "./text.js";

/** @typedef {import("./sale_window.js").Sale} Sale */

const COUNT_DOWN_MS = 86_400_000; // a day; sales that open later show the date

/** @param {Sale} sale @returns {HTMLElement} */
export function makeSaleCard(sale) {
  const card = stamp(document, "sale");
  const image = slot(card, "image");
  if (sale.product.image) {
    image.setAttribute("src", sale.product.image);
    image.hidden = false;
  }
  fill(card, { name: sale.product.name, price: money(sale.price, sale.currency) });
  slot(card, "name").setAttribute("href", address("sales", sale.id));
  drawSaleCard(card, sale);
  return card;
}

/** Update state, time and stock of a card. @param {HTMLElement} card @param {Sale} sale */
export function drawSaleCard(card, sale) {
  const state = stateNow(sale);
  const ahead = untilOpen(sale);
  const counting = state === "scheduled" && ahead < COUNT_DOWN_MS;
  showState(slot(card, "state"), state);
  fill(card, { when: counting ? say("opens_in", { time: countdown(ahead) }) : windowInWords(sale) });
  showStock(card, sale.remaining, sale.stock);
}
