// The closing of a day: its orders, the payment provider's transactions, their sums, and where the two do not add up.

import { h, refill } from "./dom.js";
import { shifted } from "./sheet.js";

const TABLES = {
  total: ["what", "amount", "fee", "net"],
  bridge: ["what", "amount"],
  order: ["time", "reservation_id", "order_id", "status", "amount"],
  transaction: ["time", "what", "reservation_id", "order_id", "amount", "fee", "net", "note"],
};
const AMOUNTS = new Set(["amount", "fee", "net"]);

export async function closing(desk, asked, signal) {
  const { words, api } = desk;
  const day = /^\d{4}-\d\d-\d\d$/.test(asked) ? asked : desk.today();
  const view = h("section", { class: "sheet" }, h("p", { class: "quiet", role: "status", text: words.say("closing.reading") }));
  const go = (to) => { location.hash = `/closing/${to}`; };
  const input = h("input", { id: "day", type: "date", value: day, required: true, on: { change: () => { if (input.value) go(input.value); } } });
  const trouble = h("p", { class: "trouble screen", role: "alert" });

  async function save() {
    trouble.textContent = "";
    try {
      const href = URL.createObjectURL(new Blob([await api.closingCsv(day)], { type: "text/csv" }));
      h("a", { href, download: `closing-${day}.csv` }).click();
      setTimeout(() => URL.revokeObjectURL(href), 60000);
    } catch (problem) {
      trouble.textContent = reasonOf(problem);
    }
  }

  function reasonOf(problem) {
    if (problem.isTemporary) return words.say("closing.later");
    return problem.name === "closing-too-large" ? words.say("closing.large") : problem.message;
  }

  desk.mount(words.say("tab.closing"),
    h("h1", { text: words.say("closing.title", { day: words.day(day, { weekday: "long", day: "numeric", month: "long", year: "numeric" }) }) }),
    h("p", { class: "buttons screen" },
      h("a", { class: "button", id: "before", href: `#/closing/${shifted(day, -1)}`, text: words.say("day.before") }),
      h("label", { class: "unseen", for: "day", text: words.say("search.day") }), input,
      h("a", { class: "button", id: "after", href: `#/closing/${shifted(day, 1)}`, text: words.say("day.after") }),
      h("button", { type: "button", id: "csv", text: words.say("closing.csv"), on: { click: save } }),
      h("button", { type: "button", id: "print", text: words.say("print"), on: { click: () => print() } })),
    trouble, view);
  try {
    const { rows, differences } = await api.closing(day);
    if (!signal.aborted) refill(view, ...content(rows, differences, words));
  } catch (problem) {
    if (problem.status === 401 || problem.status === 403) throw problem;
    if (!signal.aborted) refill(view, h("p", { class: "trouble", role: "alert", text: reasonOf(problem) }));
  }
}

function content(rows, differences, words) {
  if (!rows.length) return [h("p", { class: "quiet", text: words.say("closing.none") })];
  return [
    differences.length ? h("section", { class: "alarm card", "aria-labelledby": "differences-title" }, h("h2", { id: "differences-title", text: words.say("closing.differences") }), h("ul", { class: "rows" }, differences.map((text) => h("li", { text })))) : h("p", { class: "good", text: words.say("closing.good") }),
    ...Object.entries(TABLES).map(([section, columns]) => table(section, columns, rows.filter((row) => row.section === section), words)),
    h("p", { class: "quiet small", text: words.say("closing.account") }),
  ];
}

function table(section, columns, rows, words) {
  if (!rows.length) return null;
  return h("section", { class: "extra" }, h("h2", { id: `closing-${section}`, text: words.say(`closing.${section}`) }),
    h("div", { class: "wide-table", role: "group", tabindex: "0", "aria-labelledby": `closing-${section}` },
      h("table", {}, h("caption", { class: "unseen", text: words.say(`closing.${section}`) }),
        h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col", class: AMOUNTS.has(name) ? "number" : null, text: words.say(`column.${name}`) })))),
        h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((name) => h("td", { class: AMOUNTS.has(name) ? "number" : null }, cell(row, name, words)))))))));
}

function cell(row, name, words) {
  const value = row[name];
  switch (name) {
    case "what": return words.say(`moved.${row.kind}`);
    case "status": return value && words.say(`status.${value}`);
    case "time": return value && words.moment(value);
    case "order_id": return value && h("a", { href: `#/order/${value}`, text: `…${value.slice(-6)}`, "aria-label": `${words.say("order")} ${value}` });
    case "amount": case "fee": case "net": return value && words.exact(value, row.currency);
    default: return value;
  }
}
