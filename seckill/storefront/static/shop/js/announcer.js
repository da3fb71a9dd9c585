// @ts-check
// Announcer: what a screen reader says. While a dialog is open only what is inside it is read.

/** @param {string} text */
export function announce(text) {
  const region = document.querySelector("dialog[open] [data-announcer]");
  if (region) region.textContent = text;
}
