// The gateway's HTTP API, see docs/http-api.md.

const PATIENCE_MS = 30000;
const LATER = new Set([408, 425, 429, 500, 502, 503, 504]);

/** The gateway said no. `name` is the last part of the problem's stable type, `isTemporary` whether to try again. */
export class Problem extends Error {
  constructor(status, { type = "", detail = "" }, retryAfter) {
    super(detail || `HTTP ${status}`);
    this.status = status;
    this.name = type.split(":").pop();
    this.isTemporary = LATER.has(status) && this.name !== "payment-session-failed";
    this.retryAfter = retryAfter;
  }
}

/** No answer: whether the request arrived is not known. */
export class Unreachable extends Error {
  get isTemporary() { return true; }
}

export class Api {
  constructor(token) {
    this._headers = { Authorization: `Bearer ${token}` };
  }

  extras() { return this._call("GET", "/v1/extras").then(({ body }) => body.extras); }

  orders() { return this._call("GET", "/v1/orders").then(({ body }) => body.orders); }

  order(id) { return this._call("GET", `/v1/orders/${id}`).then(({ body }) => body); }

  /** Answers {status: 201, body: order}, or {status: 202} when it is on its way. */
  place(key, lines) { return this._call("POST", "/v1/orders", { lines }, { "Idempotency-Key": key }); }

  /** Answers {status: 201, body: session}, or {status: 202}. */
  paymentSession(id) { return this._call("POST", `/v1/orders/${id}/payment-session`); }

  cancel(id) { return this._call("POST", `/v1/orders/${id}/cancel`); }

  /** The order's server-sent events, as an open response. */
  async live(id, signal) {
    let response;
    try {
      response = await fetch(`/v1/orders/${id}/live`, { headers: this._headers, cache: "no-store", signal });
    } catch (error) {
      throw new Unreachable(error.message);
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }

  async _call(method, path, json, headers = {}) {
    const body = json && JSON.stringify(json);
    const type = json && { "Content-Type": "application/json" };
    let response;
    try {
      response = await fetch(path, {
        method, body, cache: "no-store", headers: { ...this._headers, ...type, ...headers },
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      if (response.ok) {
        return { status: response.status, body: await response.json(), retryAfter: retryAfterOf(response) };
      }
    } catch (error) {
      throw new Unreachable(error.message);
    }
    throw await problemOf(response);
  }
}

const retryAfterOf = (response) => Number(response.headers.get("Retry-After")) || undefined;

async function problemOf(response) {
  const said = await response.json().catch(() => ({}));
  return new Problem(response.status, said ?? {}, retryAfterOf(response));
}
