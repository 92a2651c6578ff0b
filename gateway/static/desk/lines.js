// Which lines stay in an order that is approved: a box for each, and what comes of it.

import { h } from "./dom.js";

/** The boxes, and what they say now: `gone`, the numbers of the lines that are taken out, and both sums. */
export function lineChoice(order, words, changed) {
  const boxes = order.lines.map((_, number) => h("input", { type: "checkbox", id: `line-${number}`, checked: true, on: { change: changed } }));
  const sum = (numbers) => ({ ...order.total, amount: numbers.reduce((total, number) => total + order.lines[number].line_total.amount, 0) });
  const node = h("fieldset", { class: "line-choice" }, h("legend", { text: words.say("line.choice") }),
    order.lines.map((line, number) => h("label", { for: boxes[number].id }, boxes[number],
      h("span", { text: `${line.quantity} × ${words.own(line.name)}` }),
      h("span", { class: "quiet", text: [line.day ? words.day(line.day) : words.say("any.day"), line.slot].filter(Boolean).join(", ") }),
      h("span", { class: "amount", text: words.money(line.line_total) }))));
  return {
    node,
    now() {
      const all = [...boxes.keys()];
      const gone = all.filter((number) => !boxes[number].checked);
      return { gone, stays: sum(all.filter((number) => boxes[number].checked)), released: sum(gone) };
    },
  };
}
