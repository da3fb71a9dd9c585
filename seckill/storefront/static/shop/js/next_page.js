// @ts-check
// The page to open after login: the value of ?next=, if it is a page of this site.

import { page } from "./text.js";

/** @returns {string} a path on this site */
export function nextPage() {
  const next = new URLSearchParams(location.search).get("next") ?? "";
  try {
    const target = new URL(next, location.origin);
    // URL resolves strings that only look like a path to another origin ("//evil.example", "/\evil.example").
    if (next.startsWith("/") && target.origin === location.origin) {
      return target.pathname + target.search + target.hash;
    }
  } catch {
    // not a valid URL
  }
  return page.home;
}

/** Keep ?next= in links between the account pages. */
export function keepNextInLinks() {
  for (const link of document.querySelectorAll("a[data-keeps-next]")) {
    if (link instanceof HTMLAnchorElement) link.search = location.search;
  }
}
