// What staff do to an order: each act says first what happens to the money, is asked once, and is safe to repeat.

import { h, showModal } from "./dom.js";
import { lineChoice } from "./lines.js";
import { ofTab } from "./storage.js";

const ROUTES = {
  approve: () => "approve",
  decline: () => "decline",
  fulfil: () => "fulfil",
  cancel: () => "cancel",
  refund: () => "refunds",
  retry: (refund) => `refunds/${refund.refund_id}/retry`,
  settle: (refund) => `refunds/${refund.refund_id}/settled-outside`,
  accept: () => "review",
  "review-refund": () => "review",
  "settled-outside": () => "review",
};
const RESOLUTIONS = { accept: "accept", "review-refund": "refund", "settled-outside": "settled-outside" };
const WITH_AMOUNT = new Set(["refund", "settle"]);
const WITHOUT_REASON = new Set(["fulfil"]);

export const amountOf = ({ amount }, words) => (amount ? words.money(amount) : "");

/** The most that an act can move. */
function mostOf(order, kind, refund, line) {
  if (kind === "approve" || kind === "decline") return order.total;
  const left = order.staff.refundable;
  if (line === null) return (kind === "refund" ? left : refund?.amount) ?? left;
  const asked = (order.refunds ?? []).filter((each) => each.line === line && each.stage !== "failed");
  const ofLine = order.lines[line].line_total.amount - asked.reduce((sum, each) => sum + each.amount.amount, 0);
  return { ...left, amount: Math.max(0, Math.min(left.amount, ofLine)) };
}

/** Ask for an act's amount and reason, do it, and call `changed` with the order as it is then. */
export async function act(desk, order, kind, { refund = null, line = null }, changed) {
  const { words } = desk;
  const most = mostOf(order, kind, refund, line);
  const name = `bellhop.desk.key.${order.order_id}.${kind}.${line ?? ""}`;
  // A key is kept until there is an answer: a repetition after a lost connection, or a reload, is the same refund.
  const known = kind === "refund" ? ofTab.get(name) ?? crypto.randomUUID() : null;
  const amount = WITH_AMOUNT.has(kind) ? h("input", { id: "amount", inputmode: "decimal", autocomplete: "off", required: true, value: words.plain(most), "aria-describedby": "effect" }) : null;
  const reason = WITHOUT_REASON.has(kind) ? null : h("input", { id: "reason", maxlength: 500, autocomplete: "off", required: kind !== "cancel" });
  const choice = kind === "approve" && order.lines.length > 1 ? lineChoice(order, words, () => tell()) : null;
  const effect = h("p", { id: "effect", class: "effect", role: "status" });
  const trouble = h("p", { class: "trouble", role: "alert" });
  // Asked for only once it is known that no place is left.
  const force = h("input", { id: "force", type: "checkbox" });
  const forced = h("p", { class: "field check", hidden: true }, h("label", { for: "force", text: words.say("force") }), force);
  const submit = h("button", { class: kind === "cancel" || kind === "decline" ? "danger" : "primary", id: "do", text: words.say(`act.${kind}`) });
  const close = h("button", { type: "button", id: "dont", text: words.say("dont"), on: { click: () => dialog.close() } });

  const money = () => (amount ? words.parsed(amount.value, most.currency) : most);
  function tell() {
    if (kind === "approve") {
      tellOfApproval();
      return;
    }
    const moved = money();
    if (amount && (!moved || moved.amount <= 0 || moved.amount > most.amount)) {
      effect.textContent = words.say("amount.between", { most: words.money(most) });
      submit.disabled = true;
      return;
    }
    submit.disabled = false;
    const rest = { ...most, amount: (kind === "refund" ? order.staff.refundable.amount : most.amount) - (moved?.amount ?? 0) };
    if (kind === "fulfil" && line !== null) {
      effect.textContent = words.say("effect.fulfil.line", { what: words.own(order.lines[line].name) });
      return;
    }
    const form = kind === "cancel" && order.payment_status === "unpaid" ? "effect.cancel.unpaid" : `effect.${kind}`;
    effect.textContent = words.say(form, { amount: words.money(moved), rest: words.money(rest) });
  }
  function tellOfApproval() {
    const { gone, stays, released } = choice?.now() ?? { gone: [], stays: order.total };
    because.hidden = !gone.length;
    reason.required = gone.length > 0;
    submit.disabled = gone.length > 0 && gone.length === order.lines.length;
    const form = submit.disabled ? "effect.approve.nothing" : gone.length ? "effect.approve.without" : "effect.approve";
    effect.textContent = words.say(form, { amount: words.money(stays), rest: released && words.money(released) });
  }
  amount?.addEventListener("input", tell);

  async function go(event) {
    event.preventDefault();
    if (submit.disabled) return;
    submit.disabled = true;
    trouble.textContent = "";
    if (known) ofTab.set(name, known);
    const gone = choice?.now().gone ?? [];
    const body = {
      ...(reason?.value.trim() && !because.hidden && { reason: reason.value.trim() }),
      ...(gone.length && { without_lines: gone }),
      ...(amount && { amount: money() }),
      ...(line !== null && (kind === "fulfil" ? { lines: [line] } : { line })),
      ...(force.checked && { force: true }),
      ...(RESOLUTIONS[kind] && { resolution: RESOLUTIONS[kind] }),
    };
    try {
      const { status, body: answer } = await desk.api.act(order.order_id, ROUTES[kind](refund), Object.keys(body).length ? body : undefined, known);
      ofTab.drop(name);
      desk.say(status === 202 ? "accepted" : "done");
      dialog.close();
      if (status === 200) changed(answer);
    } catch (problem) {
      if (!problem.isTemporary) ofTab.drop(name);
      const hasNoPlace = kind === "accept" && problem.name === "out-of-stock";
      forced.hidden = !hasNoPlace;
      if (hasNoPlace) force.focus();
      trouble.textContent = problem.isTemporary ? words.say("unsure") : hasNoPlace ? words.say("no.place") : problem.message;
      submit.disabled = false;
    }
  }

  const field = (label, input) => input && h("p", {}, h("label", { for: input.id, text: words.say(label) }), input);
  const because = field(kind === "cancel" ? "reason.optional" : kind === "approve" ? "reason.taken.out" : "reason", reason);
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "dialog-title" },
    h("form", { class: "fields", on: { submit: go } },
      h("h2", { id: "dialog-title", text: words.say(line === null ? `ask.${kind}` : `ask.${kind}.line`) }),
      field(amount && kind === "settle" ? "amount.given" : "amount", amount), choice?.node, effect, because, trouble, forced,
      h("div", { class: "dialog-buttons" }, submit, close)));
  tell();
  await showModal(dialog);
}
