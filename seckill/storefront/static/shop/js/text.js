// @ts-check
// What the page hands to its scripts: the translated texts, where home is, and what the page is about.

/** @type {{home: string, text: Record<string, string | Record<string, string>>, sale_id: number, number: string}} */
export const page = JSON.parse(/** @type {HTMLElement} */ (document.getElementById("page")).textContent ?? "{}");

const language = document.documentElement.lang;

/** The visitor's own flavour of the page's language (24-hour clocks, day before month), if the browser names one. */
export const locale = navigator.languages.find((tag) => tag.split("-")[0] === language.split("-")[0]) ?? language;

const plurals = new Intl.PluralRules(language);
export const numbers = new Intl.NumberFormat(locale);

/**
 * A text of this page, in the plural form that `values.count` asks for.
 *
 * @param {string} key
 * @param {Record<string, string | number>} [values] for the {names} in it
 * @returns {string}
 */
export function say(key, values = {}) {
  const entry = page.text[key];
  const form = typeof entry === "string" ? entry : (entry[plurals.select(Number(values.count))] ?? entry.other);
  return form.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? numbers.format(value) : value;
  });
}

/** The address of a page in this language. @param {...(string | number)} parts */
export const address = (...parts) => page.home + parts.map((part) => `${encodeURIComponent(part)}/`).join("");
