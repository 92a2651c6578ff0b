// One dead letter: what it is, what a replay would do, what happened around it; and correcting it.

import { h, refill } from "./dom.js";
import { chip, clock, kind, letter as letterLink, link, order, plan, pretty, toneOf } from "./words.js";
import { askWhy, field, onSubmit, table } from "./widgets.js";

export function letter({ api, id, node, go }) {
  const trouble = h("p", { class: "trouble", role: "alert" });

  async function tried(work) {
    trouble.textContent = "";
    try { await work(); } catch (error) { trouble.textContent = error.message; }
  }

  async function look(isWanted = () => true) {
    const one = await api.get(`/dead/${id}`);
    if (isWanted()) refill(node, ...shown(one), trouble);
  }

  function shown(one) {
    const isWaiting = one.stage === "waiting";
    const facts = [
      ["error", h("span", {}, h("strong", { text: one.error_type ?? "" }), ` ${one.error ?? ""}`)],
      ["a replay would", h("span", {}, chip(one.forecast, toneOf(one.forecast.split(/[ :]/)[0])), one.sends.length ? ` and send ${one.sends.join(", ")}` : "")],
      ["stage", one.stage], ["replayed by", plan(one.plan_id)],
      ["edited from", one.edited_from && letterLink(one.edited_from)], ["edited to", one.edited_to && letterLink(one.edited_to)],
      ["message", kind(one.kind)], ["message id", one.message_id], ["order", order(one.order_id)],
      ["came to", one.queue], ["could not leave", one.outbox_of], ["parked in", one.dead_queue], ["attempts", String(one.attempts)],
      ["sent", clock(one.sent_at)], ["failed", clock(one.failed_at)],
      ["correlation", one.correlation_id && link(`/log/${one.correlation_id}`, one.correlation_id, { class: "code" })], ["cause", one.causation_id],
    ].filter(([, value]) => value);
    return [
      h("p", { class: "crumbs" }, link("/dead", "Dead letters"), " / ", h("span", { class: "code", text: one.letter_id })),
      h("h1", {}, kind(one.kind)),
      h("div", { class: "acts" },
        isWaiting && one.outbox_of && api.may("replayer") && h("button", { class: "main", id: "put-back", text: "Put back…", on: { click: () => move("put-back", "Put back") } }),
        isWaiting && !one.outbox_of && api.may("replayer") && h("button", { class: "main", id: "plan", text: "Plan replay", on: { click: () => tried(async () => {
          go(`/plans/${(await api.post("/plans", { ids: [id] })).plan_id}`);
        }) } }),
        isWaiting && api.may("replayer") && h("button", { text: "Put aside…", on: { click: () => move("discard", "Put aside") } }),
        one.stage === "discarded" && api.may("replayer") && h("button", { text: "Take back…", on: { click: () => move("restore", "Take back") } }),
        one.order_id && link(`/trace/${one.order_id}`, "Trace the order", { class: "button" })),
      h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", { text: name }), h("dd", {}, value)])),
      h("h2", { text: "Body" }), h("pre", { class: "body", tabindex: "0", text: pretty(one.body) }),
      isWaiting && api.may("editor") && correcting(one),
      h("details", {}, h("summary", { text: "Headers" }), h("pre", { text: pretty(one.headers) })),
      one.timeline.length ? h("h2", { text: "Messages about its order, from the log" }) : null,
      one.timeline.length ? table("Messages about its order", ["sent (UTC)", "message", "ended"], one.timeline.map((entry) => ({
        class: entry.message_id === one.message_id ? "alarm" : null,
        cells: [clock(entry.sent_at), kind(entry.kind), entry.ended ? `${entry.ended}: ${entry.error ?? ""}` : ""],
      }))) : null,
    ];
  }

  function correcting(one) {
    return h("details", { class: "edit" }, h("summary", { id: "edit", text: "Correct it" }),
      onSubmit(h("form", {},
        h("p", { class: "quiet", text: "Makes a corrected copy with a new message id, and retires this one. Kind and ids (order, payment, guest) stay as they are. Nothing is sent: replay the copy afterwards." }),
        field("New body", { name: "body", id: "edit-body", rows: 10, text: pretty(one.body) }),
        field("Why? It goes into the audit log", { name: "why", id: "edit-why", required: true, maxlength: 1000 }),
        h("div", { class: "buttons" }, h("button", { class: "main", text: "Save the corrected copy" })),
      ), ({ body, why }) => tried(async () => {
        go(`/dead/${(await api.post(`/dead/${id}/edit`, { body: compact(body ?? ""), why })).letter_id}`);
      })));
  }

  async function move(act, words) {
    const why = await askWhy(`${words} this letter?`, words);
    if (why !== null) await tried(async () => { await api.post(`/dead/${act}`, { ids: [id], why }); await look(); });
  }

  node.append(h("p", { class: "quiet", text: "Reading the letter and the log…" }));
  let isRead = false;
  // Once: the log is long, and the operator may be typing.
  return { refresh: async (isWanted) => { if (!isRead) { await look(isWanted); isRead = true; } } };
}

function compact(body) {
  try { return JSON.stringify(JSON.parse(body)); } catch { return body; }
}
