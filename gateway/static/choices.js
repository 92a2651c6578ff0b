// One extra on offer: how many of it, and on which day of the stay. An extra may be chosen for several days.

import { h, refill } from "./dom.js";

/** The days of a stay that are not over yet at the hotel, as dates. */
export function daysOf({ from, to }, timeZone) {
  const today = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" }).format();
  const days = [];
  for (let at = Date.parse(from); at <= Date.parse(to) && days.length < 366; at += 86400000) {
    days.push(new Date(at).toISOString().slice(0, 10));
  }
  const left = days.filter((day) => day >= today);
  return left.length ? left : days.slice(-1);
}

export function choices({ extra, days, cart, words, changed }) {
  const id = extra.extra_id;
  const name = words.own(extra.name);
  const described = words.own(extra.description);
  const controls = h("div", { class: "controls" });
  const node = h("li", { class: "extra" },
    h("div", { class: "extra-text" },
      h("h3", { text: name }),
      described ? h("p", { class: "quiet", text: described }) : null),
    h("p", { class: "price", text: words.money(extra.unit_price) }),
    controls);

  const mine = () => cart.lines.filter((line) => line.extra_id === id);
  const freeDays = () => days.filter((day) => !mine().some((line) => line.day === day));

  function put(lines) {
    const others = cart.lines.filter((line) => line.extra_id !== id);
    cart.set([...others, ...lines.filter((line) => line.quantity > 0)]);
    changed();
    if (!controls.contains(document.activeElement) && document.activeElement === document.body) {
      controls.querySelector("button")?.focus({ preventScroll: true });
    }
  }

  const fresh = () => (extra.needs_day ? { extra_id: id, quantity: 1, day: freeDays()[0] } : { extra_id: id, quantity: 1 });
  const withLine = (at, change) => put(mine().map((line, place) => (place === at ? { ...line, ...change } : line)));

  function row(line, at, isFixed) {
    const what = line.day ? `${name}, ${words.day(line.day)}` : name;
    const step = (by, label, sign, isOff) => h("button", {
      type: "button", class: "step", id: `${id}-${by > 0 ? "more" : "less"}-${at}`, text: sign,
      "aria-label": words.say(label, { what }), disabled: isFixed || isOff,
      on: { click: () => withLine(at, { quantity: line.quantity + by }) },
    });
    return h("div", { class: "row" },
      extra.needs_day ? h("select", {
        id: `${id}-day-${at}`, "aria-label": words.say("day", { what: name }), disabled: isFixed,
        on: { change: (event) => withLine(at, { day: event.target.value }) },
      }, days.filter((day) => day === line.day || freeDays().includes(day)).map((day) => h("option", {
        value: day, selected: day === line.day, text: words.day(day, { weekday: "short", day: "numeric", month: "short" }),
      }))) : null,
      h("div", { class: "stepper", role: "group", "aria-label": words.say("quantity", { what }) },
        step(-1, "less", "−", false),
        h("output", { id: `${id}-count-${at}`, text: String(line.quantity) }),
        step(1, "more", "+", line.quantity >= extra.max_quantity)));
  }

  return {
    node,
    /** Show what the cart holds. */
    draw(isFixed) {
      const lines = mine();
      const canAdd = lines.length === 0 || (extra.needs_day && freeDays().length > 0);
      node.classList.toggle("chosen", lines.length > 0);
      refill(controls,
        lines.map((line, at) => row(line, at, isFixed)),
        canAdd ? h("button", {
          type: "button", id: `${id}-add`, class: lines.length ? "plain" : "add", disabled: isFixed,
          text: words.say(lines.length ? "add.day" : "add"),
          "aria-label": words.say(lines.length ? "add.day.of" : "add.of", { what: name }),
          on: { click: () => put([...mine(), fresh()]) },
        }) : null);
    },
  };
}
