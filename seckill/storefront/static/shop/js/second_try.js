// @ts-check
// A phone that changes networks while a page loads may miss one of its scripts, and then nothing on the page works. So
// the page is loaded again, a few times at most. No module, because it has to be there before the modules are.
"use strict";

(() => {
  const KEY = "flash-sale:second-try";
  const TRIES_MAX = 3;
  const FORGET_MS = 60_000;
  const FIRST_MS = 1_000;

  const missed = (/** @type {Event} */ event) => {
    if (!(event.target instanceof HTMLScriptElement)) return;
    const last = JSON.parse(sessionStorage.getItem(KEY) ?? '{"at": 0, "tries": 0}');
    const tries = Date.now() - last.at < FORGET_MS ? last.tries : 0;
    if (tries >= TRIES_MAX) return;
    sessionStorage.setItem(KEY, JSON.stringify({ at: Date.now(), tries: tries + 1 }));
    setTimeout(() => location.reload(), FIRST_MS * 2 ** tries);
  };

  window.addEventListener("error", missed, true); // such events do not bubble
})();
