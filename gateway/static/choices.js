// One extra on offer: how many of it, on which day of the stay and at which time. It may be chosen several times.

import { h, refill } from "./dom.js";
import { choicesOf, isSame, priceOn } from "./offers.js";

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

const SHORT = 240;

/** Its box has its size before it is loaded, and keeps it, with the text, if it cannot be. */
function picture({ picture_id: id, alt }, words) {
  const at = (size) => `/v1/pictures/${id}/${size}`;
  return h("img", {
    class: "picture", src: at(480), srcset: `${at(480)} 480w, ${at(1280)} 1280w`, sizes: "(min-width: 56rem) 15rem, 92vw",
    alt: words.own(alt), loading: "lazy", decoding: "async", width: 480, height: 320,
  });
}

/** A description; of a long one its beginning, and the rest on demand. */
function description(text, words) {
  if (text.length <= SHORT * 1.25) return text ? [h("p", { class: "quiet description", text })] : [];
  const ends = ["\n\n", ". ", " "].map((end) => text.lastIndexOf(end, SHORT)).find((end) => end > SHORT / 3) ?? SHORT;
  const cut = ends + 1;
  return [
    h("p", { class: "quiet description", text: text.slice(0, cut).trim() }),
    h("details", {},
      h("summary", { text: words.say("description.more") }),
      h("p", { class: "quiet description", text: text.slice(cut).trim() })),
  ];
}

export function choices({ extra, days, session, cart, words, changed }) {
  const id = extra.extra_id;
  const name = words.own(extra.name);
  const possible = choicesOf(extra, days);
  const controls = h("div", { class: "controls" });
  const unit = `per.${extra.price_per ?? "piece"}`;
  const node = h("li", { class: extra.picture ? "extra pictured" : "extra" },
    extra.picture ? picture(extra.picture, words) : null,
    h("div", { class: "extra-text" }, h("h3", { text: name }), description(words.own(extra.description), words),
      extra.needs_approval ? h("p", { class: "quiet approval", text: words.say("approval.offer") }) : null),
    h("p", { class: "price" },
      words.money(priceOn(extra, session, possible[0]?.day)),
      words.has(unit) ? h("span", { class: "quiet", text: ` ${words.say(unit)}` }) : null,
      Number.isInteger(extra.vat_rate)
        ? h("span", { class: "vat quiet", text: words.say("vat", { rate: words.percent(extra.vat_rate) }) }) : null),
    controls);

  const mine = () => cart.lines.filter((line) => line.extra_id === id);
  const free = () => possible.filter((choice) => !mine().some((line) => isSame(line, choice)));

  function put(lines) {
    const others = cart.lines.filter((line) => line.extra_id !== id);
    cart.set([...others, ...lines.filter((line) => line.quantity > 0)]);
    changed();
    if (!controls.contains(document.activeElement) && document.activeElement === document.body) {
      controls.querySelector("button")?.focus({ preventScroll: true });
    }
  }

  const fresh = () => ({ extra_id: id, quantity: 1, ...free()[0] });
  const withLine = (at, change) => put(mine().map((line, place) => (place === at ? { ...line, ...change } : line)));

  /** Another day, at the same time if it is free. */
  function onDay(line, day) {
    const left = free().filter((choice) => choice.day === day);
    return left.find((choice) => choice.slot === line.slot) ?? left[0] ?? {};
  }

  function select(kind, at, label, isFixed, values, chosen, text, change) {
    return h("select", {
      id: `${id}-${kind}-${at}`, "aria-label": label, disabled: isFixed,
      on: { change: (event) => withLine(at, change(event.target.value)) },
    }, [...new Set(values)].map((value) => h("option", { value, selected: value === chosen, text: text(value) })));
  }

  function row(line, at, isFixed) {
    const when = [line.day ? words.day(line.day) : null, line.slot].filter(Boolean);
    const what = [name, ...when].join(", ");
    const open = possible.filter((choice) => isSame(choice, line) || free().some((left) => isSame(left, choice)));
    const step = (by, label, sign, isOff) => h("button", {
      type: "button", class: "step", id: `${id}-${by > 0 ? "more" : "less"}-${at}`, text: sign,
      "aria-label": words.say(label, { what }), disabled: isFixed || isOff,
      on: { click: () => withLine(at, { quantity: line.quantity + by }) },
    });
    return h("div", { class: "row" },
      extra.needs_day ? select("day", at, words.say("day", { what: name }), isFixed, open.map(({ day }) => day), line.day,
        (day) => words.day(day, { weekday: "short", day: "numeric", month: "short" }), (day) => onDay(line, day)) : null,
      line.slot ? select("slot", at, words.say("slot", { what: name }), isFixed,
        open.filter(({ day }) => day === line.day).map(({ slot }) => slot), line.slot,
        (slot) => words.time(slot), (slot) => ({ slot })) : null,
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
      const canAdd = possible.length > 0 && (lines.length === 0 || (extra.needs_day && free().length > 0));
      node.classList.toggle("chosen", lines.length > 0);
      refill(controls,
        lines.map((line, at) => row(line, at, isFixed)),
        possible.length ? null : h("p", { class: "quiet", text: words.say("not.in.stay") }),
        canAdd ? h("button", {
          type: "button", id: `${id}-add`, class: lines.length ? "plain" : "add", disabled: isFixed,
          text: words.say(lines.length ? "add.day" : "add"),
          "aria-label": words.say(lines.length ? "add.day.of" : "add.of", { what: name }),
          on: { click: () => put([...mine(), fresh()]) },
        }) : null);
    },
  };
}
