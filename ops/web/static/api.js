// What the page asks and orders; docs/operators-page.md lists the routes.

const PATIENCE_MS = 60000;

/** The page's process refused, or did not answer (status 0). */
export class Problem extends Error {
  constructor(status, detail) {
    super(detail || `HTTP ${status}`);
    this.status = status;
  }
}

const ROLES = ["reader", "replayer", "editor"];

export class Api {
  constructor(token, claims, onRefused) {
    this._token = token;
    this._rank = ROLES.indexOf(claims.role === "operator" ? "editor" : claims.role);
    this._onRefused = onRefused;
  }

  /** Whether the token's role allows what needs this one. For showing only: the process checks it. */
  may(role) { return this._rank >= ROLES.indexOf(role); }

  get(path, query = {}) {
    const said = new URLSearchParams(query).toString();
    return this._call("GET", path + (said ? `?${said}` : "")).then((answer) => answer.json());
  }

  text(path) { return this._call("GET", path).then((answer) => answer.text()); }

  post(path, body = {}) { return this._call("POST", path, body).then((answer) => answer.json()); }

  async _call(method, path, json) {
    let answer;
    try {
      answer = await fetch(`/ops/api${path}`, {
        method, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS),
        body: json && JSON.stringify(json),
        headers: { Authorization: `Bearer ${this._token}`, ...(json && { "Content-Type": "application/json" }) },
      });
    } catch {
      throw new Problem(0, "The page's own process does not answer. Does it run (`bellhop up`)?");
    }
    if (answer.ok) return answer;
    const said = await answer.json().catch(() => ({}));
    if (answer.status === 401 || (answer.status === 403 && !this.may("reader"))) this._onRefused(said.detail);
    throw new Problem(answer.status, said.detail);
  }
}
