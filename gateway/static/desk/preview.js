// An extra as the guest sees it: drawn by the guest's page's own code, under its own style sheets, apart from the desk's.

import { choices, daysOf } from "./choices.js";
import { h } from "./dom.js";
import { Words } from "./words.js";

const STYLES = ["kit.css", "base.css", "views.css"];

/** A preview: `node` and `draw(extra)`, `extra` as a guest's browser gets it. `stay` is {from, to}. */
export async function preview(decimals, stay) {
  const messages = await fetch(new URL("guest-messages.json", import.meta.url)).then((response) => response.json());
  const words = new Words(messages, decimals);
  const node = h("div", { class: "preview" });
  const root = node.attachShadow({ mode: "open" });
  const list = h("ul", { class: "extras" });
  root.append(...STYLES.map((name) => h("link", { rel: "stylesheet", href: new URL(name, import.meta.url).href })), list);

  return {
    node,
    draw(extra) {
      // A cart of this preview alone: the owner may press everything.
      const cart = { lines: [], isSent: false, set(lines) { this.lines = lines; } };
      const row = choices({ extra, days: daysOf(stay, extra.time_zone), session: stay, cart, words, changed: () => row.draw(false) });
      row.draw(false);
      list.replaceChildren(row.node);
    },
  };
}
