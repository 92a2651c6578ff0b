// Bellhop's Stripe sandbox: the part of Stripe.js a payment page uses. No real money.
// See https://docs.stripe.com/js for what it stands in for. Styles are set through the DOM only, and the
// card form lives in a frame of this origin, so it works under a strict content security policy that allows
// this origin in script-src, connect-src and frame-src.
(() => {
  "use strict";

  const ORIGIN = new URL(document.currentScript.src).origin;
  const NOTICE = "Bellhop's Stripe sandbox: no real money";
  const FRAME_PATIENCE_MS = 10000;

  console.info(NOTICE);

  class IntegrationError extends Error {
    constructor(message) {
      super(message);
      this.name = "IntegrationError";
    }
  }

  function intentIdOf(clientSecret) {
    const match = /^(pi_[A-Za-z0-9]+)_secret_[A-Za-z0-9]+$/.exec(clientSecret || "");
    if (!match) throw new IntegrationError("clientSecret must look like pi_…_secret_….");
    return match[1];
  }

  function nodeOf(target) {
    const node = typeof target === "string" ? document.querySelector(target) : target;
    if (!node) throw new IntegrationError(`There is no element ${target} to mount to.`);
    return node;
  }

  function makeFrame(path, title) {
    const frame = document.createElement("iframe");
    frame.src = ORIGIN + path;
    frame.title = title;
    Object.assign(frame.style, { width: "100%", border: "0", display: "block", background: "transparent" });
    return frame;
  }

  // Light text stands on a dark page; the form follows the page rather than the system.
  function themeAround(node) {
    const [red, green, blue] = (/^rgba?\((\d+), (\d+), (\d+)/.exec(getComputedStyle(node).color) || []).slice(1).map(Number);
    if (red === undefined) return undefined;
    return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "night" : "stripe";
  }

  // The card form on the page. It talks to its frame over a separate port.
  class Element {
    constructor(type, appearance) {
      this._type = type;
      this._appearance = appearance || {};
      this._listeners = new Map();
      this._pending = new Map();
      this._calls = 0;
      this._frame = null;
      this._port = null;
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this._restyle(this._appearance));
    }

    mount(target) {
      const node = nodeOf(target);
      this.unmount();
      this._frame = makeFrame("/v3/card", "Card details (sandbox)");
      this._frame.style.height = "220px";
      this._frame.allow = "payment";
      this._connected = new Promise((resolve) => { this._connect = resolve; });
      this._frame.addEventListener("load", () => this._greet());
      node.replaceChildren(this._frame);
      this._patience = setTimeout(() => {
        const message = `The card form did not load. Does the page's frame-src allow ${ORIGIN}?`;
        this._emit("loaderror", { elementType: this._type, error: { type: "api_connection_error", message } });
      }, FRAME_PATIENCE_MS);
      return this;
    }

    unmount() {
      clearTimeout(this._patience);
      if (this._frame) this._frame.remove();
      if (this._port) this._port.close();
      this._frame = this._port = null;
      const gone = { error: { type: "validation_error", message: "The card form was removed." } };
      this._pending.forEach((resolve) => resolve(gone));
      this._pending.clear();
      return this;
    }

    destroy() {
      this.unmount();
      this._listeners.clear();
    }

    on(event, listener) {
      if (!this._listeners.has(event)) this._listeners.set(event, new Set());
      this._listeners.get(event).add(listener);
      return this;
    }

    off(event, listener) {
      if (listener) this._listeners.get(event)?.delete(listener);
      else this._listeners.delete(event);
      return this;
    }

    once(event, listener) {
      const once = (detail) => {
        this.off(event, once);
        listener(detail);
      };
      return this.on(event, once);
    }

    update(options) {
      if (options && options.appearance) this._restyle(options.appearance);
      return this;
    }

    focus() { this._ask("focus"); }

    clear() { this._ask("clear"); }

    _restyle(appearance) {
      this._appearance = appearance;
      if (this._port) this._ask("appearance", { ...appearance, theme: appearance.theme || themeAround(this._frame) });
    }

    _greet() {
      const channel = new MessageChannel();
      this._port = channel.port1;
      this._port.onmessage = ({ data }) => this._heard(data);
      this._frame.contentWindow.postMessage({ stripeSandbox: "connect" }, ORIGIN, [channel.port2]);
    }

    _heard(message) {
      if (message.event === "result") {
        this._pending.get(message.id)?.(message.result);
        this._pending.delete(message.id);
      } else if (message.event === "height") {
        this._frame.style.height = `${message.height}px`;
      } else if (message.event === "ready") {
        clearTimeout(this._patience);
        this._connect();
        this._restyle(this._appearance);
        this._emit("ready", {});
      } else {
        this._emit(message.event, message.detail || {});
      }
    }

    async _ask(call, args) {
      if (!this._frame) throw new IntegrationError("Mount the element before using it.");
      await this._connected;
      this._calls += 1;
      const id = this._calls;
      return new Promise((resolve) => {
        this._pending.set(id, resolve);
        this._port.postMessage({ id, call, args });
      });
    }

    _emit(event, detail) {
      (this._listeners.get(event) || []).forEach((listener) => listener({ elementType: this._type, ...detail }));
    }
  }

  class Elements {
    constructor(options = {}) {
      this._clientSecret = options.clientSecret;
      this._appearance = options.appearance;
      this._element = null;
      if (this._clientSecret !== undefined) intentIdOf(this._clientSecret);
    }

    create(type) {
      if (type !== "payment" && type !== "card") throw new IntegrationError(`The sandbox has no ${type} element.`);
      if (this._element) throw new IntegrationError("These elements have a card form already.");
      this._element = new Element(type, this._appearance);
      return this._element;
    }

    getElement(type) { return this._element && this._element._type === type ? this._element : null; }

    update({ appearance } = {}) {
      if (!appearance) return;
      this._appearance = appearance;
      if (this._element) this._element._restyle(appearance);
    }

    async fetchUpdates() { return {}; }

    async submit() {
      if (!this._element) throw new IntegrationError("Create and mount an element first.");
      return this._element._ask("validate");
    }
  }

  // The guest's bank asks in a dialog over the page; resolves once it has been answered.
  function askTheBank(pageUrl) {
    return new Promise((resolve) => {
      const { pathname, search } = new URL(pageUrl);
      const dialog = document.createElement("dialog");
      dialog.setAttribute("aria-label", "Authenticate the payment (sandbox)");
      Object.assign(dialog.style, {
        width: "100vw", height: "100vh", maxWidth: "none", maxHeight: "none", margin: "0", padding: "1rem",
        border: "0", boxSizing: "border-box", background: "rgb(10 15 25 / 55%)",
      });
      const frame = makeFrame(pathname + search, "Authenticate the payment (sandbox)");
      Object.assign(frame.style, {
        maxWidth: "28rem", height: "19rem", margin: "10vh auto 0", borderRadius: "12px", background: "Canvas",
      });
      dialog.append(frame);
      // Escape would leave the payment waiting for an answer for ever.
      dialog.addEventListener("cancel", (event) => event.preventDefault());
      const heard = (event) => {
        if (event.source !== frame.contentWindow || event.origin !== ORIGIN) return;
        if (event.data?.stripeSandbox !== "authenticated") return;
        window.removeEventListener("message", heard);
        dialog.close();
        dialog.remove();
        resolve();
      };
      window.addEventListener("message", heard);
      document.body.append(dialog);
      dialog.showModal();
    });
  }

  const PAGE_OF_ACTION = {
    use_stripe_sdk: (action) => action.use_stripe_sdk.stripe_js,
    redirect_to_url: (action) => action.redirect_to_url.url,
  };

  class StripeSandbox {
    constructor(key, account) {
      this._key = key;
      this._account = account;
    }

    elements(options) { return new Elements(options); }

    async retrievePaymentIntent(clientSecret) {
      const query = new URLSearchParams({ client_secret: clientSecret });
      return this._call("GET", `/v1/payment_intents/${intentIdOf(clientSecret)}?${query}`);
    }

    async confirmPayment({ elements, clientSecret, confirmParams = {}, redirect = "always" } = {}) {
      const secret = clientSecret || elements?._clientSecret;
      if (redirect !== "if_required" && !confirmParams.return_url) {
        throw new IntegrationError("confirmPayment needs confirmParams.return_url, or redirect: 'if_required'.");
      }
      const answer = await this._confirm(secret, elements?._element, confirmParams);
      const done = await this._afterAction(answer, secret);
      if (done.error || redirect === "if_required") return done;
      const target = new URL(confirmParams.return_url);
      target.searchParams.set("payment_intent", done.paymentIntent.id);
      target.searchParams.set("payment_intent_client_secret", secret);
      target.searchParams.set("redirect_status", done.paymentIntent.status);
      window.location.assign(target);
      return new Promise(() => {});
    }

    async confirmCardPayment(clientSecret, { payment_method: method } = {}) {
      const element = method?.card instanceof Element ? method.card : null;
      const params = typeof method === "string" ? { payment_method: method } : {};
      return this._afterAction(await this._confirm(clientSecret, element, params), clientSecret);
    }

    async handleNextAction({ clientSecret }) {
      return this._afterAction(await this.retrievePaymentIntent(clientSecret), clientSecret);
    }

    async _confirm(clientSecret, element, { return_url: returnUrl, payment_method: method } = {}) {
      const intentId = intentIdOf(clientSecret);
      const params = { client_secret: clientSecret, use_stripe_sdk: "true" };
      if (returnUrl) params.return_url = returnUrl;
      if (element && !method) return element._ask("confirm", { key: this._key, account: this._account, intentId, params });
      if (method) params.payment_method = method;
      return this._call("POST", `/v1/payment_intents/${intentId}/confirm`, params);
    }

    async _afterAction(answer, clientSecret) {
      const action = answer.paymentIntent?.next_action;
      if (answer.paymentIntent?.status !== "requires_action" || !PAGE_OF_ACTION[action?.type]) return answer;
      await askTheBank(PAGE_OF_ACTION[action.type](action));
      const after = await this.retrievePaymentIntent(clientSecret);
      const failure = after.paymentIntent?.last_payment_error;
      if (after.paymentIntent?.status !== "requires_payment_method" || !failure) return after;
      return { error: { ...failure, payment_intent: after.paymentIntent } };
    }

    async _call(method, path, params) {
      try {
        const response = await fetch(ORIGIN + path, {
          method,
          headers: { Authorization: `Bearer ${this._key}`, ...(this._account && { "Stripe-Account": this._account }) },
          body: params && new URLSearchParams(params),
        });
        const body = await response.json();
        return response.ok ? { paymentIntent: body } : { error: body.error };
      } catch {
        const message = "The payment service could not be reached. Check the connection and try again.";
        return { error: { type: "api_connection_error", message } };
      }
    }
  }

  window.Stripe = function Stripe(publishableKey, { stripeAccount } = {}) {
    if (typeof publishableKey !== "string" || !publishableKey.startsWith("pk_")) {
      throw new IntegrationError("Stripe() takes a publishable key, which begins with pk_.");
    }
    return new StripeSandbox(publishableKey, stripeAccount);
  };
  window.Stripe.version = "sandbox";
})();
