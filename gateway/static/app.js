// The guest's page: who is there, what is shown, and what every view needs.

import { Api } from "./api.js";
import { Cart } from "./cart.js";
import { ask } from "./dialogs.js";
import { byId, h } from "./dom.js";
import { linesOf } from "./orders.js";
import { pay } from "./pay.js";
import { arrive, forget, session } from "./session.js";
import { shop } from "./shop.js";
import { ofTab } from "./storage.js";
import { paint, shortly, themed } from "./theme.js";
import { Words } from "./words.js";

const AWAITED = "bellhop.awaited";

class Page {
  constructor(words) {
    this.words = words;
    this._leave = new AbortController();
    this._dialogs = new Set();
    window.addEventListener("hashchange", () => (location.hash.startsWith("#token=") ? this.start() : this.show()));
    window.addEventListener("pageshow", (event) => { if (event.persisted) this.show(); });
    for (const event of ["online", "offline"]) window.addEventListener(event, () => this._tellConnection());
  }

  /** Begin with the guest of the link. */
  async start() {
    arrive();
    this.session = session();
    this.api = this.session && new Api(this.session.token);
    this.cart = this.session && new Cart(this.session);
    this._property = null;
    if (this.session) this._look = shortly(Promise.all([themed(this.session.property), this._meet()]));
    this.show();
  }

  go(route) { location.hash = route; }

  /** Go somewhere that takes this page's place in the history. */
  replace(route) {
    history.replaceState(null, "", `#${route}`);
    this.show();
  }

  async show() {
    this._leave.abort();
    this._leave = new AbortController();
    const { signal } = this._leave;
    await this._look;
    if (signal.aborted) return;
    this._frame();
    document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
    if (!this.session) return this.signedOut();
    const [, orderId] = /^#\/pay\/(ord_[a-z2-7]{26})$/.exec(location.hash) ?? [];
    try {
      await (orderId ? pay(this, orderId, signal) : shop(this, signal));
    } catch (problem) {
      if (!signal.aborted) this.failed(problem);
    }
  }

  /** Put a view's content on the page; `title` goes to its tab. */
  mount(title, ...content) {
    document.title = `${title} – ${this.hotel}`;
    const isFirst = !byId("main").dataset.shown;
    byId("main").dataset.shown = "yes";
    byId("main").replaceChildren(...content);
    if (!isFirst && document.activeElement === document.body) byId("main").focus({ preventScroll: true });
    if (!isFirst) scrollTo(0, 0);
  }

  /** What no view can deal with. */
  failed(problem) {
    if (problem.status === 401 || problem.status === 403) {
      forget();
      return this.signedOut(true);
    }
    const { words } = this;
    this.mount(words.say("trouble.title"), h("section", { class: "notice" },
      h("h1", { text: words.say("trouble.title") }),
      h("p", { text: words.say("trouble.text") }),
      h("p", { class: "buttons" },
        h("button", { type: "button", class: "primary", text: words.say("again"), on: { click: () => this.show() } }),
        h("a", { class: "button", href: "#/", text: words.say("back") })),
    ));
    console.error(problem);
  }

  signedOut(hasExpired = false) {
    const { words } = this;
    const name = hasExpired ? "expired" : "welcome";
    this.mount(words.say(`${name}.title`), h("section", { class: "notice" },
      h("h1", { text: words.say(`${name}.title`) }),
      h("p", { text: words.say(`${name}.text`) }),
      h("p", { text: words.say(`${name}.more`) }),
    ));
  }

  /** This tab's guest waits for this order to be paid. */
  expect(orderId) { ofTab.set(AWAITED, JSON.stringify([...new Set([...awaited(), orderId])])); }

  awaits(orderId) { return awaited().includes(orderId); }

  /** Tell the guest that their order is confirmed, once; OK leads to the upselling page with the order on top. */
  async confirmed(order) {
    if (!this.awaits(order.order_id) || this._dialogs.has(order.order_id)) return;
    this._dialogs.add(order.order_id);
    const { words } = this;
    const { signal } = this._leave;
    const body = [
      h("p", { text: words.say("confirmed.text", { total: words.money(order.total) }) }),
      linesOf(order, words),
      this._where(),
    ];
    await ask(words.say("confirmed.title"), body, [{ value: "ok", text: words.say("ok"), style: "primary", autofocus: true }], {
      kind: "confirmed",
    });
    this._dialogs.delete(order.order_id);
    if (signal.aborted) return; // the guest went elsewhere; it is shown again where the order is shown next
    ofTab.set(AWAITED, JSON.stringify(awaited().filter((id) => id !== order.order_id)));
    this.replace("/");
  }

  /** Learn the hotel's name, address and colours; the page works without them. */
  async _meet() {
    const { session } = this;
    const hotel = await this.api.property().catch(() => null);
    if (!hotel || session !== this.session) return;
    this._property = hotel;
    paint(document.documentElement, hotel.theme);
    this._frame();
  }

  /** Name and address of the hotel, as soon as they are known; the confirmation does not wait for them. */
  _where() {
    const place = h("address", { class: "where" });
    (this._property ? Promise.resolve() : this._meet()).then(() => {
      const { name, address } = this._property ?? {};
      place.append(name ? h("strong", { text: this.words.own(name) }) : "", address ? h("span", { text: address }) : "");
    });
    return place;
  }

  get hotel() {
    const name = this.words.own(this._property?.name);
    if (name && name !== this._property.property_id) return name; // the id stands for a name that was never written
    const named = getComputedStyle(document.documentElement).getPropertyValue("--hotel").trim().replace(/^["']|["']$/g, "");
    return named || this.words.say("hotel");
  }

  _frame() {
    const { words } = this;
    byId("hotel").textContent = this.hotel;
    byId("skip").textContent = words.say("skip");
    byId("skip").hidden = false;
    byId("languages").setAttribute("aria-label", words.say("language"));
    byId("languages").replaceChildren(...words.languages.map((tag) => h("button", {
      type: "button", lang: tag, "aria-pressed": String(tag === words.language), id: `language-${tag}`,
      "aria-label": words.nameOf(tag), text: tag.toUpperCase(), on: { click: () => this._speak(tag) },
    })));
    byId("foot").replaceChildren(h("p", { text: words.say("foot") }));
    this._tellConnection();
  }

  async _speak(language) {
    this.words.choose(language);
    await this.show();
    byId(`language-${language}`).focus();
  }

  _tellConnection() {
    byId("banner").textContent = navigator.onLine ? "" : this.words.say("offline");
    byId("banner").hidden = navigator.onLine;
  }
}

function awaited() {
  try {
    return JSON.parse(ofTab.get(AWAITED) ?? "[]");
  } catch {
    return [];
  }
}

const read = (name) => fetch(new URL(name, import.meta.url)).then((response) => response.json());

const [messages, decimals] = await Promise.all([read("messages.json"), read("decimals.json")]);
new Page(new Words(messages, decimals)).start();
