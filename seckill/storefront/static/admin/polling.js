// Polling: ask how something stands again and again, for a panel of the admin that shows the answers.

const SLOWEST_POLL_MS = 30_000;

/**
 * Ask the panel's data-url every so often, less and less often while there is no answer, and not at all in a hidden tab.
 * What is wrong is said in the panel's [data-note].
 *
 * @param {HTMLElement} panel
 * @param {{pollMs: number, giveUpMs: number}} times how often to ask, and how long to wait for an answer
 * @param {(answer: any) => boolean} show writes an answer into the panel; whether to go on asking
 */
export function poll(panel, { pollMs, giveUpMs }, show) {
  const note = panel.querySelector("[data-note]");
  let failures = 0;
  let timer = null;

  const ask = async () => {
    timer = null;
    try {
      const response = await fetch(panel.dataset.url, {
        headers: { Accept: "application/json" },
        redirect: "manual", // to the login page: the session is over, and asking again won't help
        signal: AbortSignal.timeout(giveUpMs),
      });
      if (response.type === "opaqueredirect" || response.status === 401 || response.status === 403) {
        note.textContent = panel.dataset.signedOut;
        return;
      }
      if (!response.ok) throw new Error(`status ${response.status}`);
      const goesOn = show(await response.json());
      note.textContent = "";
      failures = 0;
      if (!goesOn) return;
    } catch {
      failures += 1;
      note.textContent = panel.dataset.offline;
    }
    plan(Math.min(pollMs * 2 ** failures, SLOWEST_POLL_MS));
  };

  const plan = (delay) => {
    if (!document.hidden && timer === null) timer = setTimeout(ask, delay);
  };

  document.addEventListener("visibilitychange", () => plan(0));
  plan(pollMs);
}
