// @ts-check
// The logged-in user. Pages are the same for every visitor, so this script fills in the header.

import * as api from "./api.js";
import { bound, find, onAction } from "./dom.js";

const NOT_LOGGED_IN = 401;
const LAST_USER = "flash-sale:user";

/**
 * Load the logged-in user and show the name in the header.
 * @returns {Promise<string | null>} the user name, null without a login
 */
export async function showAccount() {
  const username = await fetchUsername();
  const menu = find(document, '[data-account="in"]');
  const link = find(document, '[data-account="out"]');
  menu.hidden = username === null;
  link.hidden = username !== null;
  link.setAttribute("href", loginUrl());
  if (username !== null) {
    bound(menu, "username").textContent = username;
    onAction(menu, "log-out", logOut);
    closeOnOutsideClick(menu);
  }
  return username;
}

/** Return the URL of the login page, with ?next= set to the current page. */
export function loginUrl() {
  const login = new URL(find(document, '[data-account="out"]').getAttribute("href") ?? "", location.href);
  const onAccountPage = /\/(login|register)\/$/.test(location.pathname);
  if (!onAccountPage) login.searchParams.set("next", location.pathname + location.search);
  return login.pathname + login.search;
}

/** Open the login page, which returns here afterwards. */
export function openLoginPage() {
  location.assign(loginUrl());
}

/**
 * Return the user name, or null without a login. If the request fails, return the last known user name: the line works
 * without a session, so a short database outage does not stop a waiting buyer.
 */
async function fetchUsername() {
  try {
    const { username } = await api.me();
    storeUsername(username);
    return username;
  } catch (error) {
    if (error instanceof api.Problem && error.status === NOT_LOGGED_IN) {
      storeUsername(null);
      return null;
    }
    return storedUsername();
  }
}

async function logOut() {
  try {
    await api.logOut();
  } catch (error) {
    if (!(error instanceof api.Problem && error.status === NOT_LOGGED_IN)) return; // still logged in
  }
  storeUsername(null);
  location.reload();
}

/** @param {string | null} username */
function storeUsername(username) {
  try {
    if (username === null) localStorage.removeItem(LAST_USER);
    else localStorage.setItem(LAST_USER, username);
  } catch {
    // storage is disabled: the user name is not stored
  }
}

/** @returns {string | null} */
function storedUsername() {
  try {
    return localStorage.getItem(LAST_USER);
  } catch {
    return null;
  }
}

/** Close the menu on Escape and on a click outside. @param {HTMLElement} menu */
function closeOnOutsideClick(menu) {
  document.addEventListener("click", (event) => {
    if (event.target instanceof Node && !menu.contains(event.target)) menu.removeAttribute("open");
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.hasAttribute("open")) return;
    menu.removeAttribute("open");
    find(menu, "summary").focus();
  });
}
