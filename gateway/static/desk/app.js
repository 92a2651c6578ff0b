// The desk: who is there, what is shown, and what happens at the property meanwhile.

import { Api } from "./api.js";
import { catalogue } from "./catalogue.js";
import { closing } from "./closing.js";
import { announce } from "./dialogs.js";
import { byId, h } from "./dom.js";
import { extra } from "./extra.js";
import { stream } from "./live.js";
import { order } from "./order.js";
import { orders } from "./orders.js";
import { property } from "./property.js";
import { sheet } from "./sheet.js";
import { keepToken, ofTab } from "./storage.js";
import { themed } from "./theme.js";
import { backoff, pause } from "./waiting.js";
import { webhooks } from "./webhooks.js";
import { Words } from "./words.js";

const TOKEN = "bellhop.desk.token";
const AT_MOST_EVERY_MS = 1000;

/** The views by the first part of the address: with the rest of it, the tab it belongs to, and what it needs. */
const VIEWS = {
  orders: { show: (desk, rest, signal) => orders(desk, signal), tab: "orders", needs: "see" },
  order: { show: order, tab: "orders", needs: "see" },
  day: { show: sheet, tab: "day", needs: "see" },
  closing: { show: closing, tab: "closing", needs: "closing" },
  webhooks: { show: (desk, rest, signal) => webhooks(desk, signal), tab: "webhooks", needs: "webhooks" },
  catalogue: { show: (desk, rest, signal) => (rest ? extra(desk, decodeURIComponent(rest), signal) : catalogue(desk, signal)), tab: "catalogue", needs: "catalogue" },
  property: { show: (desk, rest, signal) => property(desk, signal), tab: "property", needs: "property" },
};
const TABS = { orders: "#/", day: "#/day", closing: "#/closing", webhooks: "#/webhooks", catalogue: "#/catalogue", property: "#/property" };

class Desk {
  constructor(words) {
    this.words = words;
    this._leave = new AbortController();
    this._session = new AbortController();
    this._changed = new Set();
    this._news = null;
    this._lastNews = 0;
    window.addEventListener("hashchange", () => (location.hash.startsWith("#token=") ? this.start() : this.show()));
    for (const event of ["online", "offline"]) window.addEventListener(event, () => this._tellConnection());
  }

  /** Begin with the token of the link or of the form. */
  async start() {
    if (keepToken(TOKEN)) history.replaceState(null, "", location.pathname);
    this._session.abort();
    this._session = new AbortController();
    this.who = null;
    const token = ofTab.get(TOKEN);
    if (token) {
      this.api = new Api(token);
      try {
        const who = await this.api.session();
        await Promise.all([themed(who.property_id), this._look()]);
        this.who = who;
        this._follow(this._session.signal);
      } catch (problem) {
        return this.failed(problem);
      }
    }
    return this.show();
  }

  /** The property, by whose clock days begin. One without a document has the device's. */
  async _look() {
    try {
      this.at(await this.api.property());
    } catch (problem) {
      if (problem.name !== "property-not-found") throw problem;
      this.at({ definition: {} });
    }
  }

  at({ definition }) {
    this.hotel = definition;
    this.words.zone = definition.time_zone;
  }

  /** Today's date at the property. */
  today() { return this.words.dateOf(); }

  may(action) { return this.who.may.includes(action); }

  async show() {
    this._leave.abort();
    this._leave = new AbortController();
    const { signal } = this._leave;
    this._changed.clear();
    document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
    this._frame();
    if (!this.who) return this.signIn("welcome");
    const { view, rest } = this._place();
    try {
      await view.show(this, rest, signal);
    } catch (problem) {
      if (!signal.aborted) this.failed(problem);
    }
    return undefined;
  }

  _place() {
    const [, name, rest] = /^#\/(\w+)\/?(.*)$/.exec(location.hash) ?? [];
    const view = Object.hasOwn(VIEWS, name ?? "") ? VIEWS[name] : VIEWS.orders;
    return { view: this.who && !this.may(view.needs) ? VIEWS.orders : view, rest };
  }

  mount(title, ...content) {
    document.title = `${title} – ${this.words.say("desk")}`;
    const isFirst = !byId("main").dataset.shown;
    byId("main").dataset.shown = "yes";
    byId("main").replaceChildren(...content.filter(Boolean));
    if (!isFirst && document.activeElement === document.body) byId("main").focus({ preventScroll: true });
  }

