// The day sheet: what kitchen, spa and drivers need on a day, by extra and time, to read and to print.

import { h, refill } from "./dom.js";

/** The date so many days later. */
export function shifted(day, by) {
  return new Date(Date.parse(`${day}T00:00:00Z`) + by * 86400000).toISOString().slice(0, 10);
}

export async function sheet(desk, asked, signal) {
  const { words, api } = desk;
  const day = /^\d{4}-\d\d-\d\d$/.test(asked) ? asked : desk.today();
  const view = h("section", { class: "sheet", "aria-live": "off" });
  const go = (to) => { location.hash = `/day/${to}`; };
  const input = h("input", { id: "day", type: "date", value: day, required: true, on: { change: () => { if (input.value) go(input.value); } } });

  async function look() {
    const { extras, any_day: anyDay, is_complete: isComplete, any_day_is_complete: isWhole } = await api.sheet(day);
    if (signal.aborted) return;
    refill(view,
      isComplete ? null : h("p", { class: "trouble", text: words.say("sheet.cut") }),
      ...(extras.length ? extras.map((extra) => table(extra, words)) : [h("p", { class: "quiet", text: words.say("sheet.empty") })]),
      ...(anyDay.length || !isWhole ? [h("h2", { class: "any-day", id: "any-day", text: words.say("sheet.any") }), h("p", { class: "quiet small", text: words.say(isWhole ? "sheet.any.text" : "sheet.any.cut") })] : []),
      ...anyDay.map((extra) => table(extra, words, "h3")));
  }

  desk.onChange(() => look().catch(() => { /* the stream begins again, with a look at everything */ }), signal);
  desk.mount(words.say("tab.day"),
    h("h1", { text: words.day(day, { weekday: "long", day: "numeric", month: "long", year: "numeric" }) }),
    h("p", { class: "buttons screen" },
      h("a", { class: "button", id: "before", href: `#/day/${shifted(day, -1)}`, text: words.say("day.before") }),
      h("label", { class: "unseen", for: "day", text: words.say("search.day") }), input,
      h("a", { class: "button", id: "after", href: `#/day/${shifted(day, 1)}`, text: words.say("day.after") }),
      h("button", { type: "button", id: "print", text: words.say("print"), on: { click: () => print() } })),
    view);
  await look();
}

function table(extra, words, heading = "h2") {
  return h("section", { class: "extra" }, h(heading, { text: `${extra.quantity} × ${words.own(extra.name)}` }),
    h("table", {}, h("caption", { class: "unseen", text: words.own(extra.name) }),
      h("thead", {}, h("tr", {}, ["sheet.at", "sheet.quantity", "by.reservation_id", "by.guest_id", "sheet.done"].map((name) => h("th", { scope: "col", text: words.say(name) })))),
      h("tbody", {}, extra.lines.map((line) => h("tr", {},
        h("td", { text: line.at ?? "–" }), h("td", { text: String(line.quantity) }),
        h("td", {}, h("a", { href: `#/order/${line.order_id}`, text: line.reservation_id })),
        h("td", { text: line.guest_id }),
        h("td", { text: line.is_fulfilled ? "✓" : "☐", "aria-label": words.say(line.is_fulfilled ? "yes" : "no") }))))));
}
