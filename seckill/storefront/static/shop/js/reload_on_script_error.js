// @ts-check
// Reloads the page, three times in a row at most, if a script failed to load, as when a phone changes networks: without
// the script nothing on the page works. This is not a module, because it must run before the modules load.
"use strict";

(() => {
  const KEY = "flash-sale:script-reload";
  const TRIES_MAX = 3;
  const RESET_MS = 60_000;
  const DELAY_MS_MIN = 1_000;

  const reload = (/** @type {Event} */ event) => {
    if (!(event.target instanceof HTMLScriptElement)) return;
    const last = JSON.parse(sessionStorage.getItem(KEY) ?? '{"at": 0, "tries": 0}');
    const tries = Date.now() - last.at < RESET_MS ? last.tries : 0;
    if (tries >= TRIES_MAX) return;
    sessionStorage.setItem(KEY, JSON.stringify({ at: Date.now(), tries: tries + 1 }));
    setTimeout(() => location.reload(), DELAY_MS_MIN * 2 ** tries);
  };

  window.addEventListener("error", reload, true); // capture, because load errors do not bubble
})();
