// One order: its lines, money and history, and what the role may do with it.

import { act, amountOf } from "./acts.js";
import { h, refill } from "./dom.js";
import { chip, disputeText, isGone } from "./orders.js";
import { receiptButton } from "./receipt.js";

const CANCELLABLE = new Set(["pending_payment", "awaiting_approval", "capturing", "expiring", "confirmed"]);
const REFUNDABLE = new Set(["confirmed", "fulfilled", "cancelled", "declined", "expired"]);

export async function order(desk, id, signal) {
  const { words, api } = desk;
  const view = h("article", { class: "one" });
  let shown = null;

  function draw(current) {
    shown = current;
    refill(view, ...content(desk, current, (kind, what) => act(desk, shown, kind, what, draw)));
  }

  desk.onChange(async (ids) => {
    if (!ids.has(id) && !ids.has(undefined)) return;
    try {
      const current = await api.order(id);
      if (!signal.aborted) draw(current);
    } catch { /* the next event, or the stream's new beginning, looks again */ }
  }, signal);
  const current = await api.order(id);
  if (signal.aborted) return;
  draw(current);
  desk.mount(`${words.say("order")} ${current.reservation_id}`, view);
}

function content(desk, current, press) {
  const { words } = desk;
  const button = (kind, style = "", what = {}) => h("button", {
    type: "button", class: style, id: [kind, what.refund?.refund_id, what.line].filter((part) => part !== undefined).join("-"), text: words.say(`act.${kind}`), on: { click: () => press(kind, what) },
  });
  const isGiven = (line) => current.status === "fulfilled" || current.staff.fulfilled_lines.some((each) => each.line === line);
  const left = current.staff.refundable;
  const buttons = [
    current.status === "confirmed" && desk.may("fulfil") && button("fulfil", "primary"),
    REFUNDABLE.has(current.status) && left?.amount > 0 && desk.may("refund") && button("refund"),
    receiptButton(desk.api, current, words),
    CANCELLABLE.has(current.status) && desk.may("cancel") && button("cancel", "danger"),
  ].filter(Boolean);
  const approvals = desk.may("approve") ? [button("approve", "primary"), button("decline", "danger")] : [];
  const reviews = current.status === "needs_review" && desk.may("review")
    ? [button("accept", "primary"), button("review-refund"), button("settled-outside")] : [];
  return [
    h("p", {}, h("a", { href: "#/", id: "back", text: words.say("back") })),
    h("h1", { text: current.staff.erased_at ? words.say("erased.title") : `${current.reservation_id} · ${current.guest_id}` }),
    current.staff.erased_at ? h("p", { class: "quiet", id: "erased", text: words.say("erased.text", { time: words.moment(current.staff.erased_at), who: current.guest_id }) }) : null,
    current.staff.is_to_be_erased ? h("p", { class: "quiet", id: "erased", text: words.say("erased.later") }) : null,
    h("p", { class: "status" }, chip(current, words), h("span", { class: "chip", text: words.say(`money.${current.payment_status}`) })),
    current.staff.review ? h("section", { class: "alarm", "aria-labelledby": "review-title" },
      h("h2", { id: "review-title", text: words.say("review.title") }), h("p", { text: current.staff.review }),
      h("p", { class: "buttons" }, reviews)) : null,
    current.status === "awaiting_approval" ? h("section", { class: "alarm", "aria-labelledby": "approval-title" },
      h("h2", { id: "approval-title", text: words.say("approval.title") }),
      h("p", { text: words.say("approval.text", { amount: words.money(current.total), time: words.moment(current.approve_by) }) }),
      h("p", { class: "buttons" }, approvals)) : null,
    current.disputes?.length ? h("section", { class: "alarm", "aria-labelledby": "disputes-title" },
      h("h2", { id: "disputes-title", text: words.say("disputes") }),
      h("ul", { class: "rows" }, current.disputes.map((dispute) => h("li", { text: disputeText(dispute, current, words) })))) : null,
    current.taken_out ? h("p", { id: "taken-out", text: words.say("taken.out", { reason: current.taken_out.reason }) }) : null,
    h("table", {}, h("caption", { class: "unseen", text: words.say("lines") }),
      h("thead", {}, h("tr", {}, ["line.what", "line.when", "line.price", "sheet.done"].map((name) => h("th", { scope: "col", text: words.say(name) })))),
      h("tbody", {}, current.lines.map((line, number) => h("tr", {},
        h("td", {}, h(isGone(current, number) ? "s" : "span", { text: `${line.quantity} × ${words.own(line.name)}` })),
        h("td", { text: [line.day ? words.day(line.day) : words.say("any.day"), line.slot].filter(Boolean).join(", ") }),
        h("td", { class: "amount", text: words.money(line.line_total) }),
        h("td", {}, isGone(current, number) ? h("span", { class: "quiet", text: words.say("line.gone") }) : isGiven(number) ? h("span", { class: "good", text: words.say("line.given") }) : null,
          current.lines.length > 1 && !isGone(current, number) ? h("span", { class: "buttons" },
            !isGiven(number) && current.status === "confirmed" && desk.may("fulfil") ? button("fulfil", "", { line: number }) : null,
            REFUNDABLE.has(current.status) && left?.amount > 0 && desk.may("refund") ? button("refund", "", { line: number }) : null) : null))))),
    h("dl", { class: "sums" }, sums(current, words)),
    buttons.length ? h("p", { class: "buttons", id: "acts" }, buttons) : null,
    refunds(desk, current, button),
    desk.may("webhooks") ? h("p", {}, h("a", { id: "webhooks", href: `#/webhooks?order_id=${current.order_id}`, text: words.say("webhooks.order") })) : null,
    h("h2", { text: words.say("history") }),
    h("ol", { class: "history" }, history(current, words).map(({ at, text }) => h("li", {},
      h("span", { class: "quiet when", text: at ? words.moment(at) : words.say("unknown") }), h("span", { text })))),
    h("p", { class: "quiet small", text: current.order_id }),
  ];
}

