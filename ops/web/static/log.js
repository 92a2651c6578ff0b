// The log: what passed, filtered, followed, and planned to be sent again.

import { h } from "./dom.js";
import { clock, kind, order, pretty } from "./words.js";
import { field, onSubmit, said } from "./widgets.js";

const MOST = 500;
const QUEUES = ["", "extras.commands", "extras.payments", "extras.stock", "extras.receipts", "payments.commands", "payments.psp", "psp.commands"];

export function log({ api, node, go }) {
  const correlation = location.hash.split("/")[2] ?? "";
  const form = onSubmit(h("form", { class: "filters" },
    field("from", { name: "begin", id: "l-begin", value: correlation ? "first" : "15m", placeholder: "15m, first" }),
    field("kind", { name: "kind", id: "l-kind", placeholder: "payments.*" }),
    field("queue", { name: "queue", id: "l-queue", options: QUEUES }),
    field("order", { name: "order", id: "l-order", placeholder: "ord_…" }),
    field("error", { name: "error", id: "l-error", placeholder: "Unavailable" }),
    field("correlation", { name: "correlation", id: "l-correlation", value: decodeURIComponent(correlation) }),
    h("button", { text: "Show" }),
  ), () => { next = null; look(); });
  const follow = h("input", { type: "checkbox", id: "follow", checked: true });
  const status = h("span", { class: "quiet", role: "status", text: "Reading the log…" });
  const trouble = h("p", { class: "trouble", role: "alert" });
  const rows = h("tbody");
  const queue = h("select", { id: "to", "aria-label": "queue to send to" }, QUEUES.slice(1).map((value) => h("option", { value, text: value })));
  const plan = h("button", { id: "plan-log", text: "Plan replay", on: { click: async () => {
    const { begin, ...wanted } = said(form);
    trouble.textContent = "";
    try {
      go(`/plans/${(await api.post("/plans", { source: "log", to: queue.value, begin: begin ?? "first", wanted })).plan_id}`);
    } catch (error) {
      trouble.textContent = error.message;
    }
  } } });
  let next = null, isFresh = true;

  async function look(isWanted = () => true) {
    const isMore = next !== null;
    const query = { ...said(form), ...(isMore && { begin: next }) };
    trouble.textContent = "";
    let found;
    try {
      found = await api.get("/log", query);
    } catch (error) {
      if (error.status !== 422) throw error;
      trouble.textContent = error.message;
      return;
    }
    if (!isWanted()) return;
    next = found.next ?? next ?? found.at;
    if (!isMore) rows.replaceChildren();
    rows.prepend(...found.messages.map(row).reverse());
    while (rows.children.length > MOST) rows.lastChild.remove();
    if (!isMore) {
      const cut = found.found > found.messages.length ? `the newest ${found.messages.length} of ${found.found}` : `${found.found}`;
      status.textContent = `${cut} found${found.is_whole ? "" : "; not all of the log was read in time: begin later"}`;
    }
  }

  node.append(h("h1", { text: "Log" }), form,
    h("div", { class: "acts" }, h("label", { class: "check" }, follow, " follow"), status, h("span", { class: "push" }),
      api.may("replayer") ? [h("span", { class: "quiet", text: "send what is found to" }), queue, plan] : ""),
    trouble,
    h("div", { class: "scroll" }, h("table", {}, h("caption", { class: "unseen", text: "Messages, the newest first" }),
      h("thead", {}, h("tr", {}, ["sent (UTC)", "message", "from", "order", "error"].map((text) => h("th", { scope: "col", text })))), rows)));
  return { every: 2000, refresh: async (isWanted) => {
    if (isFresh || follow.checked) { isFresh = false; await look(isWanted); }
  } };
}

function row(message) {
  return h("tr", { class: message.error ? "alarm" : null },
    h("td", {}, clock(message.sent_at)),
    h("td", {}, h("details", {}, h("summary", {}, kind(message.kind)),
      h("pre", { text: `${message.message_id} · ${message.correlation_id}\n${pretty(message.body)}` }))),
    h("td", { text: message.sender }), h("td", {}, order(message.order_id)),
    h("td", { class: "wrap small", text: message.error ? `${message.error_type}: ${message.error}` : "" }));
}
