// Live panel of a sale's change page: polls the figures every two seconds and updates them in place.

import { poll } from "./polling.js";

const TIMES = { pollMs: 2_000, timeoutMs: 12_000 }; // the server waits up to nine seconds for Redis

const panel = document.getElementById("sale-live");

const show = (figures) => {
  panel.dataset.reach = figures.reach;
  for (const cell of panel.querySelectorAll("[data-figure]")) {
    const figure = figures[cell.dataset.figure];
    cell.textContent = figure === null ? panel.dataset[figures.reach] : String(figure);
  }
  return true;
};

if (panel) poll(panel, TIMES, show);