function sums(current, words) {
  const left = current.staff.refundable;
  return [["sum.total", current.total], ["sum.released", current.taken_out?.amount], ["sum.refunded", current.refunded], ["sum.left", left?.amount > 0 ? left : null]]
    .filter(([, money]) => money)
    .map(([name, money]) => [h("dt", { text: words.say(name) }), h("dd", { class: "amount", text: words.money(money) })]);
}

function refunds(desk, current, button) {
  const { words } = desk;
  if (!current.refunds?.length) return null;
  return h("section", { "aria-labelledby": "refunds-title" }, h("h2", { id: "refunds-title", text: words.say("refunds") }),
    h("ul", { class: "rows" }, current.refunds.map((refund) => h("li", { class: refund.needs_attention ? "row alarm" : "row" },
      h("p", { text: words.say("refund.line", { amount: words.money(refund.amount), stage: words.say(`stage.${refund.stage}`), reason: refund.reason }) }),
      refund.detail ? h("p", { class: "trouble small", text: refund.detail }) : null,
      refund.settled ? h("p", { class: "small", text: words.say("refund.settled", { who: refund.settled.by, amount: amountOf(refund.settled, words), reason: refund.settled.reason }) }) : null,
      refund.needs_attention ? h("p", { class: "buttons" },
        desk.may("retry-refund") ? button("retry", "", { refund }) : null,
        desk.may("settle-refund") ? button("settle", "", { refund }) : null) : null))));
}

/** What happened, the newest first, in words. */
function history(current, words) {
  const events = [{ at: current.created_at, text: words.say("events.placed", { who: current.guest_id }) }];
  for (const { action, at, by, role, reason, amount } of current.staff.actions) {
    const text = words.say(`events.${action}`, { who: role === "guest" ? words.say("the.guest", { who: by }) : by, amount: amount ? words.money(amount) : "" });
    events.push({ at, text: reason ? `${text} „${reason}“` : text });
  }
  for (const { line, by, at } of current.staff.fulfilled_lines) {
    events.push({ at, text: words.say("events.line", { who: by, what: words.own(current.lines[line]?.name) }) });
  }
  for (const { amount, asked_at: at, asked_by: by, reason } of current.refunds ?? []) {
    events.push({ at, text: words.say(by ? "events.refund" : "events.refund.system", { who: by, amount: words.money(amount), reason }) });
  }
  return events.sort((a, b) => (b.at ?? "").localeCompare(a.at ?? ""));
}
