// Polling for panels of the admin that show a changing state.

const SLOWEST_POLL_MS = 30_000;

/**
 * Poll the panel's data-url. Back off exponentially after failures, and pause in a hidden tab.
 * Errors are shown in the panel's [data-note].
 *
 * @param {HTMLElement} panel
 * @param {{pollMs: number, giveUpMs: number}} times polling interval, and request timeout
 * @param {(answer: any) => boolean} show renders a response; returns whether to go on polling
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
        redirect: "manual", // a redirect to the login page means that the session has ended: stop
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
