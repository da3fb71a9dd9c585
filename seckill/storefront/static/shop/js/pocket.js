// @ts-check
// A buyer's pocket for one sale: the pass, the ticket, and where in line it began. It survives a reload, and is the
// buyer's own: another user of the same browser has another pocket.

import { now } from "./clock.js";

/** What storage would hold, when there is none (it may be switched off). @type {Map<string, string>} */
const loose = new Map();

export class Pocket {
  #key;

  /** @param {string} username @param {number} saleId */
  constructor(username, saleId) {
    this.#key = `flash-sale:${saleId}:${username}`;
  }

  /** The pass, if there is one that has not expired. @returns {string | undefined} */
  get pass() {
    const { pass, pass_expires_at: expiresAt } = this.#read();
    return pass && Date.parse(expiresAt) > now() ? pass : undefined;
  }

  /** @param {{pass: string, expires_at: string}} issued */
  keepPass(issued) {
    this.#write({ pass: issued.pass, pass_expires_at: issued.expires_at });
  }

  forgetPass() {
    this.#write({ pass: undefined, pass_expires_at: undefined });
  }

  /** @returns {string | undefined} */
  get ticket() {
    return this.#read().ticket;
  }

  /** How many were ahead when this buyer joined: where the progress bar begins. @returns {number} */
  get aheadAtFirst() {
    return this.#read().ahead_at_first ?? 0;
  }

  /** @param {string} ticket @param {number} [ahead] how many are ahead, when it was just joined */
  keepTicket(ticket, ahead) {
    this.#write(ahead === undefined ? { ticket } : { ticket, ahead_at_first: ahead });
  }

  forgetTicket() {
    this.#write({ ticket: undefined, ahead_at_first: undefined });
  }

  /** Tell when another tab of this browser puts a ticket in. @param {() => void} onTicket */
  onTicketFromElsewhere(onTicket) {
    window.addEventListener("storage", (event) => {
      if (event.key === this.#key && this.ticket) onTicket();
    });
  }

  #read() {
    let text;
    try {
      text = localStorage.getItem(this.#key);
    } catch {
      text = loose.get(this.#key);
    }
    try {
      return JSON.parse(text ?? "{}");
    } catch {
      return {}; // not ours
    }
  }

  /** @param {object} changes */
  #write(changes) {
    const text = JSON.stringify({ ...this.#read(), ...changes });
    try {
      localStorage.setItem(this.#key, text);
    } catch {
      loose.set(this.#key, text);
    }
  }
}
