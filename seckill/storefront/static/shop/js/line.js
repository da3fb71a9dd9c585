// @ts-check
// One buyer's way through the line of one sale: join, follow, outcome. No HTML here: it calls `show` with views.

import * as api from "./api.js";
import { now } from "./clock.js";
import { getPass } from "./pass.js";
import { pause, persist, sleep } from "./retry.js";

const MISCOUNTED_MS = 5_000; // "not open" this close to the opening is clock skew; otherwise the opening was moved
const ASK_AGAIN_MS = 300;
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
  #pocket;
  #opensAt;
  #show;
  #onTrouble;
  #needLogin;
  #busy = false;
  #seen = false; // whether a view has been shown

  /**
   * @param {object} parts
   * @param {number} parts.saleId
   * @param {import("./pocket.js").Pocket} parts.pocket
   * @param {() => Promise<string>} parts.opensAt loads the current opening time
   * @param {(view: View) => void} parts.show
   * @param {(trouble: Error | null, waitMs: number, placeKept: boolean) => void} parts.onTrouble
   * @param {() => void} parts.needLogin
   */
  constructor({ saleId, pocket, opensAt, show, onTrouble, needLogin }) {
    this.#saleId = saleId;
    this.#pocket = pocket;
    this.#opensAt = opensAt;
    this.#show = show;
    this.#onTrouble = onTrouble;
    this.#needLogin = needLogin;
  }

  /** Join the line. Does nothing while a call is running. The same buyer always gets the same place. */
  join() {
    return this.#once(async () => {
      this.#tellView({ name: "joining" });
      await this.#join();
      await this.#follow();
    });
  }

  /** Follow the stored ticket, if there is one, after a page load. */
  resume() {
    return this.#once(() => this.#follow());
  }

  /** Show the view of an order. @param {Order} order */
  showOrder(order) {
    if (order.status === "pending") this.#tellView({ name: "confirmed", order });
    else if (order.status === "paid") this.#tellView({ name: "paid", number: order.number });
    else this.#tellView({ name: "released", reason: order.status });
  }

  /** @param {() => Promise<void>} run */
  async #once(run) {
    if (this.#busy) return;
    this.#busy = true;
    try {
      await run();
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.#busy = false;
    }
  }

  async #join() {
    let renewed = false;
    for (;;) {
      const pass = await getPass(this.#pocket, this.#saleId, this.#tell(false));
      try {
        const joined = await persist(() => api.purchase(this.#saleId, pass), this.#tell(false));
        this.#pocket.keepTicket(joined.ticket, joined.ahead);
        this.#showWaiting(joined);
        await this.#untilNextPoll(joined);
        return;
      } catch (error) {
        if (!(error instanceof api.Problem)) throw error;
        if (error.code === "bad_pass" && !renewed) {
          renewed = true;
          this.#pocket.forgetPass();
        } else if (error.code === "not_open") {
          const untilOpen = Date.parse(await this.#opensAt()) - now();
          if (untilOpen > MISCOUNTED_MS) throw error;
          await sleep(Math.max(untilOpen, ASK_AGAIN_MS));
        } else {
          throw error;
        }
      }
    }
  }

  async #follow() {
    for (let token = this.#pocket.ticket; token; token = this.#pocket.ticket) {
      const asked = token;
      const answer = await persist(() => api.ticket(asked), this.#tell(true));
      if (answer.ticket) this.#pocket.keepTicket(answer.ticket);
      switch (answer.status) {
        case "queued":
          this.#showWaiting(answer);
          break;
        case "waitlisted":
          this.#tellView({ name: "waitlisted", place: answer.place_in_waitlist });
          break;
        case "confirmed":
          if (await this.#holdOrder(answer.order)) continue;
          return;
        case "sold_out":
          this.#tellView({ name: "sold_out", soldOutAt: answer.sold_out_at });
          return;
        case "released":
          this.#tellView({ name: "released", reason: answer.reason });
          return;
      }
      await this.#untilNextPoll(answer);
    }
  }

  /**
   * Show the order. If it is pending, wait until shortly after its payment deadline.
   * @param {string} number
   * @returns {Promise<boolean>} whether to poll the ticket again
   */
  async #holdOrder(number) {
    /** @type {Order} */
    const order = await persist(() => api.order(number), this.#tell(true));
    this.showOrder(order);
    if (order.status !== "pending") return false;
    await pause(Math.max(Date.parse(order.pay_before) - now() + AFTER_DEADLINE_MS, EXPIRY_POLL_MS));
    return true;
  }

  /** @param {{place: number, ahead: number, eta_s?: number | null}} answer */
  #showWaiting({ place, ahead, eta_s: etaSeconds }) {
    this.#tellView({ name: "waiting", place, ahead, etaSeconds, aheadAtFirst: Math.max(this.#pocket.aheadAtFirst, ahead) });
  }

  /** @param {{poll_after_s: number}} answer */
  #untilNextPoll({ poll_after_s: seconds }) {
    return pause(seconds * 1000 * (document.hidden ? HIDDEN_TAB_FACTOR : 1));
  }

  /** @param {unknown} error */
  #refuse(error) {
    if (!(error instanceof api.Problem)) throw error;
    if (error.code === "not_logged_in") {
      this.#needLogin();
      return;
    }
    if (error.code === "sold_out") {
      this.#tellView({ name: "sold_out", soldOutAt: undefined });
      return;
    }
    if (error.code === "not_found") this.#pocket.forgetTicket();
    // If the shop does not know a ticket from an earlier visit, drop it without an error message.
    this.#tellView(this.#seen ? { name: "refused", code: error.code } : { name: "idle" });
  }

  /** @param {View} view */
  #tellView(view) {
    this.#seen = true;
    this.#show(view);
  }

  /** @param {boolean} placeKept @returns {(trouble: Error | null, waitMs: number) => void} */
  #tell(placeKept) {
    return (trouble, waitMs) => this.#onTrouble(trouble, waitMs, placeKept);
  }
}
