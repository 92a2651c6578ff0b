// What guests see of an extra or the property: drawn by the guest's page's own code, under its own style sheets, apart from the desk's.

import { choices, daysOf } from "./choices.js";
import { h, refill } from "./dom.js";
import { paint } from "./theme.js";
import { Words } from "./words.js";

const STYLES = ["kit.css", "base.css", "views.css"];

/** A part of the page with the style sheets of the guest's page: {node, words}, and `list` in it. */
async function guestsPage(decimals) {
  const messages = await fetch(new URL("guest-messages.json", import.meta.url)).then((response) => response.json());
  const node = h("div", { class: "preview" });
  const root = node.attachShadow({ mode: "open" });
  const list = h("ul", { class: "extras" });
  root.append(...STYLES.map((name) => h("link", { rel: "stylesheet", href: new URL(name, import.meta.url).href })), list);
  return { node, root, list, words: new Words(messages, decimals) };
}

function drawn({ list, words }, extra, stay) {
  // A cart of this preview alone: the owner may press everything.
  const cart = { lines: [], isSent: false, set(lines) { this.lines = lines; } };
  const row = choices({ extra, days: daysOf(stay, extra.time_zone), session: stay, cart, words, changed: () => row.draw(false) });
  row.draw(false);
  list.replaceChildren(row.node);
}

/** A preview of an extra: `node` and `draw(extra)`, `extra` as a guest's browser gets it. `stay` is {from, to}. */
export async function preview(decimals, stay) {
  const page = await guestsPage(decimals);
  return { node: page.node, draw: (extra) => drawn(page, extra, stay) };
}

/** A preview of the property: `node` and `draw(definition)`, with one extra of its own (or null) below its name. */
export async function previewOfProperty(decimals, stay, extra) {
  const page = await guestsPage(decimals);
  const { words } = page;
  const hotel = h("p", { class: "hotel" });
  const where = h("address", { class: "where" });
  page.list.before(h("div", { class: "intro" }, hotel, h("h3", { text: words.say("shop.title") })));
  page.root.append(h("p", { class: "buttons" }, h("button", { type: "button", class: "primary", text: words.say("order") })), where);
  return {
    node: page.node,
    draw({ name, address, time_zone: zone, theme }) {
      paint(page.node, theme);
      hotel.textContent = words.own(name) || words.say("hotel");
      refill(where, h("strong", { text: words.own(name) }), address ? h("span", { text: address }) : null);
      if (extra) drawn(page, { ...extra, time_zone: zone }, stay);
    },
  };
}
