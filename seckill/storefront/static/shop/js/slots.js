// @ts-check
// Slots: the places in the page's HTML that scripts write into.

/**
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function find(root, selector) {
  const element = root.querySelector(selector);
  if (!(element instanceof HTMLElement)) throw new Error(`The page has no ${selector}`);
  return element;
}

/** @param {ParentNode} root @param {string} name */
export const slot = (root, name) => find(root, `[data-slot="${name}"]`);

/**
 * Write texts into slots; what reads the same already is left alone, so that live regions stay quiet.
 * @param {ParentNode} root
 * @param {Record<string, string>} texts
 */
export function fill(root, texts) {
  for (const [name, text] of Object.entries(texts)) {
    const element = slot(root, name);
    if (element.textContent !== text) element.textContent = text;
  }
}

/**
 * A copy of what the named <template> below `root` holds.
 * @param {ParentNode} root
 * @param {string} name
 * @returns {HTMLElement}
 */
export function stamp(root, name) {
  const template = root.querySelector(`template[data-template="${name}"]`);
  if (!(template instanceof HTMLTemplateElement)) throw new Error(`The page has no template ${name}`);
  return /** @type {HTMLElement} */ (/** @type {Element} */ (template.content.firstElementChild).cloneNode(true));
}

/** @param {Element} root @param {string} action @param {() => void} onClick */
export function onAction(root, action, onClick) {
  for (const control of root.querySelectorAll(`[data-action="${action}"]`)) control.addEventListener("click", onClick);
}
