// @ts-check
// The overlay of a sale page: place in line and outcome. It shows one view at a time.

import { announce } from "./announcer.js";
import { now } from "./clock.js";
import { countdown, exactMoment, moment, number, span } from "./format.js";
import { orderActions } from "./order_actions.js";
import { fill, find, onAction, slot } from "./slots.js";
import { address, say } from "./text.js";

/** @typedef {import("./line.js").View} View */
/** @typedef {import("./line.js").Order} Order */

const ANNOUNCE_EVERY_MS = 15_000;
const COUNT_MS = 600;
const REFUSALS = new Set(["not_open", "closed", "paused", "not_found"]);

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
   * @param {() => void} parts.needLogin
   */
  constructor({ onDecided, needLogin }) {
    this.#dialog = /** @type {HTMLDialogElement} */ (find(document, "dialog[data-line]"));
    this.#actions = orderActions(find(this.#dialog, "[data-order-actions]"), onDecided, needLogin);
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
    this.#fillIn(view, find(this.#dialog, `[data-view="${view.name}"]`));
    if (changed && this.#dialog.open) this.#focusHeading();
    this.tick();
  }

  /** Update the countdown. */
  tick() {
    if (this.#view.name !== "confirmed") return;
    const section = find(this.#dialog, '[data-view="confirmed"]');
    fill(section, { countdown: countdown(Date.parse(this.#view.order.pay_before) - now()) });
  }

  /** @param {View} view @param {HTMLElement} section */
  #fillIn(view, section) {
    switch (view.name) {
      case "waiting":
        this.#fillInWaiting(view, section);
        break;
      case "waitlisted":
        fill(section, { place: number(view.place) });
        this.#announceFewer(view.place, say("announce_waitlisted", { place: view.place }));
        break;
      case "confirmed":
        fill(section, { number: view.order.number, "pay-before": moment(view.order.pay_before) });
        this.#actions.offer(view.order);
        break;
      case "paid":
        fill(section, { number: view.number });
        slot(section, "order-link").setAttribute("href", address("orders", view.number));
        break;
      case "sold_out":
        fill(section, {
          why: view.soldOutAt ? say("sold_out_at", { time: exactMoment(view.soldOutAt) }) : say("sold_out_now"),
        });
        break;
      case "released":
        fill(section, { what: say(`released_${view.reason}`), why: say(`released_${view.reason}_why`) });
        break;
      case "refused": {
        const key = REFUSALS.has(view.code) ? `refused_${view.code}` : "refused_other";
        fill(section, { what: say(key), why: say(`${key}_why`) });
        break;
      }
    }
  }

  /** @param {Extract<View, {name: "waiting"}>} view @param {HTMLElement} section */
  #fillInWaiting({ place, ahead, aheadAtFirst, etaSeconds }, section) {
    fill(section, { place: number(place), wait: waitInWords(ahead, etaSeconds) });
    this.#countTo(ahead, slot(section, "ahead"));
    const done = aheadAtFirst > 0 ? 1 - ahead / aheadAtFirst : 1;
    const track = slot(section, "track");
    track.style.setProperty("--done", String(done));
    track.setAttribute("aria-valuenow", String(Math.round(done * 100)));
    track.setAttribute("aria-valuetext", peopleAhead(ahead));
    const first = this.#announcedAhead === Infinity;
    this.#announceFewer(ahead, say(first ? "announce_in_line" : "announce_ahead", { place, ahead: peopleAhead(ahead) }));
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
  #countTo(ahead, element) {
    cancelAnimationFrame(this.#counting);
    const from = element.textContent ? this.#countedAhead : ahead;
    const began = performance.now();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const step = () => {
      const part = still ? 1 : Math.min(1, (performance.now() - began) / COUNT_MS);
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
const peopleAhead = (ahead) => (ahead ? say("ahead", { count: ahead }) : say("next"));

/** @param {number} ahead @param {number | null | undefined} seconds */
function waitInWords(ahead, seconds) {
  if (seconds == null) return say(ahead ? "wait_unknown" : "wait_moment");
  return seconds < 5 ? say("wait_moment") : span(seconds);
}
