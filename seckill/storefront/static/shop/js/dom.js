// @ts-check
// Access to the page: elements that scripts write into ([data-bind]), templates, and buttons ([data-action]).

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

/** Return the element with this data-bind. @param {ParentNode} root @param {string} name */
export const bound = (root, name) => find(root, `[data-bind="${name}"]`);

/**
 * Write texts into bound elements. Unchanged texts are not written, so that live regions are not announced again.
 * @param {ParentNode} root
 * @param {Record<string, string>} texts
 */
export function setTexts(root, texts) {
  for (const [name, text] of Object.entries(texts)) {
    const element = bound(root, name);
    if (element.textContent !== text) element.textContent = text;
  }
}

/**
 * Return a copy of the first element in the named <template> below `root`.
 * @param {ParentNode} root
 * @param {string} name
 * @returns {HTMLElement}
 */
export function cloneTemplate(root, name) {
  const template = root.querySelector(`template[data-template="${name}"]`);
  if (!(template instanceof HTMLTemplateElement)) throw new Error(`The page has no template ${name}`);
  return /** @type {HTMLElement} */ (/** @type {Element} */ (template.content.firstElementChild).cloneNode(true));
}

/** @param {Element} root @param {string} action @param {() => void} onClick */
export function onAction(root, action, onClick) {
  for (const control of root.querySelectorAll(`[data-action="${action}"]`)) control.addEventListener("click", onClick);
}
