// The gateway's HTTP API, see docs/http-api.md.

import { send } from "./http.js";

/** Problems whose status says *later* and that asking again does not solve. */
const FINAL = new Set(["payment-session-failed"]);

export class Api {
  constructor(token) {
    this._token = token;
  }

  extras() { return this._call("GET", "/v1/extras").then(({ body }) => body.extras); }

  /** {name, address, …}: where the guest stays. */
  property() { return this._call("GET", "/v1/property").then(({ body }) => body); }

  orders() { return this._call("GET", "/v1/orders").then(({ body }) => body.orders); }

  order(id) { return this._call("GET", `/v1/orders/${id}`).then(({ body }) => body); }

  /** Answers {status: 201, body: order}, or {status: 202} when it is on its way. */
  place(key, lines) { return this._call("POST", "/v1/orders", { json: { lines }, headers: { "Idempotency-Key": key } }); }

  /** Answers {status: 201, body: session}, or {status: 202}. */
  paymentSession(id) { return this._call("POST", `/v1/orders/${id}/payment-session`); }

  cancel(id) { return this._call("POST", `/v1/orders/${id}/cancel`); }

  /** The order's receipts as a PDF. */
  receipt(id, language) {
    return this._call("GET", `/v1/orders/${id}/receipt?format=pdf&language=${language}`, { read: (response) => response.blob() })
      .then(({ body }) => body);
  }

  /** The order's server-sent events, as an open response. */
  live(id, signal) {
    return this._call("GET", `/v1/orders/${id}/live`, { signal, read: (response) => response }).then(({ body }) => body);
  }

  async _call(method, path, how = {}) {
    try {
      return await send(path, { method, token: this._token, ...how });
    } catch (problem) {
      if (FINAL.has(problem.name)) problem.isTemporary = false;
      throw problem;
    }
  }
}
