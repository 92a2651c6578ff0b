// The gateway's routes for staff, see docs/http-api.md.

import { send } from "./http.js";

export class Api {
  constructor(token) {
    this._token = token;
  }

  session() { return this._body("GET", "/v1/staff/session"); }

  /** A page of orders: {orders, next}. */
  orders(only) { return this._body("GET", `/v1/staff/orders?${new URLSearchParams(only)}`); }

  order(id) { return this._body("GET", `/v1/orders/${id}`); }

  sheet(day) { return this._body("GET", `/v1/staff/day-sheet?day=${day}`); }

  /** One act on an order, as {status: 200, body: order}, or {status: 202} when it is on its way. `key` makes it happen once. */
  act(id, what, json, key) {
    return send(`/v1/orders/${id}/${what}`, { method: "POST", token: this._token, json, headers: key && { "Idempotency-Key": key } });
  }

  /** The order's receipts as a PDF. */
  receipt(id, language) {
    return send(`/v1/orders/${id}/receipt?format=pdf&language=${language}`, { token: this._token, read: (response) => response.blob() })
      .then(({ body }) => body);
  }

  /** The property's server-sent events, as an open response. */
  live(_, signal) {
    return send("/v1/staff/live", { token: this._token, signal, read: (response) => response }).then(({ body }) => body);
  }

  /** {extras}, in their order. */
  catalogue() { return this._body("GET", "/v1/staff/catalogue"); }

  defineExtra(json) { return this._body("POST", "/v1/staff/catalogue", json); }

  changeExtra(id, json) { return this._body("PUT", `/v1/staff/catalogue/${encodeURIComponent(id)}`, json); }

  retireExtra(id, json) { return this._body("POST", `/v1/staff/catalogue/${encodeURIComponent(id)}/retire`, json); }

  /** {extras}, in the new order. */
  reorder(ids) { return this._body("POST", "/v1/staff/catalogue/order", { extra_ids: ids }); }

  /** {picture_id} of a file. */
  uploadPicture(file) { return send("/v1/staff/pictures", { method: "POST", token: this._token, file, patience: 60000 }).then(({ body }) => body); }

  /** {rows, differences} of a day. */
  closing(day) { return this._body("GET", `/v1/staff/closing?day=${day}`); }

  /** The same rows, as the text of a spreadsheet. */
  closingCsv(day) { return send(`/v1/staff/closing.csv?day=${day}`, { token: this._token, read: (response) => response.text() }).then(({ body }) => body); }

  /** {subscribers, deliveries, next}. */
  webhooks(only) { return this._body("GET", `/v1/staff/webhooks?${new URLSearchParams(only)}`); }

  property() { return this._body("GET", "/v1/staff/property"); }

  changeProperty(json) { return this._body("PUT", "/v1/staff/property", json); }

  _body(method, path, json) { return send(path, { method, token: this._token, json }).then(({ body }) => body); }
}
