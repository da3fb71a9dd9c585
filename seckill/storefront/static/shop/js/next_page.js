// @ts-check
// Where to go after logging in: the page that ?next= names, if it is one of ours.

import { page } from "./text.js";

/** @returns {string} a path on this site */
export function nextPage() {
  const wanted = new URLSearchParams(location.search).get("next") ?? "";
  try {
    const target = new URL(wanted, location.origin);
    // The parser has resolved what looks like a path and is none ("//evil.example", "/\evil.example").
    if (wanted.startsWith("/") && target.origin === location.origin) {
      return target.pathname + target.search + target.hash;
    }
  } catch {
    // not an address at all
  }
  return page.home;
}

/** Let links between the account pages carry ?next= along. */
export function carryNext() {
  for (const link of document.querySelectorAll("a[data-keeps-next]")) {
    if (link instanceof HTMLAnchorElement) link.search = location.search;
  }
}
