// @ts-check
// Announcements for screen readers. While a dialog is open, screen readers read only live regions inside it.

/** @param {string} text */
export function announce(text) {
  const region = document.querySelector("dialog[open] [data-announcer]");
  if (region) region.textContent = text;
}
