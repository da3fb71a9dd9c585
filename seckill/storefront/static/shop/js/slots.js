// @ts-check
// Slots: elements of the page that scripts write into.

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
 * Write texts into slots. Unchanged texts are not written, so that live regions are not announced again.
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
 * Return a copy of the first element in the named <template> below `root`.
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