  /** Call `listener` with the ids of orders that have changed, at most once a second, until the view is left. */
  onChange(listener, signal) {
    this._changed.add(listener);
    signal.addEventListener("abort", () => this._changed.delete(listener));
  }

  failed(problem) {
    if (problem.status === 401 || problem.status === 403) {
      ofTab.drop(TOKEN);
      this.who = null;
      this._frame();
      return this.signIn(problem.status === 401 ? "expired" : "refused");
    }
    const { words } = this;
    return this.mount(words.say("trouble.title"), h("section", { class: "notice" },
      h("h1", { text: words.say("trouble.title") }),
      h("p", { text: problem.isTemporary ? words.say("trouble.later") : problem.message }),
      h("p", { class: "buttons" },
        h("button", { type: "button", class: "primary", text: words.say("again"), on: { click: () => (this.who ? this.show() : this.start()) } }),
        h("a", { class: "button", href: "#/", text: words.say("tab.orders") })),
    ));
  }

  signIn(why) {
    const { words } = this;
    const token = h("input", { id: "token", type: "password", autocomplete: "off", required: true });
    const enter = (event) => {
      event.preventDefault();
      ofTab.set(TOKEN, token.value.trim());
      this.start();
    };
    this.mount(words.say("signin.title"), h("section", { class: "notice" },
      h("h1", { text: words.say("signin.title") }),
      h("p", { text: words.say(`signin.${why}`) }),
      h("form", { class: "fields", on: { submit: enter } },
        h("label", { for: "token", text: words.say("signin.token") }), token,
        h("button", { class: "primary", text: words.say("signin.enter") })),
    ));
  }

  /** Follow the property's changes without asking: an interrupted stream begins with a look at everything. */
  async _follow(signal) {
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        await stream(this.api, null, signal, ({ order_id: id }) => {
          attempt = 0;
          this._tell(id);
        });
      } catch (problem) {
        if (problem.status === 401) return this.failed(problem);
      }
      if (!signal.aborted) await pause(backoff(attempt), signal);
    }
    return undefined;
  }

  _tell(id) {
    const isFirst = !this._news;
    this._news ??= new Set();
    this._news.add(id);
    if (!isFirst) return;
    setTimeout(() => {
      const news = this._news;
      this._news = null;
      this._lastNews = Date.now();
      for (const listener of this._changed) listener(news);
    }, Math.max(0, this._lastNews + AT_MOST_EVERY_MS - Date.now()));
  }

  say(name, values) { announce(this.words.say(name, values)); }

  _frame() {
    const { words } = this;
    byId("hotel").textContent = this.who ? words.own(this.hotel.name) || this.who.property_id : words.say("desk");
    byId("skip").textContent = words.say("skip");
    byId("skip").hidden = false;
    byId("tabs").setAttribute("aria-label", words.say("tabs"));
    const at = this._place().view.tab;
    const tabs = this.who ? Object.entries(TABS).filter(([name]) => this.may(VIEWS[name].needs)) : [];
    byId("tabs").replaceChildren(...tabs.map(([name, href]) => h("a", {
      href, "aria-current": name === at ? "page" : null, text: words.say(`tab.${name}`),
    })));
    byId("languages").setAttribute("aria-label", words.say("language"));
    byId("languages").replaceChildren(...words.languages.map((tag) => h("button", {
      type: "button", lang: tag, "aria-pressed": String(tag === words.language), id: `language-${tag}`,
      "aria-label": words.nameOf(tag), text: tag.toUpperCase(), on: { click: () => this._speak(tag) },
    })));
    byId("foot").replaceChildren(...(this.who ? [h("p", { class: "buttons" },
      h("span", { text: words.say("signed", { who: this.who.staff_id, role: words.say(`role.${this.who.role}`) }) }),
      h("button", { type: "button", class: "plain", id: "leave", text: words.say("leave"), on: { click: () => this._signOut() } }))] : []));
    this._tellConnection();
  }

  _signOut() {
    ofTab.drop(TOKEN);
    this.start();
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

const read = (name) => fetch(new URL(name, import.meta.url)).then((response) => response.json());

const [messages, decimals] = await Promise.all([read("messages.json"), read("decimals.json")]);
new Desk(new Words(messages, decimals)).start();
