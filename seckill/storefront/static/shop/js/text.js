// @ts-check
// Data that the page passes to its scripts: translated texts, the home address, and the id of its sale or order.

/** @type {{home: string, text: Record<string, string | Record<string, string>>, sale_id: number, number: string}} */
export const page = JSON.parse(/** @type {HTMLElement} */ (document.getElementById("page")).textContent ?? "{}");

const language = document.documentElement.lang;

/** The visitor's regional variant of the page's language (clock and date formats), if the browser has one. */
export const locale = navigator.languages.find((tag) => tag.split("-")[0] === language.split("-")[0]) ?? language;

const plurals = new Intl.PluralRules(language);
export const numbers = new Intl.NumberFormat(locale);

/**
 * Return a text of this page, in the plural form for `values.count`.
 *
 * @param {string} key
 * @param {Record<string, string | number>} [values] values of the {names} in the text
 * @returns {string}
 */
export function t(key, values = {}) {
  const entry = page.text[key];
  const form = typeof entry === "string" ? entry : (entry[plurals.select(Number(values.count))] ?? entry.other);
  return form.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? numbers.format(value) : value;
  });
}

/** Return the address of a page in this language. @param {...(string | number)} parts */
export const address = (...parts) => page.home + parts.map((part) => `${encodeURIComponent(part)}/`).join("");
