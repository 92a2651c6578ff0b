// The list: what needs attention first, then the orders that are searched for, the newest first.

import { h, refill } from "./dom.js";

const STATUSES = ["pending_payment", "awaiting_approval", "capturing", "confirmed", "fulfilled", "cancelled", "declined", "expired", "needs_review", "cancelling", "expiring"];
const SEARCHED = ["reservation_id", "guest_id", "extra_id", "order_id"];
const GOOD = new Set(["confirmed", "fulfilled"]);

export function chip(order, words) {
  const mood = order.staff?.needs_attention ? "odd" : GOOD.has(order.status) ? "good" : "over";
  return h("span", { class: `chip ${mood}`, text: words.say(`status.${order.status}`) });
}

/** Whether staff have taken a line out of the order. */
export const isGone = (order, number) => order.taken_out?.lines.includes(number) ?? false;

export const linesText = (order, words) => order.lines.filter((_, number) => !isGone(order, number))
  .map((line) => `${line.quantity} × ${words.own(line.name)}`).join(", ");

/** The disputes of an order that are not decided, in words. */
export function disputesText(order, words) {
  const open = (order.disputes ?? []).filter(({ stage }) => stage === "inquiry" || stage === "open");
  return open.map((dispute) => disputeText(dispute, order, words)).join(" ");
}

export function disputeText({ stage, amount, status, reported_at: at, dispute_id: id }, order, words) {
  return words.say(`dispute.${stage}`, { amount: words.money(amount ?? order.total), status, id, when: at ? words.moment(at) : words.say("unknown") });
}

export async function orders(desk, signal) {
  const { words, api } = desk;
  const only = new URLSearchParams(location.hash.split("?")[1] ?? "");
  const attention = h("section", { class: "attention", "aria-labelledby": "attention-title" });
  const disputed = h("section", { class: "attention", "aria-labelledby": "disputed-title", hidden: true });
  const list = h("section", { "aria-labelledby": "list-title" });
  let shown = [];
  let next = null;

  function row(order, said) {
    const why = said ?? order.staff?.review ?? order.refunds?.find((refund) => refund.needs_attention)?.detail;
    return h("li", { class: "row" },
      h("a", { href: `#/order/${order.order_id}`, id: `row-${order.order_id}` },
        h("span", { class: "who" }, h("strong", { text: order.staff?.erased_at ? words.say("erased.title") : order.reservation_id }), h("span", { class: "quiet", text: order.guest_id })),
        h("span", { class: "what", text: linesText(order, words) }),
        h("span", { class: "amount", text: words.money(order.total) }),
        chip(order, words),
        h("span", { class: "quiet when", text: words.moment(order.created_at) })),
      why ? h("p", { class: "trouble small", text: why }) : null);
  }

  /** Orders that also stand in the list below, under an id of their own. */
  function marked(name, { orders: listed, next: more }) {
    return [h("ul", { class: "rows" }, listed.map((each) => {
      const item = row(each, name === "disputed" ? disputesText(each, words) : undefined);
      item.querySelector("a").id = `${name}-${each.order_id}`;
      return item;
    })), more ? h("p", { class: "quiet small", text: words.say("marked.more") }) : null];
  }

  function drawList() {
    refill(list, h("h2", { id: "list-title", text: words.say("list.title") }),
      shown.length ? h("ul", { class: "rows" }, shown.map((order) => row(order))) : h("p", { class: "quiet", text: words.say("list.empty") }),
      next ? h("button", { type: "button", id: "more", text: words.say("list.more"), on: { click: more } }) : null);
  }

  async function look() {
    const [waiting, atTheBank, page] = await Promise.all([api.orders({ needs_attention: true }), api.orders({ disputed: true }), api.orders([...only])]);
    if (signal.aborted) return;
    refill(attention, h("h2", { id: "attention-title", text: words.say("attention.title") }),
      waiting.orders.length ? marked("odd", waiting) : h("p", { class: "quiet", text: words.say("attention.none") }));
    disputed.hidden = !atTheBank.orders.length;
    refill(disputed, h("h2", { id: "disputed-title", text: words.say("disputed.title") }),
      h("p", { class: "quiet small", text: words.say("disputed.text") }), marked("disputed", atTheBank));
    const newest = new Set(page.orders.map((order) => order.order_id));
    const last = page.orders.at(-1)?.created_at ?? "";
    const older = shown.filter((order) => !newest.has(order.order_id) && order.created_at < last);
    shown = [...page.orders, ...older];
    if (!older.length) ({ next } = page);
    drawList();
  }

  async function more() {
    try {
      const page = await api.orders([...only, ["after", next]]);
      if (signal.aborted) return;
      shown = [...shown, ...page.orders];
      ({ next } = page);
      drawList();
    } catch (problem) {
      if (!signal.aborted) desk.failed(problem);
    }
  }

  desk.onChange(() => look().catch(() => { /* the stream begins again, with a look at everything */ }), signal);
  desk.mount(words.say("tab.orders"), h("h1", { text: words.say("tab.orders") }), attention, disputed, search(words, only), list);
  await look();
}

function search(words, only) {
  const named = SEARCHED.find((name) => only.has(name)) ?? SEARCHED[0];
  const option = (value, text, chosen) => h("option", { value, text, selected: value === chosen });
  const by = h("select", { id: "f-by" }, SEARCHED.map((name) => option(name, words.say(`by.${name}`), named)));
  const text = h("input", { id: "f-text", type: "search", maxlength: 255, value: only.get(named) });
  const day = h("input", { id: "f-day", type: "date", value: only.get("day") });
  const status = h("select", { id: "f-status" }, option("", words.say("any"), only.get("status") ?? ""),
    STATUSES.map((name) => option(name, words.say(`status.${name}`), only.get("status"))));
  const field = (label, input) => h("p", {}, h("label", { for: input.id, text: words.say(label) }), input);
  const go = (event) => {
    event.preventDefault();
    const asked = [[by.value, text.value.trim()], ["day", day.value], ["status", status.value]].filter(([, value]) => value);
    location.hash = asked.length ? `/?${new URLSearchParams(asked)}` : "/";
  };
  return h("form", { class: "search", role: "search", on: { submit: go } },
    field("search.by", by), field("search.text", text), field("search.day", day), field("search.status", status),
    h("p", { class: "buttons" }, h("button", { class: "primary", id: "find", text: words.say("search.go") }),
      [...only].length ? h("a", { class: "button", href: "#/", text: words.say("search.clear") }) : null));
}
