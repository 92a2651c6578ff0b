// Dead letters, grouped by how they failed; chosen, they are planned, put aside or taken back.

import { h, refill } from "./dom.js";
import { ago, kind, letter, many, order } from "./words.js";
import { askWhy, field, onSubmit, said, table } from "./widgets.js";

export function dead({ api, node, go }) {
  const chosen = new Set();
  const form = onSubmit(h("form", { class: "filters" },
    field("error", { name: "error", id: "f-error", placeholder: "UnknownOrder" }),
    field("kind", { name: "kind", id: "f-kind", placeholder: "*refund*" }),
    field("queue", { name: "queue", id: "f-queue", placeholder: "extras.*" }),
    field("order", { name: "order", id: "f-order", placeholder: "ord_…" }),
    field("since", { name: "since", id: "f-since", placeholder: "2h" }),
    field("stage", { name: "stage", id: "f-stage", options: ["waiting", "discarded", "replayed", "edited", "any"] }),
    h("button", { text: "Show" })), () => { chosen.clear(); before = ""; look(); });
  const acts = h("div", { class: "acts", "aria-live": "polite" });
  const list = h("div");
  const trouble = h("p", { class: "trouble", role: "alert" });
  let before = "", stage = "waiting", seen = null;

  async function look(isWanted = () => true) {
    const query = said(form);
    const found = await api.get("/dead", query);
    if (!isWanted()) return;
    stage = query.stage;
    const now = JSON.stringify(found);
    if (now === before) return;
    before = now;
    seen = found;
    const known = new Set(found.groups.flatMap((group) => group.ids));
    chosen.forEach((id) => known.has(id) || chosen.delete(id));
    draw();
  }

  function draw() {
    const box = (ids, name, id) => {
      const isChecked = ids.every((one) => chosen.has(one));
      const input = h("input", { type: "checkbox", id, "aria-label": `choose ${name}`, on: { change: () => {
        ids.forEach((one) => (input.checked ? chosen.add(one) : chosen.delete(one)));
        draw();
      } } });
      input.checked = isChecked;
      input.indeterminate = !isChecked && ids.some((one) => chosen.has(one));
      return input;
    };
    buttons();
    refill(list,
      h("h2", { text: "By error" }),
      table("Groups of dead letters", ["~chosen", "error", "message", "came to", "#letters", "#oldest", "#newest"], seen.groups.map((group, i) => [
        box(group.ids, `${group.count} with ${group.error_type}`, `group-${i}`),
        [h("strong", { text: group.error_type || "no error named" }), h("div", { class: "quiet small clip", text: group.example ?? "", title: group.example })],
        kind(group.kind), h("span", { class: "code", text: group.queue }), String(group.count), ago(group.oldest), ago(group.newest),
      ]), stage === "waiting" ? "No dead letters wait. Good." : `None ${stage}.`),
      seen.letters.length ? h("h2", { text: "One by one" }) : null,
      seen.letters.length ? table("Dead letters", ["~chosen", "letter", "error", "message", "order", "#failed", "#attempts", "stage"], seen.letters.map((one) => [
        box([one.letter_id], one.letter_id, `letter-${one.letter_id}`), letter(one.letter_id), one.error_type ?? "", kind(one.kind),
        order(one.order_id), ago(one.failed_at), String(one.attempts), one.stage,
      ])) : null,
      seen.letters.length < seen.count ? h("p", { class: "quiet", text: `${seen.count - seen.letters.length} more are not listed; a filter finds them, and their group chooses them.` }) : null,
    );
  }

  function buttons() {
    const some = chosen.size > 0;
    if (!api.may("replayer")) { refill(acts, h("span", { class: "quiet", text: "Your token's role, reader, only looks." })); return; }
    refill(acts,
      h("span", { class: "quiet", text: `${chosen.size} of ${many(seen.count, "letter")} chosen` }),
      h("button", { class: "main", id: "plan", disabled: !some || stage !== "waiting", text: "Plan replay", on: { click: () => tried(async () => {
        go(`/plans/${(await api.post("/plans", { ids: [...chosen] })).plan_id}`);
      }) } }),
      seen.letters.some((one) => one.outbox_of && one.stage === "waiting" && chosen.has(one.letter_id))
        ? h("button", { id: "put-back", text: "Put back…", on: { click: () => move("put-back", "Put back") } }) : null,
      stage === "discarded"
        ? h("button", { id: "restore", disabled: !some, text: "Take back…", on: { click: () => move("restore", "Take back") } })
        : h("button", { id: "discard", disabled: !some || stage !== "waiting", text: "Put aside…", on: { click: () => move("discard", "Put aside") } }));
  }

  async function move(act, words) {
    const why = await askWhy(`${words} ${many(chosen.size, "dead letter")}?`, words);
    if (why === null) return;
    await tried(async () => {
      await api.post(`/dead/${act}`, { ids: [...chosen], why });
      chosen.clear();
      before = "";
      await look();
    });
  }

  async function tried(work) {
    trouble.textContent = "";
    try { await work(); } catch (error) { trouble.textContent = error.message; }
  }

  node.append(h("h1", { text: "Dead letters" }), form, acts, trouble, list);
  return { refresh: look };
}
