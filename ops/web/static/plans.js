// Replay plans: what each message would do, running them, and what became of it.

import { h, refill } from "./dom.js";
import { chip, clock, kind, letter, link, many, order, plan as planLink, toneOf } from "./words.js";
import { field, onSubmit, table } from "./widgets.js";

export function plans({ api, node }) {
  const list = h("div");
  node.append(h("h1", { text: "Replays" }), list);
  return { refresh: async () => {
    const { plans: all } = await api.get("/plans");
    refill(list, table("Plans", ["plan", "stage", "made (UTC)", "by", "from", "for", "#messages"], all.map((one) => [
      planLink(one.plan_id), chip(one.stage, toneOf(one.stage)), clock(one.made_at), one.made_by,
      one.source === "dead" ? "dead letters" : "log", h("div", { class: "clip", text: one.description, title: one.description }), String(one.messages),
    ]), "No plan has been made yet. Choose dead letters, or a part of the log, and plan their replay."));
  } };
}

export function plan({ api, id, node }) {
  const head = h("div"), doing = h("div"), list = h("div");
  const trouble = h("p", { class: "trouble", role: "alert" });
  let one = null, drawn = "";

  async function tried(work) {
    trouble.textContent = "";
    try { await work(); await look(); } catch (error) { trouble.textContent = error.message; }
  }

  const run = onSubmit(h("form", { class: "run" },
    field("Why? It goes into the audit log", { name: "why", id: "why", required: true, maxlength: 1000 }),
    field("messages per second", { name: "rate", id: "rate", type: "number", min: 0.1, max: 1000, step: "any", value: 10 }),
    field("stop after so many fail again", { name: "stop_after", id: "stop-after", type: "number", min: 1, value: 1 }),
    h("button", { class: "main", id: "run", text: "Run" }),
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "accept_changes", id: "accept-changes" }), " send also what would no longer do what the plan says"),
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "again", id: "again" }), " send also what another plan has sent"),
  ), ({ why, rate, stop_after, accept_changes, again }) => tried(() => api.post(`/plans/${id}/run`, {
    why, rate: Number(rate ?? 10), stop_after: Number(stop_after ?? 1), accept_changes: Boolean(accept_changes), again: Boolean(again),
  })));
  const pause = h("button", { id: "pause", text: "Pause", on: { click: () => tried(() => api.post(`/plans/${id}/pause`)) } });

  async function look(isWanted = () => true) {
    const seen = await api.get(`/plans/${id}`);
    if (!isWanted()) return;
    one = seen;
    const now = JSON.stringify(seen);
    if (now === drawn) return;
    drawn = now;
    refill(head, ...top());
    act();
    refill(list, h("h2", { text: "Message by message" }), table("Messages of the plan", ["#no.", "message", "order", "to", "would then", "was"], one.items.map((item) => ({
      class: item.result === "failed" ? "alarm" : null,
      cells: [String(item.number), [kind(item.kind), item.letter_id ? h("div", { class: "small" }, letter(item.letter_id)) : ""], order(item.order_id),
        h("span", { class: "code", text: item.queue }),
        [chip(item.forecast, toneOf(item.outcome)), item.sends.length ? h("div", { class: "quiet small", text: `sends ${item.sends.join(", ")}` }) : ""],
        item.result || item.remark ? [item.result && chip(item.result, toneOf(item.result)), h("div", { class: "quiet small", text: item.remark })] : ""],
    }))), one.items.length < one.messages ? h("p", { class: "quiet", text: `… and ${one.messages - one.items.length} more; bellhop plans show ${id} lists all.` }) : null);
  }

  function top() {
    const wouldBe = Object.entries(one.by_forecast).map(([outcome, count]) => chip(`${count} ${outcome}`, toneOf(outcome)));
    const { sent, skipped, failed, left } = one.report;
    const progress = h("progress", { max: one.messages, value: one.messages - left, "aria-label": "handled" });
    return [
      h("p", { class: "crumbs" }, link("/plans", "Replays"), " / ", h("span", { class: "code", text: id })),
      h("h1", {}, `Replay of ${many(one.messages, "message")} `, chip(one.stage, toneOf(one.stage))),
      h("p", { class: "quiet" }, `by ${one.made_by}, from ${one.source === "dead" ? "dead letters" : "the log"}: `, h("span", { class: "wrap", text: one.description })),
      h("p", { class: "chips" }, "forecast when it was planned: ", wouldBe),
      one.stage === "planned" ? null : h("div", { class: "progress", id: "progress" }, progress,
        h("span", { role: "status", text: `${sent} sent, ${skipped} skipped, ${failed} failed again, ${left} left` })),
      one.reason ? h("p", { class: "trouble", id: "reason", text: one.reason }) : null,
      one.last_error ? h("p", { class: "trouble", text: `The last run failed: ${one.last_error}` }) : null,
    ];
  }

  function act() {
    const isRunning = one.is_running || one.stage === "running";
    const wanted = !api.may("replayer") || (one.stage === "done" && !isRunning) ? null : isRunning ? pause : run;
    run.querySelector("#run").textContent = one.stage === "planned" ? `Run ${many(one.messages, "message")}` : `Go on with ${one.report.left}`;
    if (doing.firstChild !== wanted) refill(doing, wanted);
  }

  node.append(head, doing, trouble, list);
  return { refresh: look, every: () => (one && (one.is_running || one.stage === "running") ? 700 : 4000) };
}
