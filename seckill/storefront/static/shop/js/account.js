// @ts-check
// Who is logged in. Pages are the same for everybody, so the header is filled in here.

import * as api from "./api.js";
import { find, onAction, slot } from "./slots.js";

const NOT_LOGGED_IN = 401;
const LAST_USER = "flash-sale:user";

/**
 * Ask who is logged in and show it in the header.
 * @returns {Promise<string | null>} the user name
 */
export async function showAccount() {
  const username = await whoAmI();
  const menu = find(document, '[data-account="in"]');
  const link = find(document, '[data-account="out"]');
  menu.hidden = username === null;
  link.hidden = username !== null;
  link.setAttribute("href", loginAddress());
  if (username !== null) {
    slot(menu, "username").textContent = username;
    onAction(menu, "log-out", logOut);
    closesByItself(menu);
  }
  return username;
}

/** The login page, leading back to where we are. */
export function loginAddress() {
  const login = new URL(find(document, '[data-account="out"]').getAttribute("href") ?? "", location.href);
  const lookingForAccount = /\/(login|register)\/$/.test(location.pathname);
  if (!lookingForAccount) login.searchParams.set("next", location.pathname + location.search);
  return login.pathname + login.search;
}

/** Leave for the login page, and come back afterwards. */
export function goLogIn() {
  location.assign(loginAddress());
}

/**
 * When the shop can't say who we are, we are who we were: the line works without a session, so a buyer who waits in it
 * is not stopped by a database that is away for a moment.
 */
async function whoAmI() {
  try {
    const { username } = await api.me();
    remember(username);
    return username;
  } catch (error) {
    if (error instanceof api.Problem && error.status === NOT_LOGGED_IN) {
      remember(null);
      return null;
    }
    return remembered();
  }
}

async function logOut() {
  try {
    await api.logOut();
  } catch (error) {
    if (!(error instanceof api.Problem && error.status === NOT_LOGGED_IN)) return; // still logged in, and it shows
  }
  remember(null);
  location.reload();
}

/** @param {string | null} username */
function remember(username) {
  try {
    if (username === null) localStorage.removeItem(LAST_USER);
    else localStorage.setItem(LAST_USER, username);
  } catch {
    // storage is off: then nobody is remembered
  }
}

/** @returns {string | null} */
function remembered() {
  try {
    return localStorage.getItem(LAST_USER);
  } catch {
    return null;
  }
}

/** A menu closes on Escape, and on a click elsewhere. @param {HTMLElement} menu */
function closesByItself(menu) {
  document.addEventListener("click", (event) => {
    if (event.target instanceof Node && !menu.contains(event.target)) menu.removeAttribute("open");
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.hasAttribute("open")) return;
    menu.removeAttribute("open");
    find(menu, "summary").focus();
  });
}
