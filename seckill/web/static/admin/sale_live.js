// The live panel of a sale's change page: asks for the figures every two seconds and writes them in place.
"use strict";

(() => {
  const POLL_MS = 2000;
  const GIVE_UP_MS = 12000; // the server itself gives up on a silent Redis after nine seconds
  const SLOWEST_POLL_MS = 30000;

  const start = (panel) => {
    const note = panel.querySelector("[data-note]");
    const cells = panel.querySelectorAll("[data-figure]");
    let failures = 0;
    let timer = null;

    const show = (figures) => {
      panel.dataset.reach = figures.reach;
      for (const cell of cells) {
        const figure = figures[cell.dataset.figure];
        cell.textContent = figure === null ? panel.dataset[figures.reach] : String(figure);
      }
    };

    const ask = async () => {
      timer = null;
      try {
        const response = await fetch(panel.dataset.url, {
          headers: { Accept: "application/json" },
          redirect: "manual", // to the login page: the session is over, and asking again won't help
          signal: AbortSignal.timeout(GIVE_UP_MS),
        });
        if (response.type === "opaqueredirect" || response.status === 403) {
          note.textContent = panel.dataset.signedOut;
          return;
        }
        if (!response.ok) {
          throw new Error(`status ${response.status}`);
        }
        show(await response.json());
        note.textContent = "";
        failures = 0;
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
    const panel = document.getElementById("sale-live");
    if (panel) {
      start(panel);
    }
  });
})();
