// @ts-check
// The overlay of a sale page: place in line and outcome. It shows one view at a time.

import { announce } from "./announcer.js";
import { now } from "./clock.js";
import { bound, find, onAction, setTexts } from "./dom.js";
import { countdown, dateTime, duration, exactDateTime, number } from "./format.js";
import { orderActions } from "./order_actions.js";
import { address, t } from "./text.js";

/** @typedef {import("./line.js").View} View */
/** @typedef {import("./line.js").Order} Order */

const ANNOUNCE_EVERY_MS = 15_000;
const COUNT_ANIMATION_MS = 600;
const REFUSAL_CODES = new Set(["not_open", "closed", "paused", "not_found"]);

export class LineOverlay {
  #dialog;
  #actions;
  /** @type {View} */
  #view = { name: "idle" };
  #announcedAhead = Infinity;
  #announcedAt = 0;
  #countedAhead = 0;
  #counting = 0;

  /**
   * @param {object} parts
   * @param {(order: Order) => void} parts.onDecided called after the buyer paid or cancelled
   * @param {() => void} parts.onLoginRequired
   */
  constructor({ onDecided, onLoginRequired }) {
    this.#dialog = /** @type {HTMLDialogElement} */ (find(document, "dialog[data-line]"));
    this.#actions = orderActions(find(this.#dialog, "[data-order-actions]"), onDecided, onLoginRequired);
    onAction(this.#dialog, "close", () => this.#dialog.close());
  }

  /** Open the overlay on the current view. Does nothing if the view is idle. */
  open() {
    if (this.#dialog.open || this.#view.name === "idle") return;
    this.#dialog.showModal();
    this.#focusHeading();
  }

  close() {
    this.#dialog.close();
  }

  /** @param {View} view */
  show(view) {
    const changed = view.name !== this.#view.name;
    if (changed) this.#announcedAhead = Infinity;
    this.#view = view;
    if (view.name === "idle") {
      this.close();
      return;
    }
    for (const section of this.#dialog.querySelectorAll("[data-view]")) {
      if (section instanceof HTMLElement) section.hidden = section.dataset.view !== view.name;
    }
    this.#dialog.setAttribute("aria-labelledby", `line-heading-${view.name}`);
    this.#render(view, find(this.#dialog, `[data-view="${view.name}"]`));
    if (changed && this.#dialog.open) this.#focusHeading();
    this.tick();
  }

  /** Update the countdown. */
  tick() {
    if (this.#view.name !== "confirmed") return;
    const section = find(this.#dialog, '[data-view="confirmed"]');
    setTexts(section, { countdown: countdown(Date.parse(this.#view.order.pay_before) - now()) });
  }

  /** @param {View} view @param {HTMLElement} section */
  #render(view, section) {
    switch (view.name) {
      case "waiting":
        this.#renderWaiting(view, section);
        break;
      case "waitlisted":
        setTexts(section, { place: number(view.place) });
        this.#announceFewer(view.place, t("announce_waitlisted", { place: view.place }));
        break;
      case "confirmed":
        setTexts(section, { number: view.order.number, "pay-before": dateTime(view.order.pay_before) });
        this.#actions.offer(view.order);
        break;
      case "paid":
        setTexts(section, { number: view.number });
        bound(section, "order-link").setAttribute("href", address("orders", view.number));
        break;
      case "sold_out":
        setTexts(section, {
          why: view.soldOutAt ? t("sold_out_at", { time: exactDateTime(view.soldOutAt) }) : t("sold_out_now"),
        });
        break;
      case "released":
        setTexts(section, { what: t(`released_${view.reason}`), why: t(`released_${view.reason}_why`) });
        break;
      case "refused": {
        const key = REFUSAL_CODES.has(view.code) ? `refused_${view.code}` : "refused_other";
        setTexts(section, { what: t(key), why: t(`${key}_why`) });
        break;
      }
    }
  }

  /** @param {Extract<View, {name: "waiting"}>} view @param {HTMLElement} section */
  #renderWaiting({ place, ahead, aheadAtFirst, etaSeconds }, section) {
    setTexts(section, { place: number(place), wait: formatWait(ahead, etaSeconds) });
    this.#animateTo(ahead, bound(section, "ahead"));
    const done = aheadAtFirst > 0 ? 1 - ahead / aheadAtFirst : 1;
    const track = bound(section, "track");
    track.style.setProperty("--done", String(done));
    track.setAttribute("aria-valuenow", String(Math.round(done * 100)));
    track.setAttribute("aria-valuetext", peopleAhead(ahead));
    const first = this.#announcedAhead === Infinity;
    this.#announceFewer(ahead, t(first ? "announce_in_line" : "announce_ahead", { place, ahead: peopleAhead(ahead) }));
  }

  /**
   * Announce the text the first time, and again when the number has halved: every step would be too much to listen to.
   * @param {number} ahead
   * @param {string} text
   */
  #announceFewer(ahead, text) {
    if (!this.#dialog.open) return;
    const first = this.#announcedAhead === Infinity;
    if (!first && (ahead > this.#announcedAhead / 2 || performance.now() - this.#announcedAt < ANNOUNCE_EVERY_MS)) return;
    this.#announcedAhead = ahead;
    this.#announcedAt = performance.now();
    announce(text);
  }

  /** Animate the number to its new value. @param {number} ahead @param {HTMLElement} element */
  #animateTo(ahead, element) {
    cancelAnimationFrame(this.#counting);
    const from = element.textContent ? this.#countedAhead : ahead;
    const began = performance.now();
    const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const step = () => {
      const part = reducedMotion ? 1 : Math.min(1, (performance.now() - began) / COUNT_ANIMATION_MS);
      this.#countedAhead = Math.round(from + (ahead - from) * (1 - (1 - part) ** 3));
      element.textContent = number(this.#countedAhead);
      if (part < 1) this.#counting = requestAnimationFrame(step);
    };
    step();
  }

  #focusHeading() {
    find(this.#dialog, `#line-heading-${this.#view.name}`).focus();
  }
}

/** @param {number} ahead */
const peopleAhead = (ahead) => (ahead ? t("ahead", { count: ahead }) : t("next"));

/** @param {number} ahead @param {number | null | undefined} seconds */
function formatWait(ahead, seconds) {
  if (seconds == null) return t(ahead ? "wait_unknown" : "wait_moment");
  return seconds < 5 ? t("wait_moment") : duration(seconds);
}
