// The PSP's script, Stripe.js or the sandbox's: the one file that knows it. https://docs.stripe.com/js

import { appearance } from "./theme.js";

const scripts = new Map();

/** The script of this address, loaded once; a try that failed may be repeated. */
function load(url) {
  if (!scripts.has(url)) {
    scripts.set(url, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = url;
      script.addEventListener("load", () => resolve(window.Stripe));
      script.addEventListener("error", () => {
        script.remove();
        scripts.delete(url);
        reject(new Error(`${url} could not be loaded`));
      });
      document.head.append(script);
    }));
  }
  return scripts.get(url);
}

/** What the PSP's form is asked to do for one payment session. */
export class Checkout {
  static async open(session, language) {
    const Stripe = await load(session.script_url);
    const options = { locale: language };
    if (session.connected_account) options.stripeAccount = session.connected_account;
    return new Checkout(Stripe(session.publishable_key, options), session.client_secret);
  }

  constructor(stripe, clientSecret) {
    this._stripe = stripe;
    this._secret = clientSecret;
  }

  /** Show the card form. Resolves when it is ready; rejects when it does not load. */
  mount(node, signal) {
    const elements = this._stripe.elements({ clientSecret: this._secret, appearance: appearance() });
    const element = elements.create("payment");
    const restyle = () => elements.update({ appearance: appearance() });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", restyle, { signal });
    signal.addEventListener("abort", () => element.destroy());
    this._elements = elements;
    this._element = element;
    return new Promise((resolve, reject) => {
      element.on("ready", resolve);
      element.on("loaderror", ({ error }) => reject(new Error(error?.message)));
      element.mount(node);
    });
  }

  focus() { this._element?.focus(); }

  /** Try to take the money. Where a bank must send the guest away, they come back to `returnUrl`. */
  async pay(returnUrl) {
    const { error } = await this._elements.submit();
    if (error) return outcomeOf({ error });
    const confirmParams = { return_url: returnUrl };
    return outcomeOf(await this._stripe.confirmPayment({ elements: this._elements, redirect: "if_required", confirmParams }));
  }

  /** Let the guest's bank ask its question (again). */
  async authenticate() { return outcomeOf(await this._stripe.handleNextAction({ clientSecret: this._secret })); }

  /** The payment intent as the PSP has it now; null when it cannot be asked. */
  async retrieve() {
    const { paymentIntent } = await this._stripe.retrievePaymentIntent(this._secret);
    return paymentIntent ?? null;
  }
}

/**
 * What came of a try: {kind: "invalid"} the form says what is missing; {kind: "declined", code, text} no money was taken;
 * {kind: "known", intent} the intent says; {kind: "unknown"} it must be asked.
 */
export function outcomeOf({ error, paymentIntent }) {
  if (paymentIntent) return { kind: "known", intent: paymentIntent };
  if (error.type === "validation_error") return { kind: "invalid" };
  if (error.code === "payment_intent_unexpected_state" && error.payment_intent) {
    return { kind: "known", intent: error.payment_intent };
  }
  return declinedOf(error) ?? { kind: "unknown" };
}

/** Why the last try failed, from an intent's or an answer's error; null when that is not known. */
export function declinedOf(error) {
  const isAuthentication = error?.code === "payment_intent_authentication_failure";
  if (!isAuthentication && error?.type !== "card_error") return null;
  const code = isAuthentication ? error.code : error.decline_code || error.code;
  return { kind: "declined", code, text: error.message };
}
