// @ts-check
// The bar of remaining stock.

import { find, setTexts } from "./dom.js";
import { t } from "./text.js";

/** @param {ParentNode} root @param {number} remaining @param {number} stock */
export function showStock(root, remaining, stock) {
  const element = find(root, "[data-stock]");
  setTexts(element, {
    left: remaining > 0 ? t("left", { count: remaining, stock }) : t("none_left", { stock }),
  });
  find(element, ".bar").style.setProperty("--left", String(stock ? remaining / stock : 0));
}
