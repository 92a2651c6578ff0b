// The payment page of one order. What it shows follows from the order and the PSP's intent (recovery.js), never from
// what happened on this page before.

import { announce } from "./dialogs.js";
import { byId, h, refill } from "./dom.js";
import { watch } from "./live.js";
import { linesOf, merged } from "./orders.js";
import { Checkout, declinedOf } from "./psp.js";
import { stepOf } from "./recovery.js";
import { patiently } from "./shop.js";
import { backoff, pause } from "./waiting.js";

const LONG_MS = 20000;

export async function pay(page, orderId, signal) {
  const order = await patiently(page, signal, () => page.api.order(orderId).catch((problem) => {
    if (problem.status !== 404) throw problem;
    return null;
  }));
  if (signal.aborted) return;
  if (!order) return unknown(page);
  const payment = new Payment(page, order, signal);
  await payment.begin();
}

function unknown(page) {
  const { words } = page;
  page.mount(words.say("unknown.title"), h("section", { class: "notice" },
    h("h1", { text: words.say("unknown.title") }), h("p", { text: words.say("unknown.text") }),
    h("p", { class: "buttons" }, h("a", { class: "button primary", href: "#/", text: words.say("back") }))));
}

class Payment {
  constructor(page, order, signal) {
    Object.assign(this, { page, order, signal, words: page.words });
    this.step = null;
    this.checkout = null;
    this.isPaying = false;
    this.stage = h("div", { class: "stage" });
    this.summary = h("section", { class: "summary", "aria-label": page.words.say("pay.summary") });
  }

  async begin() {
    const { words, order, page } = this;
    if (order.status === "pending_payment") page.expect(order.order_id);
    page.mount(words.say("pay.title"), h("div", { class: "payment" },
      h("p", { class: "way-back" }, h("a", { href: "#/", text: words.say("back") })),
      h("h1", { text: words.say("pay.title") }),
      this.summary,
      this.stage));
    this.sum();
    this.show("opening");
    const failed = new Promise((_, reject) => { this.fail = reject; });
    // A session that ends must not take the bank's question away from under the guest.
    const fail = (problem) => { if (this.isPaying) this.failure = problem; else this.fail(problem); };
    watch(page.api, order.order_id, { tell: (update) => this.heard(update).catch(fail), fail, signal: this.signal });
    await Promise.race([failed, this.open()]);
    await failed;
  }

  /** What is ordered and what it comes to, as it is now. */
  sum() {
    const { words, order, summary } = this;
    refill(summary, linesOf(order, words),
      h("p", { class: "total" }, h("span", { text: words.say("total") }), h("strong", { text: words.money(order.total) })));
  }

  /** Something happened to the order, or it was asked for. */
  async heard({ event, ...update }) {
    if (this.signal.aborted) return;
    const { total } = this.order;
    this.order = merged(this.order, update);
    if (this.order.total.amount !== total.amount) this.sum();
    const step = stepOf(this.order, null);
    const hasFailed = event === "payments.payment-failed" && ["processing", "awaiting"].includes(this.step);
    if (step !== "form" && !hasFailed) return this.show(step);
    // Back to unpaid, or not known at the gateway yet: the PSP says which.
    if (["processing", "awaiting", "closing"].includes(this.step)) await this.look();
  }

  /** Get the payment session and the PSP's script, and see where the payment stands. */
  async open() {
    if (stepOf(this.order, null) !== "form" && this.order.payment_status !== "processing") {
      return this.show(stepOf(this.order, null));
    }
    if (this.order.payment_status === "processing") return this.show("processing");
    const session = await this.session();
    if (!session || this.signal.aborted) return undefined;
    if (!session.publishable_key) return this.trouble("pay.closed");
    try {
      this.checkout = await Checkout.open(session, this.words.language);
    } catch (error) {
      console.warn(error);
      return this.trouble("pay.script");
    }
    return this.look();
  }

  async session() {
    for (let attempt = 0; !this.signal.aborted; attempt += 1) {
      let retryAfter;
      try {
        const answer = await this.page.api.paymentSession(this.order.order_id);
        if (answer.status === 201) return answer.body;
        ({ retryAfter } = answer);
      } catch (problem) {
        if (problem.name === "order-not-payable") {
          await this.heard(await patiently(this.page, this.signal, () => this.page.api.order(this.order.order_id)));
          if (stepOf(this.order, null) !== "form") return null;
        } else if (problem.name === "payment-session-failed") {
          this.trouble("pay.refused");
          return null;
        } else if (!problem.isTemporary) {
          throw problem;
        }
        ({ retryAfter } = problem);
      }
      this.show("opening", "pay.slow");
      await pause(backoff(attempt, retryAfter), this.signal);
    }
    return null;
  }

  /** Ask the PSP where the payment stands, until it answers, and show that. */
  async look(notice) {
    for (let attempt = 0; !this.signal.aborted; attempt += 1) {
      if (!this.checkout) return this.open();
      const intent = await this.checkout.retrieve().catch(() => null);
      if (this.signal.aborted) return undefined;
      if (intent) return this.settle(intent, notice);
      if (stepOf(this.order, null) !== "form") return undefined;
      this.show("checking");
      await pause(backoff(attempt), this.signal);
    }
    return undefined;
  }

  settle(intent, notice = declinedOf(intent.last_payment_error)) {
    const step = stepOf(this.order, intent);
    if (step !== "renew") return this.show(step, step === "form" ? notice : undefined);
    this.checkout = null;
    this.show("opening");
    return pause(1000, this.signal).then(() => this.open());
  }

