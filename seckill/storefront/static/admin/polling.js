// Polling for panels of the admin that show a changing state.

const POLL_MS_MAX = 30_000;

/**
 * Poll the panel's data-url. Back off exponentially after failures, and pause in a hidden tab.
 * Errors are shown in the panel's [data-note].
 *
 * @param {HTMLElement} panel
 * @param {{pollMs: number, timeoutMs: number}} times polling interval, and request timeout
 * @param {(data: any) => boolean} show renders a response; returns whether to continue polling
 */
export function poll(panel, { pollMs, timeoutMs }, show) {
  const note = panel.querySelector("[data-note]");
  let failures = 0;
  let timer = null;

  const request = async () => {
    timer = null;
    try {
      const response = await fetch(panel.dataset.url, {
        headers: { Accept: "application/json" },
        redirect: "manual", // a redirect to the login page means that the session has ended: stop
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (response.type === "opaqueredirect" || response.status === 401 || response.status === 403) {
        note.textContent = panel.dataset.signedOut;
        return;
      }
      if (!response.ok) throw new Error(`status ${response.status}`);
      const unfinished = show(await response.json());
      note.textContent = "";
      failures = 0;
      if (!unfinished) return;
    } catch {
      failures += 1;
      note.textContent = panel.dataset.offline;
    }
    schedule(Math.min(pollMs * 2 ** failures, POLL_MS_MAX));
  };

  const schedule = (delay) => {
    if (!document.hidden && timer === null) timer = setTimeout(request, delay);
  };

  document.addEventListener("visibilitychange", () => schedule(0));
  schedule(pollMs);
}
