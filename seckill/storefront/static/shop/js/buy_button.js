// @ts-check
// The buy button of a sale page: its text, whether it is enabled, and the hint below it.

import { countdown, moment } from "./format.js";
import { fill, find } from "./slots.js";
import { say } from "./text.js";

/** @typedef {import("./line.js").View} View */
/** @typedef {import("./sale_window.js").State} State */
/** @typedef {{text: string, hint: string, enabled: boolean, quiet?: boolean}} Face */

export class BuyButton {
  #root;
  #button;
  #loggedIn;

  /** @param {HTMLElement} root @param {boolean} loggedIn */
  constructor(root, loggedIn) {
    this.#root = root;
    this.#loggedIn = loggedIn;
    this.#button = /** @type {HTMLButtonElement} */ (find(root, '[data-action="buy"]'));
  }

  /** @param {() => void} onPress */
  onPress(onPress) {
    this.#button.addEventListener("click", onPress);
  }

  /** @param {State} state @param {number} untilOpenMs @param {View} view the buyer's view of the line */
  draw(state, untilOpenMs, view) {
    const face = faceInLine(view) ?? this.#faceBefore(state, untilOpenMs);
    fill(this.#root, { buy: face.text, hint: face.hint });
    this.#button.disabled = !face.enabled;
    this.#button.classList.toggle("button-main", !face.quiet);
  }

  /** Return the page title for the view; empty if the view has none. @param {View} view */
  pageTitle(view) {
    if (view.name === "waiting") return say("title_in_line", { place: view.place });
    if (view.name === "waitlisted") return say("title_waitlisted", { place: view.place });
    return view.name === "confirmed" ? say("title_confirmed") : "";
  }

  /** @param {State} state @param {number} untilOpenMs @returns {Face} */
  #faceBefore(state, untilOpenMs) {
    switch (state) {
      case "scheduled":
        return this.#loggedIn
          ? { text: say("opens_in", { time: countdown(untilOpenMs) }), hint: say("hint_ready"), enabled: false }
          : { text: say("log_in_before"), hint: say("hint_log_in_before"), enabled: true };
      case "paused":
        return { text: say("paused"), hint: say("hint_paused"), enabled: false };
      case "closed":
        return { text: say("closed"), hint: "", enabled: false };
      case "sold_out":
        return {
          text: say(this.#loggedIn ? "join_waitlist" : "log_in_to_buy"),
          hint: say("hint_waitlist"),
          enabled: true,
          quiet: true,
        };
      case "open":
        return this.#loggedIn
          ? { text: say("buy"), hint: say("hint_ready"), enabled: true }
          : { text: say("log_in_to_buy"), hint: say("hint_log_in"), enabled: true };
    }
  }
}

/** Return the face for a buyer in line, undefined for other visitors. @param {View} view @returns {Face | undefined} */
function faceInLine(view) {
  switch (view.name) {
    case "joining":
      return { text: say("see_place"), hint: "", enabled: true };
    case "waiting":
      return { text: say("see_place"), hint: say("hint_in_line", { place: view.place }), enabled: true };
    case "waitlisted":
      return { text: say("see_place"), hint: say("hint_waitlisted", { place: view.place }), enabled: true };
    case "confirmed":
      return {
        text: say("pay_now"),
        hint: say("hint_confirmed", { time: moment(view.order.pay_before) }),
        enabled: true,
      };
    case "paid":
      return { text: say("see_order"), hint: say("hint_paid"), enabled: true, quiet: true };
    case "released":
      return { text: say("see_outcome"), hint: say("hint_released"), enabled: true, quiet: true };
    case "sold_out":
      return { text: say("sold_out"), hint: say("hint_sold_out"), enabled: false, quiet: true };
  }
}
