// The catalogue: a property's extras in the guests' order, what can be had of them now, and their places in the list.

import { h, refill } from "./dom.js";
import { confirmed } from "./saving.js";

/** What a guest can have of an extra today: [name of the text, values, mood]. */
export function stateOf(extra, today) {
  const { definition: { active, active_from: from, active_until: until } } = extra;
  if (extra.status === "retired") return ["extra.retired", {}, "over"];
  if (!active) return ["extra.inactive", {}, "over"];
  if (from && today < from) return ["extra.from", { day: from }, "over"];
  if (until && until < today) return ["extra.over", { day: until }, "over"];
  return until ? ["extra.until", { day: until }, "good"] : ["extra.active", {}, "good"];
}

export function stateChip(extra, words, today) {
  const [name, { day }, mood] = stateOf(extra, today);
  return h("span", { class: `chip ${mood}`, text: words.say(name, { day: day && words.day(day, { dateStyle: "medium" }) }) });
}

export async function catalogue(desk, signal) {
  const { words, api } = desk;
  const list = h("ol", { class: "rows", id: "extras", "aria-label": words.say("tab.catalogue") });
  const bar = h("div", { class: "bar", role: "status" });
  let { extras } = await api.catalogue();
  if (signal.aborted) return;
  let order = idsOf(extras);
  let dragged = null;

  function idsOf(known) { return known.filter(({ status }) => status !== "retired").map(({ extra_id: id }) => id); }

  function move(id, to) {
    const at = order.indexOf(id);
    if (at < 0 || to < 0 || to >= order.length || to === at) return;
    order.splice(to, 0, ...order.splice(at, 1));
    draw();
    desk.say("moved", { what: words.own(named(id).definition.name), place: to + 1, of: order.length });
  }

  const named = (id) => extras.find((extra) => extra.extra_id === id);

  function row(extra, at) {
    const { definition } = extra;
    const id = extra.extra_id;
    const name = words.own(definition.name);
    const step = (by, label, sign) => h("button", {
      type: "button", class: "step", id: `${by < 0 ? "up" : "down"}-${id}`, text: sign, "aria-label": words.say(label, { what: name }),
      "aria-disabled": at + by < 0 || at + by >= order.length ? "true" : null, on: { click: () => move(id, at + by) },
    });
    const drop = at === null ? {} : {
      dragstart: (event) => { dragged = id; event.dataTransfer.effectAllowed = "move"; },
      dragover: (event) => { if (dragged) event.preventDefault(); },
      drop: (event) => { event.preventDefault(); move(dragged, at); dragged = null; },
    };
    return h("li", { class: "row sorted", draggable: at === null ? null : "true", on: drop },
      h("a", { href: `#/catalogue/${encodeURIComponent(id)}`, id: `extra-${id}` },
        h("span", { class: "who" }, h("strong", { text: name }), h("span", { class: "quiet", text: definition.category })),
        h("span", { class: "amount", text: `${words.money(definition.unit_price)} ${words.say(`per.${definition.price_per}`)}` }),
        stateChip(extra, words, desk.today())),
      at === null ? null : h("span", { class: "steps" }, step(-1, "move.up", "↑"), step(1, "move.down", "↓")));
  }

  function draw() {
    const isMoved = order.join() !== idsOf(extras).join();
    refill(list, order.map((id, at) => row(named(id), at)), extras.filter(({ status }) => status === "retired").map((extra) => row(extra, null)));
    refill(bar, isMoved ? [
      h("span", { text: words.say("order.changed") }),
      h("button", { type: "button", class: "primary", id: "save-order", text: words.say("order.save"), on: { click: save } }),
      h("button", { type: "button", id: "undo-order", text: words.say("order.undo"), on: { click: () => { order = idsOf(extras); draw(); } } })] : []);
  }

  async function save() {
    try {
      const answer = await confirmed(desk, { title: words.say("ask.reorder"), text: words.say("effect.reorder"), action: "order.save", hasReason: false, send: () => api.reorder(order) });
      if (!answer || signal.aborted) return;
      ({ extras } = answer);
      order = idsOf(extras);
      draw();
    } catch (problem) {
      if (!signal.aborted) desk.failed(problem);
    }
  }

  draw();
  desk.mount(words.say("tab.catalogue"), h("h1", { text: words.say("tab.catalogue") }),
    h("p", { class: "buttons" }, h("a", { class: "button", id: "new-extra", href: "#/catalogue/new", text: words.say("extra.new") })),
    extras.length ? null : h("p", { class: "quiet", text: words.say("extras.none") }), bar, list);
}
