// What the page asks and orders; docs/operators-page.md lists the routes.

import { Unreachable, send } from "./http.js";

const PATIENCE_MS = 60000;
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
    return this._call(path + (said ? `?${said}` : ""));
  }

  text(path) { return this._call(path, { read: (response) => response.text() }); }

  post(path, body = {}) { return this._call(path, { method: "POST", json: body }); }

  async _call(path, how = {}) {
    try {
      return (await send(`/ops/api${path}`, { token: this._token, patience: PATIENCE_MS, ...how })).body;
    } catch (error) {
      if (error instanceof Unreachable) throw new Unreachable("The page's own process does not answer. Does it run (`bellhop up`)?");
      if (error.status === 401 || (error.status === 403 && !this.may("reader"))) this._onRefused(error.message);
      throw error;
    }
  }
}
