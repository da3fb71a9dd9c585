// The panel of an export's page: asks once a second how far it is, moves the bar, and reloads the page when it has ended.
"use strict";

(() => {
  const POLL_MS = 1000;
  const GIVE_UP_MS = 10000;
  const SLOWEST_POLL_MS = 30000;
  const UNFINISHED = ["queued", "started", "progress"];

  const start = (panel) => {
    const note = panel.querySelector("[data-note]");
    const bar = panel.querySelector("[role=progressbar]");
    const rows = panel.querySelector("[data-rows]");
    const label = panel.querySelector("[data-state]").firstElementChild;
    let failures = 0;
    let timer = null;

    const show = (progress) => {
      bar.setAttribute("aria-valuenow", progress.percent);
      bar.firstElementChild.style.width = `${progress.percent}%`;
      rows.textContent = progress.total === null ? progress.rows : `${progress.rows} / ${progress.total}`;
      label.textContent = panel.dataset[progress.state];
    };

    const ask = async () => {
      timer = null;
      try {
        const response = await fetch(panel.dataset.url, {
          headers: { Accept: "application/json" },
          signal: AbortSignal.timeout(GIVE_UP_MS),
        });
        if (response.status === 401 || response.status === 403) {
          note.textContent = panel.dataset.signedOut;
          return;
        }
        if (!response.ok) {
          throw new Error(`status ${response.status}`);
        }
        const progress = await response.json();
        show(progress);
        note.textContent = "";
        failures = 0;
        if (!UNFINISHED.includes(progress.state)) {
          window.location.reload();
          return;
        }
      } catch {
        failures += 1;
        note.textContent = panel.dataset.offline;
      }
      plan(Math.min(POLL_MS * 2 ** failures, SLOWEST_POLL_MS));
    };

    // A hidden tab asks nothing.
    const plan = (delay) => {
      if (!document.hidden && timer === null) {
        timer = setTimeout(ask, delay);
      }
    };

    document.addEventListener("visibilitychange", () => plan(0));
    plan(POLL_MS);
  };

  document.addEventListener("DOMContentLoaded", () => {
    const panel = document.getElementById("export-progress");
    if (panel?.dataset.url) {
      start(panel);
    }
  });
})();
