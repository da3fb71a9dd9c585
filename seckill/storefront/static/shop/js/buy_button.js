// @ts-check
// The buy button of a sale page: its text, whether it is enabled, and the hint below it.

import { find, setTexts } from "./dom.js";
import { countdown, dateTime } from "./format.js";
import { t } from "./text.js";

/** @typedef {import("./line.js").View} View */
/** @typedef {import("./sale_window.js").State} State */
/** @typedef {{text: string, hint: string, enabled: boolean, secondary?: boolean}} ButtonState */

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
    const buttonState = stateInLine(view) ?? this.#stateBeforeJoining(state, untilOpenMs);
    setTexts(this.#root, { buy: buttonState.text, hint: buttonState.hint });
    this.#button.disabled = !buttonState.enabled;
    this.#button.classList.toggle("button-primary", !buttonState.secondary);
  }

  /** Return the page title for the view; empty if the view has none. @param {View} view */
  pageTitle(view) {
    if (view.name === "waiting") return t("title_in_line", { place: view.place });
    if (view.name === "waitlisted") return t("title_waitlisted", { place: view.place });
    return view.name === "confirmed" ? t("title_confirmed") : "";
  }

  /** @param {State} state @param {number} untilOpenMs @returns {ButtonState} */
  #stateBeforeJoining(state, untilOpenMs) {
    switch (state) {
      case "scheduled":
        return this.#loggedIn
          ? { text: t("opens_in", { time: countdown(untilOpenMs) }), hint: t("hint_ready"), enabled: false }
          : { text: t("log_in_before"), hint: t("hint_log_in_before"), enabled: true };
      case "paused":
        return { text: t("paused"), hint: t("hint_paused"), enabled: false };
      case "closed":
        return { text: t("closed"), hint: "", enabled: false };
      case "sold_out":
        return {
          text: t(this.#loggedIn ? "join_waitlist" : "log_in_to_buy"),
          hint: t("hint_waitlist"),
          enabled: true,
          secondary: true,
        };
      case "open":
        return this.#loggedIn
          ? { text: t("buy"), hint: t("hint_ready"), enabled: true }
          : { text: t("log_in_to_buy"), hint: t("hint_log_in"), enabled: true };
    }
  }
}

/**
 * Return the button of a buyer in line, undefined for other visitors.
 * @param {View} view
 * @returns {ButtonState | undefined}
 */
function stateInLine(view) {
  switch (view.name) {
    case "joining":
      return { text: t("see_place"), hint: "", enabled: true };
    case "waiting":
      return { text: t("see_place"), hint: t("hint_in_line", { place: view.place }), enabled: true };
    case "waitlisted":
      return { text: t("see_place"), hint: t("hint_waitlisted", { place: view.place }), enabled: true };
    case "confirmed":
      return {
        text: t("pay_now"),
        hint: t("hint_confirmed", { time: dateTime(view.order.pay_before) }),
        enabled: true,
      };
    case "paid":
      return { text: t("see_order"), hint: t("hint_paid"), enabled: true, secondary: true };
    case "released":
      return { text: t("see_outcome"), hint: t("hint_released"), enabled: true, secondary: true };
    case "sold_out":
      return { text: t("sold_out"), hint: t("hint_sold_out"), enabled: false, secondary: true };
  }
}
