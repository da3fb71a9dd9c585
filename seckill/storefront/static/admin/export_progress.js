// Progress panel of an export's page: polls once a second, updates the bar, and reloads the page at the end.

import { poll } from "./polling.js";

const TIMES = { pollMs: 1_000, timeoutMs: 10_000 };
const UNFINISHED = ["queued", "started", "progress"];

const panel = document.getElementById("export-progress");

const show = (progress) => {
  const bar = panel.querySelector("[role=progressbar]");
  bar.setAttribute("aria-valuenow", progress.percent);
  bar.firstElementChild.style.width = `${progress.percent}%`;
  const rows = panel.querySelector("[data-rows]");
  rows.textContent = progress.total === null ? progress.rows : `${progress.rows} / ${progress.total}`;
  panel.querySelector("[data-state]").firstElementChild.textContent = panel.dataset[progress.state];
  const unfinished = UNFINISHED.includes(progress.state);
  if (!unfinished) window.location.reload();
  return unfinished;
};

if (panel?.dataset.url) poll(panel, TIMES, show);
