// @ts-check
// The pay and cancel buttons of a pending order.

import * as api from "./api.js";
import { money } from "./format.js";
import { persist } from "./retry.js";
import { fill, find, onAction, slot } from "./slots.js";
import { say } from "./text.js";
import { showTrouble } from "./trouble.js";

/** @typedef {import("./line.js").Order} Order */

/**
 * Bind the buttons below `root`. Call this once; `offer` sets the order that the buttons act on.
 *
 * @param {HTMLElement} root
 * @param {(order: Order) => void} onDecided called with the order when it is decided
 * @param {() => void} needLogin
 * @returns {{offer: (order: Order) => void}}
 */
export function orderActions(root, onDecided, needLogin) {
  const choose = find(root, '[data-step="choose"]');
  const sure = find(root, '[data-step="sure"]');
  const error = slot(root, "error");
  /** @type {Order | undefined} */
  let offered;
  let busy = false;

  /** @param {boolean} asking */
  const askWhetherSure = (asking) => {
    sure.hidden = !asking;
    choose.hidden = asking;
    find(root, asking ? '[data-action="keep"]' : '[data-action="ask"]').focus();
  };

  /** @param {(number: string) => Promise<Order>} decide */
  const decide = async (decide) => {
    if (busy || !offered) return;
    const { number } = offered;
    setBusy(true);
    error.hidden = true;
    try {
      onDecided(await persist(() => decide(number), showTrouble));
    } catch (problem) {
      if (!(problem instanceof api.Problem)) throw problem;
      if (problem.code === "not_logged_in") needLogin();
      else await explain(problem, number);
    } finally {
      setBusy(false);
    }
  };

  /** @param {api.Problem} problem @param {string} number */
  const explain = async (problem, number) => {
    const tooLate = problem.code === "order_decided";
    error.textContent = say(tooLate ? "too_late" : "failed");
    error.hidden = false;
    if (!tooLate) return;
    const order = await persist(() => api.order(number), showTrouble);
    if (order.status !== "pending") onDecided(order); // overdue orders stay "pending" until swept
  };

  /** @param {boolean} now */
  const setBusy = (now) => {
    busy = now;
    for (const button of root.querySelectorAll("button")) button.disabled = now;
  };

  onAction(root, "pay", () => decide(api.pay));
  onAction(root, "cancel", () => decide(api.cancel));
  onAction(root, "ask", () => askWhetherSure(true));
  onAction(root, "keep", () => askWhetherSure(false));

  return {
    offer(order) {
      if (offered?.number !== order.number) {
        sure.hidden = true;
        choose.hidden = false;
      }
      offered = order;
      fill(root, { pay: say("pay", { price: money(order.price, order.currency) }) });
    },
  };
}
