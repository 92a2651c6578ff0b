// Who did what, and why.

import { h, refill } from "./dom.js";
import { clock, letter, plan } from "./words.js";
import { table } from "./widgets.js";

const subject = (id) => h("div", {}, id.startsWith("rp_") ? plan(id) : letter(id));

export function audit({ api, node }) {
  const list = h("div");
  node.append(h("h1", { text: "Audit log" }), list);
  return { refresh: async () => {
    const { entries } = await api.get("/audit-log");
    refill(list, table("What operators did", ["when (UTC)", "who", "did", "to", "why", "outcome", "detail"], entries.reverse().map((entry) => [
      clock(entry.at), entry.who, entry.action,
      [entry.subjects.slice(0, 3).map(subject), entry.subjects.length > 3 ? `and ${entry.subjects.length - 3} more` : ""],
      h("span", { class: "wrap", text: entry.why }), h("span", { class: "wrap", text: entry.outcome }), h("span", { class: "quiet small wrap", text: entry.detail.slice(0, 300) }),
    ]), "The audit log is empty: nothing was replayed, edited or discarded yet."));
  } };
}
