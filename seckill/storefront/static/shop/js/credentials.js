// @ts-check
// The form for user name and password on the login and registration pages.

import { Problem } from "./api.js";
import { bound, find } from "./dom.js";
import { showErrorBanner } from "./error_banner.js";
import { keepNextInLinks, nextPage } from "./next_page.js";
import { retryUntilDone } from "./retry.js";
import { t } from "./text.js";

const FIELDS = ["username", "password"];

/** @param {(credentials: {username: string, password: string}) => Promise<unknown>} send */
export function startCredentials(send) {
  const form = /** @type {HTMLFormElement} */ (find(document, "[data-credentials]"));
  const submit = /** @type {HTMLButtonElement} */ (find(form, '[type="submit"]'));
  keepNextInLinks();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (submit.disabled) return;
    const data = new FormData(form);
    const credentials = { username: String(data.get("username")).trim(), password: String(data.get("password")) };
    const missing = FIELDS.filter((name) => !credentials[/** @type {"username" | "password"} */ (name)]);
    if (missing.length) {
      showErrors(form, Object.fromEntries(missing.map((name) => [name, [t("missing")]])));
      return;
    }
    submit.disabled = true;
    try {
      showErrors(form, {});
      await retryUntilDone(() => send(credentials), showErrorBanner);
      location.replace(nextPage());
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      submit.disabled = false;
      showErrors(form, errorsOf(problem));
    }
  });
}

/** @param {Problem} problem @returns {Record<string, string[]>} messages by field; other messages under "" */
function errorsOf(problem) {
  if (problem.code === "invalid") return problem.errors;
  return { "": [t(problem.code === "bad_credentials" ? "bad_credentials" : "failed")] };
}

/** @param {HTMLElement} form @param {Record<string, string[]>} errors */
function showErrors(form, errors) {
  const rest = Object.keys(errors).filter((name) => !FIELDS.includes(name));
  const summary = find(form, ':scope > [data-bind="error"]');
  summary.textContent = rest.flatMap((name) => errors[name]).join(" ");
  summary.hidden = rest.length === 0;
  /** @type {HTMLElement | undefined} */
  let first = rest.length ? summary : undefined;
  for (const name of FIELDS) {
    const field = find(form, `[data-field="${name}"]`);
    const input = find(field, "input");
    const wrong = name in errors;
    const error = bound(field, "error");
    error.textContent = wrong ? errors[name].join(" ") : "";
    error.hidden = !wrong;
    if (wrong) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    if (wrong) first ??= input;
  }
  first?.focus();
}