  /** Pay, or let the bank ask: one at a time, however often the button is pressed. */
  async act(doing) {
    if (this.isPaying) return;
    this.isPaying = true;
    this.busy(true);
    try {
      const outcome = await doing();
      if (this.signal.aborted) return;
      if (outcome.kind === "known") return await this.settle(outcome.intent);
      if (outcome.kind === "declined") return this.step === "form" ? this.say(outcome) : this.show("form", outcome);
      if (outcome.kind === "unknown") return await this.look({ text: this.words.say("pay.nothing-taken") });
    } catch (error) {
      console.warn(error);
      if (!this.signal.aborted) return await this.look();
    } finally {
      this.isPaying = false;
      this.busy(false);
      if (this.failure) this.fail(this.failure);
    }
    return undefined;
  }

  show(step, more) {
    if (this.signal.aborted) return;
    if (step === "paid") {
      if (this.page.awaits(this.order.order_id)) this.page.confirmed(this.order);
    }
    if (this.step === step && !more) return;
    // What the guest has typed stays while nothing says otherwise.
    if (step === "form" && this.step === "form") return more && this.say(more);
    this.step = step;
    clearTimeout(this.long);
    this.form?.abort();
    this.stage.dataset.step = step;
    if (step === "form") return this.showForm(more);
    const text = more && typeof more === "string" ? more : `step.${step}`;
    this.notice(text, step);
    return undefined;
  }

  notice(text, step) {
    const { words } = this;
    const isWaiting = ["opening", "checking", "awaiting", "processing", "closing"].includes(step);
    const long = h("p", { class: "quiet", hidden: true, text: words.say("step.long") });
    const buttons = {
      authenticate: () => [
        this.button("primary", "authenticate", () => this.act(() => this.checkout.authenticate())),
        this.button("", "other-card", () => this.show("form")),
      ],
      lapsed: () => [this.button("primary", "choose-again", () => this.chooseAgain())],
      cancelled: () => [this.button("primary", "choose-again", () => this.chooseAgain())],
      declined: () => [h("a", { class: "button primary", href: "#/", text: words.say("back") })],
      approval: () => [h("a", { class: "button primary", href: "#/", text: words.say("back") })],
      trouble: () => [this.button("primary", "again", () => { this.show("opening"); this.open().catch((e) => this.page.failed(e)); })],
      paid: () => [h("a", { class: "button primary", href: "#/", text: words.say("back") })],
    }[step]?.();
    this.stage.replaceChildren(h("div", { class: `panel ${step}`, role: "status" },
      isWaiting ? h("span", { class: "pulse", "aria-hidden": "true" }) : null,
      h("p", { class: "headline", text: words.say(text) }),
      step === "declined" && this.order.declined_because ? h("p", { text: this.order.declined_because }) : null,
      words.has(`${text}.more`) ? h("p", { text: words.say(`${text}.more`) }) : null,
      long,
      h("p", { class: "trouble", role: "alert", id: "pay-trouble" }),
      buttons ? h("p", { class: "buttons" }, buttons) : null));
    if (isWaiting && step !== "processing") this.long = setTimeout(() => { long.hidden = false; }, LONG_MS);
    announce(words.say(text));
  }

  trouble(text) { this.show("trouble", text); }

  async showForm(notice) {
    const { words, order } = this;
    this.form = new AbortController();
    const { signal } = this.form;
    this.signal.addEventListener("abort", () => this.form.abort());
    const card = h("div", { class: "card-form", id: "card-form" });
    // What stands below the card form is not seen before the form has its height, so that nothing moves.
    this.stage.replaceChildren(h("div", { class: "panel form" },
      order.pay_until ? h("p", { class: "quiet", text: words.say("pay.until", { time: words.moment(order.pay_until) }) }) : null,
      card,
      h("p", { class: "trouble", role: "alert", id: "pay-trouble" }),
      order.needs_approval ? h("p", { class: "approval", text: words.say("approval.pay") }) : null,
      h("button", {
        type: "button", id: "pay", class: "primary wide", "aria-describedby": "pay-trouble",
        text: words.say(order.needs_approval ? "reserve" : "pay", { total: words.money(order.total) }), on: { click: () => this.pressed() },
      }),
      h("p", { class: "quiet small", text: words.say("pay.secure") })));
    if (notice) this.say(notice);
    this.ready = this.checkout.mount(card, signal);
    try {
      await this.ready;
      requestAnimationFrame(() => { card.dataset.ready = "yes"; });
    } catch (error) {
      console.warn(error);
      if (!signal.aborted) this.trouble("pay.script");
    }
  }

  pressed() {
    this.say({ text: "" });
    return this.act(async () => {
      await this.ready;
      return this.checkout.pay(`${location.origin}${location.pathname}#/pay/${this.order.order_id}`);
    });
  }

  busy(is) {
    const button = byId("pay");
    if (!button) return;
    button.setAttribute("aria-disabled", String(is));
    button.textContent = is ? this.words.say("paying") : this.words.say("pay", { total: this.words.money(this.order.total) });
  }

  /** Why it did not work, in the guest's language where there is a text for the PSP's code. */
  say({ code, text }) {
    const name = `declined.${code}`;
    const node = byId("pay-trouble");
    if (node) node.textContent = code ? this.words.say(this.words.has(name) ? name : "declined") : text ?? "";
  }

  chooseAgain() {
    this.page.cart.set(this.order.lines.map(({ extra_id: id, quantity, day, slot }) => ({
      extra_id: id, quantity, ...(day ? { day } : {}), ...(slot ? { slot } : {}),
    })));
    this.page.go("/");
  }

  button(style, name, act) {
    return h("button", { type: "button", class: style, id: name, text: this.words.say(name), on: { click: act } });
  }
}
