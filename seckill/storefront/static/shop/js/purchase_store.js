// @ts-check
// Stored state of one buyer in one sale: the pass, the ticket, and the length of the line when the buyer joined. It
// survives a reload. Each user of a browser has a separate store.

import { now } from "./clock.js";

/** Fallback if localStorage is disabled. @type {Map<string, string>} */
const memoryFallback = new Map();

export class PurchaseStore {
  #key;

  /** @param {string} username @param {number} saleId */
  constructor(username, saleId) {
    this.#key = `flash-sale:${saleId}:${username}`;
  }

  /** The pass; undefined without one or if it has expired. @returns {string | undefined} */
  get pass() {
    const { pass, pass_expires_at: expiresAt } = this.#read();
    return pass && Date.parse(expiresAt) > now() ? pass : undefined;
  }

  /** @param {{pass: string, expires_at: string}} issued */
  storePass(issued) {
    this.#write({ pass: issued.pass, pass_expires_at: issued.expires_at });
  }

  deletePass() {
    this.#write({ pass: undefined, pass_expires_at: undefined });
  }

  /** @returns {string | undefined} */
  get ticket() {
    return this.#read().ticket;
  }

  /** The number of buyers ahead when this buyer joined: the start of the progress bar. @returns {number} */
  get aheadAtFirst() {
    return this.#read().ahead_at_first ?? 0;
  }

  /** @param {string} ticket @param {number} [ahead] buyers ahead; only after joining */
  storeTicket(ticket, ahead) {
    this.#write(ahead === undefined ? { ticket } : { ticket, ahead_at_first: ahead });
  }

  deleteTicket() {
    this.#write({ ticket: undefined, ahead_at_first: undefined });
  }

  /** Call `onTicket` when another tab of this browser stores a ticket. @param {() => void} onTicket */
  onTicketFromOtherTab(onTicket) {
    window.addEventListener("storage", (event) => {
      if (event.key === this.#key && this.ticket) onTicket();
    });
  }

  #read() {
    let text;
    try {
      text = localStorage.getItem(this.#key);
    } catch {
      text = memoryFallback.get(this.#key);
    }
    try {
      return JSON.parse(text ?? "{}");
    } catch {
      return {}; // not written by this script
    }
  }

  /** @param {object} changes */
  #write(changes) {
    const text = JSON.stringify({ ...this.#read(), ...changes });
    try {
      localStorage.setItem(this.#key, text);
    } catch {
      memoryFallback.set(this.#key, text);
    }
  }
}
