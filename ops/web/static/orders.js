// Orders: those that wait for a decision or a refund first.

import { h, refill } from "./dom.js";
import { ago, chip, clock, order } from "./words.js";
import { field, onSubmit, said, table } from "./widgets.js";

const STATUSES = ["", "needs_review", "awaiting_approval", "capturing", "pending_payment", "expiring", "cancelling", "confirmed", "fulfilled", "expired", "cancelled", "declined"];
const readable = ({ amount, currency }) => {
  const format = new Intl.NumberFormat("en", { style: "currency", currency });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
};

export function orders({ api, node }) {
  const form = onSubmit(h("form", { class: "filters" },
    field("status", { name: "status", id: "f-status", options: STATUSES }),
    field("property", { name: "property", id: "f-property", placeholder: "alpenhof" }),
    field("placed since", { name: "since", id: "f-since", placeholder: "2d" }),
    field("refund", { name: "refunding", id: "f-refunding", options: ["", "true"] }),
    h("button", { text: "Show" })), () => look());
  const list = h("div");
  const trouble = h("p", { class: "trouble", role: "alert" });
  let before = "";

  async function look(isWanted = () => true) {
    try {
      const found = (await api.get("/orders", said(form))).orders;
      if (!isWanted()) return;
      trouble.textContent = "";
      const now = JSON.stringify(found);
      if (now !== before) draw(found);
      before = now;
    } catch (error) {
      if (error.status !== 422) throw error;
      trouble.textContent = error.message;
    }
  }

  function draw(found) {
    refill(list, table("Orders", ["order", "property", "reservation", "status", "payment", "#total", "placed (UTC)", "#waits for", "why"], found.map((one) => [
      order(one.order_id), one.property_id, one.reservation_id,
      chip(one.status, one.status === "needs_review" ? "bad" : ""), one.payment_status, readable(one.total),
      clock(one.created_at), ago(one.waiting_since), h("span", { class: "wrap", title: one.actions.join("\n"), text: [one.why, one.actions.at(-1)].filter(Boolean).join(" · ") }),
    ]), "No such orders."));
  }

  node.append(h("h1", { text: "Orders" }), form, trouble, list);
  return { refresh: look };
}
