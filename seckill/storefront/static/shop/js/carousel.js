// @ts-check
// The carousel: a scroll-snapping row with dots, so that the browser handles swipes. Slides advance by themselves until
// the visitor pauses them or picks a dot.

import { find, onAction, slot, stamp } from "./slots.js";

const EVERY_MS = 6_000;
const MOSTLY_SEEN = 0.6;

/**
 * Fill the carousel with slides and start it.
 * @param {HTMLElement} root
 * @param {HTMLElement[]} slides one or more
 */
export function startCarousel(root, slides) {
  const track = slot(root, "track");
  const dots = slot(root, "dots");
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let current = 0;
  let stopped = false;
  let held = false; // the pointer or the focus is on the carousel

  track.replaceChildren(...slides);
  const buttons = slides.map((slide, index) => {
    const dot = stamp(root, "dot");
    const title = slot(slide, "title").textContent ?? "";
    dot.setAttribute("aria-label", `${index + 1}. ${title}`);
    slide.setAttribute("aria-label", `${index + 1} / ${slides.length}`);
    dot.addEventListener("click", () => {
      stop(true);
      go(index);
    });
    return dot;
  });
  dots.replaceChildren(...buttons);
  slot(root, "controls").hidden = slides.length < 2;

  /** @param {number} index */
  const go = (index) => {
    track.scrollTo({ left: slides[index].offsetLeft - track.offsetLeft, behavior: calm ? "instant" : "smooth" });
  };

  /** @param {boolean} wanted */
  const stop = (wanted) => {
    if (wanted !== stopped) swapLabel(find(root, '[data-action="pause"]'));
    stopped = wanted;
    root.toggleAttribute("data-stopped", stopped);
  };

  const seen = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const index = slides.indexOf(/** @type {HTMLElement} */ (target));
        slides[index].inert = !isIntersecting; // the Tab key must not reach a hidden slide
        if (!isIntersecting) continue;
        current = index;
        buttons.forEach((dot, at) => dot.setAttribute("aria-current", String(at === index)));
      }
    },
    { root: track, threshold: MOSTLY_SEEN },
  );
  for (const slide of slides) seen.observe(slide);

  root.addEventListener("pointerenter", () => (held = true));
  root.addEventListener("pointerleave", () => (held = false));
  root.addEventListener("focusin", () => (held = true));
  root.addEventListener("focusout", () => (held = false));
  onAction(root, "pause", () => stop(!stopped));
  if (calm) stop(true);
  setInterval(() => {
    if (!stopped && !held && !document.hidden) go((current + 1) % slides.length);
  }, EVERY_MS);
}

/** @param {HTMLElement} button */
function swapLabel(button) {
  const { otherLabel = "" } = button.dataset;
  button.dataset.otherLabel = button.getAttribute("aria-label") ?? "";
  button.setAttribute("aria-label", otherLabel);
}
