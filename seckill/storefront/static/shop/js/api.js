// @ts-check
// Client of the JSON API: one function per route. Each returns data or throws Problem or ConnectionLost.

import { observeDate } from "./clock.js";

const TIMEOUT_MS = 10_000;

/** An error response: an RFC 9457 problem, or a proxy's error page. */
export class Problem extends Error {
  /**
   * @param {number} status HTTP status
   * @param {{code?: string, title?: string, errors?: Record<string, string[]>}} document
   * @param {number} retryAfterMs Retry-After in milliseconds, 0 without the header
   */
  constructor(status, document, retryAfterMs) {
    super(document.title ?? `status ${status}`);
    this.status = status;
    this.code = document.code ?? "unknown";
    this.errors = document.errors ?? {};
    this.retryAfterMs = retryAfterMs;
  }
}

/** No response: offline, connection cut, or timeout. */
export class ConnectionLost extends Error {
  retryAfterMs = 0;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{body?: object, pass?: string}} [options] with a pass, no session cookie and no CSRF token are sent
 * @returns {Promise<any>} the JSON document; null for 204
 */
async function call(method, path, { body, pass } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json", "Accept-Language": document.documentElement.lang };
  if (body) headers["Content-Type"] = "application/json";
  if (pass) headers.Authorization = `Bearer ${pass}`;
  else if (method !== "GET") headers["X-CSRFToken"] = cookie("csrftoken");
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      credentials: pass ? "omit" : "same-origin",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch (error) {
    throw new ConnectionLost(path, { cause: error });
  }
  observeDate(response.headers.get("Date"));
  const data = parse(text);
  if (response.ok && (data !== null || response.status === 204)) return data;
  throw new Problem(response.status, data ?? {}, Number(response.headers.get("Retry-After")) * 1000 || 0);
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // empty body, or a proxy's error page
  }
}

/** @param {string} name */
function cookie(name) {
  const pair = document.cookie.split("; ").find((candidate) => candidate.startsWith(`${name}=`));
  return pair ? decodeURIComponent(pair.slice(name.length + 1)) : "";
}

/** @param {string} number */
const orderPath = (number) => `/api/orders/${encodeURIComponent(number)}`;

export const me = () => call("GET", "/api/auth/me");
/** @param {{username: string, password: string}} body */
export const register = (body) => call("POST", "/api/auth/register", { body });
/** @param {{username: string, password: string}} body */
export const logIn = (body) => call("POST", "/api/auth/login", { body });
export const logOut = () => call("POST", "/api/auth/logout");

export const banners = () => call("GET", "/api/banners/");
export const sales = () => call("GET", "/api/sales/");
/** @param {number} id */
export const sale = (id) => call("GET", `/api/sales/${id}/`);
/** @param {number} id */
export const progress = (id) => call("GET", `/api/sales/${id}/progress`);

/** @param {number} id */
export const issuePass = (id) => call("POST", `/api/sales/${id}/pass`);
/** @param {number} id @param {string} pass */
export const purchase = (id, pass) => call("POST", `/api/sales/${id}/purchase`, { pass });
/** @param {string} token */
export const ticket = (token) => call("GET", `/api/tickets/${encodeURIComponent(token)}`);

export const orders = () => call("GET", "/api/orders/");
/** @param {string} number */
export const order = (number) => call("GET", `${orderPath(number)}/`);
/** @param {string} number */
export const pay = (number) => call("POST", `${orderPath(number)}/pay`);
/** @param {string} number */
export const cancel = (number) => call("POST", `${orderPath(number)}/cancel`);
