// Requests to an API that answers with problem documents (RFC 9457).

const LATER = new Set([408, 425, 429, 500, 502, 503, 504]);

/** The server refused. `name` is the last part of the problem's stable type, `isTemporary` whether to try again,
 * `errors` its mistakes, each with `pointer` and `detail`, `reason` a word for it. */
export class Problem extends Error {
  constructor(status, { type = "", detail = "", errors, reason }, retryAfter) {
    super(detail || `HTTP ${status}`);
    this.status = status;
    this.errors = errors ?? [];
    this.reason = reason;
    this.name = type.split(":").pop();
    this.isTemporary = LATER.has(status);
    this.retryAfter = retryAfter;
  }
}

/** No answer came: whether the request arrived is not known. */
export class Unreachable extends Error {
  get isTemporary() { return true; }

  get errors() { return []; }
}

/**
 * Send a request. Resolves with {status, body, retryAfter} of an answer 2xx, `body` as `read` makes it of the response.
 * Throws Problem for another status, and Unreachable when no answer came within `patience` ms, or before `signal`.
 */
export async function send(path, { method = "GET", token, json, file, headers, patience = 30000, signal, read = (response) => response.json() } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method, cache: "no-store", signal: signal ?? AbortSignal.timeout(patience), body: file ?? (json && JSON.stringify(json)),
      headers: { Authorization: `Bearer ${token}`, ...(json && { "Content-Type": "application/json" }), ...headers },
    });
    if (response.ok) return { status: response.status, body: await read(response), retryAfter: retryAfterOf(response) };
  } catch (error) {
    throw new Unreachable(error.message);
  }
  const said = await response.json().catch(() => ({}));
  throw new Problem(response.status, said ?? {}, retryAfterOf(response));
}

const retryAfterOf = (response) => Number(response.headers.get("Retry-After")) || undefined;
