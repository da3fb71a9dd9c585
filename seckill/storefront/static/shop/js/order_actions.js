// @ts-check
// The pay and cancel buttons of a pending order.

import * as api from "./api.js";
import { bound, find, onAction, setTexts } from "./dom.js";
import { showErrorBanner } from "./error_banner.js";
import { money } from "./format.js";
import { retryUntilDone } from "./retry.js";
import { t } from "./text.js";

/** @typedef {import("./line.js").Order} Order */

/**
 * Bind the buttons below `root`. Call this once; `offer` sets the order that the buttons act on.
 *
 * @param {HTMLElement} root
 * @param {(order: Order) => void} onDecided called with the order when it is decided
 * @param {() => void} onLoginRequired
 * @returns {{offer: (order: Order) => void}}
 */
export function orderActions(root, onDecided, onLoginRequired) {
  const choose = find(root, '[data-step="choose"]');
  const confirmation = find(root, '[data-step="confirm"]');
  const error = bound(root, "error");
  /** @type {Order | undefined} */
  let offered;
  let busy = false;

  /** @param {boolean} visible */
  const showConfirmation = (visible) => {
    confirmation.hidden = !visible;
    choose.hidden = visible;
    find(root, visible ? '[data-action="keep"]' : '[data-action="start-cancel"]').focus();
  };

  /** @param {(number: string) => Promise<Order>} decide */
  const decide = async (decide) => {
    if (busy || !offered) return;
    const { number } = offered;
    setBusy(true);
    error.hidden = true;
    try {
      onDecided(await retryUntilDone(() => decide(number), showErrorBanner));
    } catch (problem) {
      if (!(problem instanceof api.Problem)) throw problem;
      if (problem.code === "not_logged_in") onLoginRequired();
      else await explain(problem, number);
    } finally {
      setBusy(false);
    }
  };

  /** @param {api.Problem} problem @param {string} number */
  const explain = async (problem, number) => {
    const tooLate = problem.code === "order_decided";
    error.textContent = t(tooLate ? "too_late" : "failed");
    error.hidden = false;
    if (!tooLate) return;
    const order = await retryUntilDone(() => api.order(number), showErrorBanner);
    if (order.status !== "pending") onDecided(order); // overdue orders stay "pending" until swept
  };

  /** @param {boolean} now */
  const setBusy = (now) => {
    busy = now;
    for (const button of root.querySelectorAll("button")) button.disabled = now;
  };

  onAction(root, "pay", () => decide(api.pay));
  onAction(root, "cancel", () => decide(api.cancel));
  onAction(root, "start-cancel", () => showConfirmation(true));
  onAction(root, "keep", () => showConfirmation(false));

  return {
    offer(order) {
      if (offered?.number !== order.number) {
        confirmation.hidden = true;
        choose.hidden = false;
      }
      offered = order;
      setTexts(root, { pay: t("pay", { price: money(order.price, order.currency) }) });
    },
  };
}
