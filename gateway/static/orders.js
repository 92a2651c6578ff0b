// The guest's orders, the newest on top, with their status as it changes.

import { ask } from "./dialogs.js";
import { h, refill, swap } from "./dom.js";
import { watch } from "./live.js";
import { receiptButton } from "./receipt.js";
import { pause } from "./waiting.js";

const SOME = 3;
const OPEN = new Set(["pending_payment", "awaiting_approval", "capturing", "expiring", "cancelling"]);
const GIVEN_BACK = new Set(["partially_refunded", "refunded", "disputed", "charged_back"]);

export function linesOf(order, words) {
  const gone = order.taken_out;
  const lines = h("ul", { class: "lines" }, order.lines.map(({ quantity, name, day, slot }, number) => h("li", {},
    h(gone?.lines.includes(number) ? "s" : "span", { text: `${quantity} × ${words.own(name)}` }),
    day ? h("span", { class: "quiet", text: words.when({ day, slot }) }) : null,
  )));
  return gone ? [lines, h("p", { class: "taken-out", text: words.say("taken.out", { reason: gone.reason, amount: words.money(gone.amount) }) })] : lines;
}

/** What a status is called, and how good it is: `waiting`, `good`, `over`, `odd`. */
export function statusOf({ status, payment_status: money }) {
  if (status === "pending_payment") return money === "processing" ? ["processing", "waiting"] : ["unpaid", "waiting"];
  const mood = {
    awaiting_approval: "waiting", capturing: "waiting",
    confirmed: "good", fulfilled: "good", needs_review: "odd", expiring: "waiting", cancelling: "waiting",
  }[status];
  return [status, mood ?? "over"];
}

/** Show the orders in `section`, and keep them as they are until the signal is given. */
export async function followOrders(page, section, first, signal) {
  const { words, api, cart } = page;
  let orders = first;
  let showsAll = false;
  let watched = null;
  let watching = new AbortController();
  let listed = "";
  const cards = new Map(); // by order: its card, and what that shows
  signal.addEventListener("abort", () => watching.abort());

  function take(changed) {
    orders = orders.map((order) => (order.order_id === changed.order_id ? merged(order, changed) : order));
    seen();
  }

  function seen() {
    for (const order of orders) {
      if (order.status === "pending_payment") page.expect(order.order_id);
      if (order.status === "confirmed" && page.awaits(order.order_id)) page.confirmed(order);
    }
    draw();
    follow();
  }

  // One stream at most: a browser has few connections to one server, and the guest may have several tabs.
  function follow() {
    const next = orders.find((order) => OPEN.has(order.status))?.order_id ?? null;
    if (next === watched) return;
    watching.abort();
    watching = new AbortController();
    watched = next;
    if (next) watch(api, next, { tell: take, fail: () => {}, signal: watching.signal });
  }

  // Only what changed becomes another element: a press of a button that is replaced meanwhile would be lost.
  function draw() {
    const shown = showsAll ? orders : orders.slice(0, SOME);
    const list = `${shown.map((order) => order.order_id)} of ${orders.length}`;
    if (list === listed) {
      shown.forEach(redraw);
      return;
    }
    listed = list;
    section.hidden = orders.length === 0;
    refill(section,
      h("h2", { id: "orders-title", text: words.say("orders.title") }),
      h("ol", { class: "order-list" }, shown.map(kept)),
      shown.length < orders.length ? h("button", {
        type: "button", class: "plain", id: "all-orders", text: words.say("orders.all", { count: orders.length }),
        on: { click: () => { showsAll = true; draw(); } },
      }) : null);
  }

  function kept(order) {
    const node = card(order);
    cards.set(order.order_id, { node, shows: JSON.stringify(order) });
    return node;
  }

  function redraw(order) {
    const { node, shows } = cards.get(order.order_id);
    if (shows !== JSON.stringify(order)) swap(node, kept(order));
  }

  function card(order) {
    const [status, mood] = statusOf(order);
    const isPayable = order.status === "pending_payment" && order.payment_status === "unpaid";
    const isCancellable = isPayable || order.status === "awaiting_approval" || (order.status === "confirmed" && order.payment_status === "paid");
    const receipt = receiptButton(api, order, words, "plain");
    return h("li", { class: `order ${mood}`, "data-order": order.order_id, "data-status": order.status },
      h("p", { class: "status" },
        h("span", { text: words.say(`status.${status}`) }),
        GIVEN_BACK.has(order.payment_status) ? h("span", { class: "quiet", text: words.say(`money.${order.payment_status}`) }) : null),
      order.status === "awaiting_approval" ? h("p", { class: "quiet", text: words.say("approval.waits") }) : null,
      order.declined_because ? h("p", { text: order.declined_because }) : null,
      linesOf(order, words),
      h("p", { class: "order-foot" },
        h("strong", { class: "amount", text: words.money(order.total) }),
        h("span", { class: "quiet", text: words.moment(order.created_at) })),
      isPayable || isCancellable || receipt ? h("p", { class: "buttons" },
        isPayable ? h("a", {
          class: "button primary", id: `pay-${order.order_id}`, href: `#/pay/${order.order_id}`, text: words.say("pay.now"),
        }) : null,
        receipt,
        isPayable || isCancellable ? h("button", {
          type: "button", class: "plain", id: `cancel-${order.order_id}`, text: words.say("cancel"),
          on: { click: () => cancel(order) },
        }) : null) : null);
  }

  async function cancel(order) {
    const isPaid = order.status === "confirmed";
    const answer = await ask(words.say("cancel.title"),
      h("p", { text: words.say(isPaid ? "cancel.paid" : "cancel.unpaid", { total: words.money(order.total) }) }),
      [
        { value: "", text: words.say("cancel.keep"), style: "", autofocus: true },
        { value: "cancel", text: words.say("cancel"), style: "danger" },
      ]);
    if (answer !== "cancel" || signal.aborted) return;
    try {
      const { status, body } = await api.cancel(order.order_id);
      if (status === 200) take(body);
    } catch (problem) {
      const name = `refused.${problem.name}`;
      const said = words.has(name) ? words.say(name) : words.say("cancel.failed");
      await ask(words.say("cancel.title"), h("p", { text: said }), [{ value: "", text: words.say("ok"), style: "primary" }]);
    }
  }

  async function refresh() {
    try {
      orders = await api.orders();
      if (!signal.aborted) seen();
    } catch (problem) {
      if (!problem.isTemporary) throw problem;
    }
  }

  seen();
  // Another tab has ordered what was in the cart.
  cart.addEventListener("change", () => { if (!cart.lines.length) refresh().catch((problem) => page.failed(problem)); }, { signal });
  while (!signal.aborted) {
    const open = orders.filter((order) => OPEN.has(order.status)).length;
    await pause(open > 1 ? 10000 : 60000, signal);
    if (!signal.aborted && !document.hidden) await refresh();
  }
}

/** The order with what an update says of it: a part of it, or the whole order. */
export function merged(order, { status, payment_status: money, lines, declined_because: because, ...rest }) {
  const { taken_out: gone, total } = rest;
  const whole = {
    ...(because ? { declined_because: because } : {}), ...(gone ? { taken_out: gone, total } : {}), ...(lines ? { lines, ...rest } : {}),
  };
  return { ...order, ...whole, status: status ?? order.status, payment_status: money ?? order.payment_status };
}
