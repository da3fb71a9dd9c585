// @ts-check
// One buyer's way through the line of one sale: join, follow, outcome. No HTML here: it calls `show` with views.

import * as api from "./api.js";
import { now } from "./clock.js";
import { getPass } from "./pass.js";
import { retryUntilDone, sleep, sleepUntilVisible } from "./retry.js";

const CLOCK_SKEW_MS_MAX = 5_000; // "not open" this close to the opening is clock skew; otherwise the opening was moved
const NOT_OPEN_RETRY_MS = 300;
const HIDDEN_TAB_FACTOR = 5; // a hidden tab polls less often
const AFTER_DEADLINE_MS = 1_500;
const EXPIRY_POLL_MS = 2_000;

/**
 * @typedef {{name: "idle"} | {name: "joining"}
 *   | {name: "waiting", place: number, ahead: number, aheadAtFirst: number, etaSeconds: number | null | undefined}
 *   | {name: "waitlisted", place: number}
 *   | {name: "confirmed", order: Order}
 *   | {name: "paid", number: string}
 *   | {name: "sold_out", soldOutAt: string | undefined}
 *   | {name: "released", reason: "expired" | "cancelled"}
 *   | {name: "refused", code: string}} View what the page shows
 *
 * @typedef {{number: string, sale: number, product: string, place: number, price: string, currency: string,
 *   status: "pending" | "paid" | "cancelled" | "expired", created_at: string, pay_before: string,
 *   status_changed_at: string | null}} Order
 */

export class Line {
  #saleId;
  #store;
  #opensAt;
  #show;
  #onError;
  #onLoginRequired;
  #busy = false;
  #hasView = false; // whether a view has been shown

  /**
   * @param {object} parts
   * @param {number} parts.saleId
   * @param {import("./purchase_store.js").PurchaseStore} parts.store
   * @param {() => Promise<string>} parts.opensAt loads the current opening time
   * @param {(view: View) => void} parts.show
   * @param {(error: Error | null, waitMs: number, placeKept: boolean) => void} parts.onError
   * @param {() => void} parts.onLoginRequired
   */
  constructor({ saleId, store, opensAt, show, onError, onLoginRequired }) {
    this.#saleId = saleId;
    this.#store = store;
    this.#opensAt = opensAt;
    this.#show = show;
    this.#onError = onError;
    this.#onLoginRequired = onLoginRequired;
  }

  /** Join the line. Does nothing while a call is running. The same buyer always gets the same place. */
  join() {
    return this.#runAlone(async () => {
      this.#setView({ name: "joining" });
      await this.#join();
      await this.#follow();
    });
  }

  /** Follow the stored ticket, if there is one, after a page load. */
  resume() {
    return this.#runAlone(() => this.#follow());
  }

  /** Show the view of an order. @param {Order} order */
  showOrder(order) {
    if (order.status === "pending") this.#setView({ name: "confirmed", order });
    else if (order.status === "paid") this.#setView({ name: "paid", number: order.number });
    else this.#setView({ name: "released", reason: order.status });
  }

  /** @param {() => Promise<void>} run */
  async #runAlone(run) {
    if (this.#busy) return;
    this.#busy = true;
    try {
      await run();
    } catch (error) {
      this.#handleError(error);
    } finally {
      this.#busy = false;
    }
  }

  async #join() {
    let renewed = false;
    for (;;) {
      const pass = await getPass(this.#store, this.#saleId, this.#errorHandler(false));
      try {
        const joined = await retryUntilDone(() => api.purchase(this.#saleId, pass), this.#errorHandler(false));
        this.#store.storeTicket(joined.ticket, joined.ahead);
        this.#showWaiting(joined);
        await this.#untilNextPoll(joined);
        return;
      } catch (error) {
        if (!(error instanceof api.Problem)) throw error;
        if (error.code === "bad_pass" && !renewed) {
          renewed = true;
          this.#store.deletePass();
        } else if (error.code === "not_open") {
          const untilOpen = Date.parse(await this.#opensAt()) - now();
          if (untilOpen > CLOCK_SKEW_MS_MAX) throw error;
          await sleep(Math.max(untilOpen, NOT_OPEN_RETRY_MS));
        } else {
          throw error;
        }
      }
    }
  }

  async #follow() {
    for (let token = this.#store.ticket; token; token = this.#store.ticket) {
      const current = token;
      const ticket = await retryUntilDone(() => api.ticket(current), this.#errorHandler(true));
      if (ticket.ticket) this.#store.storeTicket(ticket.ticket);
      switch (ticket.status) {
        case "queued":
          this.#showWaiting(ticket);
          break;
        case "waitlisted":
          this.#setView({ name: "waitlisted", place: ticket.place_in_waitlist });
          break;
        case "confirmed":
          if (await this.#followOrder(ticket.order)) continue;
          return;
        case "sold_out":
          this.#setView({ name: "sold_out", soldOutAt: ticket.sold_out_at });
          return;
        case "released":
          this.#setView({ name: "released", reason: ticket.reason });
          return;
      }
      await this.#untilNextPoll(ticket);
    }
  }

  /**
   * Show the order. If it is pending, wait until shortly after its payment deadline.
   * @param {string} number
   * @returns {Promise<boolean>} whether to poll the ticket again
   */
  async #followOrder(number) {
    /** @type {Order} */
    const order = await retryUntilDone(() => api.order(number), this.#errorHandler(true));
    this.showOrder(order);
    if (order.status !== "pending") return false;
    await sleepUntilVisible(Math.max(Date.parse(order.pay_before) - now() + AFTER_DEADLINE_MS, EXPIRY_POLL_MS));
    return true;
  }

  /** @param {{place: number, ahead: number, eta_s?: number | null}} ticket */
  #showWaiting({ place, ahead, eta_s: etaSeconds }) {
    this.#setView({ name: "waiting", place, ahead, etaSeconds, aheadAtFirst: Math.max(this.#store.aheadAtFirst, ahead) });
  }

  /** @param {{poll_after_s: number}} ticket */
  #untilNextPoll({ poll_after_s: seconds }) {
    return sleepUntilVisible(seconds * 1000 * (document.hidden ? HIDDEN_TAB_FACTOR : 1));
  }

  /** @param {unknown} error */
  #handleError(error) {
    if (!(error instanceof api.Problem)) throw error;
    if (error.code === "not_logged_in") {
      this.#onLoginRequired();
      return;
    }
    if (error.code === "sold_out") {
      this.#setView({ name: "sold_out", soldOutAt: undefined });
      return;
    }
    if (error.code === "not_found") this.#store.deleteTicket();
    // If a ticket from an earlier visit is no longer valid, drop it without an error message.
    this.#setView(this.#hasView ? { name: "refused", code: error.code } : { name: "idle" });
  }

  /** @param {View} view */
  #setView(view) {
    this.#hasView = true;
    this.#show(view);
  }

  /** @param {boolean} placeKept @returns {(error: Error | null, waitMs: number) => void} */
  #errorHandler(placeKept) {
    return (error, waitMs) => this.#onError(error, waitMs, placeKept);
  }
}
