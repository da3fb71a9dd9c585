// @ts-check
// Asking for orders, which needs somebody who is logged in.

import { goLogIn } from "./account.js";
import { Problem } from "./api.js";
import { persist } from "./retry.js";
import { showTrouble } from "./trouble.js";

/**
 * @template T
 * @param {() => Promise<T>} ask
 * @returns {Promise<T | undefined>} undefined when there is no such thing; never settles while the page leaves to log in
 */
export async function askAsBuyer(ask) {
  try {
    return await persist(ask, showTrouble);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.code === "not_logged_in") {
      goLogIn();
      return new Promise(() => undefined); // the page is on its way out
    }
    return undefined;
  }
}
