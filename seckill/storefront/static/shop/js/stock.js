// @ts-check
// The bar of remaining stock.

import { fill, find } from "./slots.js";
import { say } from "./text.js";

/** @param {ParentNode} root @param {number} remaining @param {number} stock */
export function showStock(root, remaining, stock) {
  const element = find(root, "[data-stock]");
  fill(element, {
    left: remaining > 0 ? say("left", { count: remaining, stock }) : say("none_left", { stock }),
  });
  find(element, ".bar").style.setProperty("--left", String(stock ? remaining / stock : 0));
}
