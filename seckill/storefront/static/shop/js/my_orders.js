// @ts-check
// Order requests, which need a login.

import { goLogIn } from "./account.js";
import { Problem } from "./api.js";
import { persist } from "./retry.js";
import { showTrouble } from "./trouble.js";

/**
 * @template T
 * @param {() => Promise<T>} ask
 * @returns {Promise<T | undefined>} undefined after a permanent error; never settles when leaving for the login page
 */
export async function askAsBuyer(ask) {
  try {
    return await persist(ask, showTrouble);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.code === "not_logged_in") {
      goLogIn();
      return new Promise(() => undefined); // the browser is leaving the page
    }
    return undefined;
  }
}
