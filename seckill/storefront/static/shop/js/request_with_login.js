// @ts-check
// Requests that need a login.

import { openLoginPage } from "./account.js";
import { Problem } from "./api.js";
import { showErrorBanner } from "./error_banner.js";
import { retryUntilDone } from "./retry.js";

/**
 * @template T
 * @param {() => Promise<T>} request
 * @returns {Promise<T | undefined>} undefined after a permanent error; never settles when leaving for the login page
 */
export async function requestWithLogin(request) {
  try {
    return await retryUntilDone(request, showErrorBanner);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.code === "not_logged_in") {
      openLoginPage();
      return new Promise(() => undefined); // the browser is leaving the page
    }
    return undefined;
  }
}
