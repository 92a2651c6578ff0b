// What the guest has chosen and not yet ordered. It is kept in the browser, for all of the guest's tabs, together with
// its Idempotency-Key: made once per cart and kept until the answer is known, so that however often the cart is sent,
// from whichever tab, there is one order.

import { ofBrowser } from "./storage.js";

const EMPTY = { lines: [], key: null, sent: false };

export class Cart extends EventTarget {
  constructor({ property, guest }) {
    super();
    this._name = `bellhop.cart.${property}.${guest}`;
    this._read();
    window.addEventListener("storage", (event) => {
      if (event.key !== this._name && event.key !== null) return;
      this._read();
      this.dispatchEvent(new Event("change"));
    });
  }

  /** [{extra_id, quantity, day?}] */
  get lines() { return this._kept.lines; }

  /** Whether it was sent and the answer is not known yet. It does not change until then. */
  get isSent() { return this._kept.sent; }

  set(lines) {
    if (this.isSent) return;
    this._keep({ lines, key: lines.length ? this._kept.key ?? newKey() : null, sent: false });
  }

  /** The key and lines to send, the same ones however often it is asked. */
  send() {
    this._read();
    this._keep({ ...this._kept, key: this._kept.key ?? newKey(), sent: true });
    return { key: this._kept.key, lines: this._kept.lines };
  }

  /** The order was taken: start again, unless another tab already has. */
  settle(key) {
    this._read();
    if (this._kept.key === key) this._keep(EMPTY);
  }

  /** The order was refused: the guest may change it, and it becomes another order. */
  release(key) {
    this._read();
    if (this._kept.key === key) this._keep({ lines: this._kept.lines, key: newKey(), sent: false });
  }

  /** Leave out lines that can no longer be had. */
  keepOnly(possible) {
    const left = this.lines.filter(possible);
    if (left.length !== this.lines.length) this.set(left);
  }

  _read() {
    try {
      this._kept = { ...EMPTY, ...JSON.parse(ofBrowser.get(this._name) ?? "{}") };
    } catch {
      this._kept = EMPTY;
    }
  }

  _keep(kept) {
    this._kept = kept;
    if (kept.lines.length) ofBrowser.set(this._name, JSON.stringify(kept));
    else ofBrowser.drop(this._name);
    this.dispatchEvent(new Event("change"));
  }
}

/** 128 random bits. Not crypto.randomUUID, which a page without TLS does not have. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
