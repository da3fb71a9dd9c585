// @ts-check
// The carousel: a scroll-snapping row with dots, so that the browser handles swipes. Slides advance by themselves until
// the visitor pauses them or picks a dot.

import { bound, cloneTemplate, find, onAction } from "./dom.js";

const SLIDE_MS = 6_000;
const VISIBLE_RATIO_MIN = 0.6;

/**
 * Fill the carousel with slides and start it.
 * @param {HTMLElement} root
 * @param {HTMLElement[]} slides one or more
 */
export function startCarousel(root, slides) {
  const track = bound(root, "track");
  const dots = bound(root, "dots");
  const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let current = 0;
  let stopped = false;
  let inUse = false; // the pointer or the focus is on the carousel

  track.replaceChildren(...slides);
  const buttons = slides.map((slide, index) => {
    const dot = cloneTemplate(root, "dot");
    const title = bound(slide, "title").textContent ?? "";
    dot.setAttribute("aria-label", `${index + 1}. ${title}`);
    slide.setAttribute("aria-label", `${index + 1} / ${slides.length}`);
    dot.addEventListener("click", () => {
      setStopped(true);
      scrollToSlide(index);
    });
    return dot;
  });
  dots.replaceChildren(...buttons);
  bound(root, "controls").hidden = slides.length < 2;

  /** @param {number} index */
  const scrollToSlide = (index) => {
    const behavior = reducedMotion ? "instant" : "smooth";
    track.scrollTo({ left: slides[index].offsetLeft - track.offsetLeft, behavior });
  };

  /** @param {boolean} wanted */
  const setStopped = (wanted) => {
    if (wanted !== stopped) swapLabel(find(root, '[data-action="pause"]'));
    stopped = wanted;
    root.toggleAttribute("data-stopped", stopped);
  };

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const index = slides.indexOf(/** @type {HTMLElement} */ (target));
        slides[index].inert = !isIntersecting; // the Tab key must not reach a hidden slide
        if (!isIntersecting) continue;
        current = index;
        buttons.forEach((dot, at) => dot.setAttribute("aria-current", String(at === index)));
      }
    },
    { root: track, threshold: VISIBLE_RATIO_MIN },
  );
  for (const slide of slides) observer.observe(slide);

  root.addEventListener("pointerenter", () => (inUse = true));
  root.addEventListener("pointerleave", () => (inUse = false));
  root.addEventListener("focusin", () => (inUse = true));
  root.addEventListener("focusout", () => (inUse = false));
  onAction(root, "pause", () => setStopped(!stopped));
  if (reducedMotion) setStopped(true);
  setInterval(() => {
    if (!stopped && !inUse && !document.hidden) scrollToSlide((current + 1) % slides.length);
  }, SLIDE_MS);
}

/** @param {HTMLElement} button */
function swapLabel(button) {
  const { otherLabel = "" } = button.dataset;
  button.dataset.otherLabel = button.getAttribute("aria-label") ?? "";
  button.setAttribute("aria-label", otherLabel);
}
