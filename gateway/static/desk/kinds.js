// The kinds of fields in a definition: how each is shown, typed, read back, and put into words.

import { h } from "./dom.js";

export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES = { minutes: 1, hours: 60 };

const typed = (id, value, set, props = {}) => h("input", { id, value, autocomplete: "off", ...props, on: { input: ({ target }) => set(target.value) } });

const whole = (text) => (/^\d{1,12}$/.test(text) ? Number(text) : text);

/** The minutes of an ISO 8601 duration as the gateway writes it, or null. */
function minutesOf(text) {
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(text ?? "") ?? [null, ...Array(4).fill(NaN)];
  const sum = Number(days) * 1440 + Number(hours) * 60 + Number(minutes) + Number(seconds) / 60;
  return Number.isNaN(sum) ? null : sum;
}

/** A number with a point or a comma, times `scale`; the text itself if it is none, for the server to refuse. */
function scaled(text, scale) {
  const said = text.trim().replace(",", ".");
  const value = Number((Number(said) * scale).toFixed(6));
  return /^\d{1,9}(\.\d+)?$/.test(said) ? value : said;
}

/**
 * By kind: `draft(value, field)` is what is typed for a value; `value(draft, field)` the value of what was typed;
 * `input(id, draft, set, field, form)` the element; `text(value, field, words)` the value for a reader.
 */
export const KINDS = {
  text: {
    draft: (value) => value ?? "",
    value: (draft, { empty = "" }) => draft.trim() || empty,
    input: (id, draft, set, { props }) => typed(id, draft, set, { maxlength: 500, ...props }),
    text: (value) => value || "–",
  },
  lines: {
    draft: (value) => value ?? "",
    value: (draft) => draft.trim(),
    input: (id, draft, set, { rows = 3 }) => h("textarea", { id, rows, maxlength: 4000, text: draft, on: { input: ({ target }) => set(target.value) } }),
    text: (value) => value || "–",
  },
  number: {
    draft: (value) => (value ?? "").toString(),
    value: (draft, { empty = null }) => (draft.trim() === "" ? empty : whole(draft.trim())),
    input: (id, draft, set) => typed(id, draft, set, { inputmode: "numeric", class: "short" }),
    text: (value) => (value ?? "–").toString(),
  },
  percent: {
    draft: (value) => (value === null || value === undefined ? "" : (value / 100).toString()),
    value: (draft) => (draft.trim() === "" ? null : scaled(draft, 100)),
    input: (id, draft, set) => typed(id, draft, set, { inputmode: "decimal", class: "short" }),
    text: (value) => (value === null || value === undefined ? "–" : `${value / 100} %`),
  },
  duration: {
    draft: (value, { unit }) => { const known = minutesOf(value); return known === null ? "" : (known / MINUTES[unit]).toString(); },
    // In seconds, which the gateway reads, too.
    value: (draft, { unit }) => (draft.trim() === "" ? null : scaled(draft, MINUTES[unit] * 60)),
    input: (id, draft, set) => typed(id, draft, set, { inputmode: "decimal", class: "short" }),
    text: (value, { unit }) => {
      const minutes = typeof value === "number" ? value / 60 : minutesOf(value);
      return minutes === null ? "–" : (minutes / MINUTES[unit]).toString();
    },
  },
  money: {
    draft: (value, field, words) => (value ? words.plain(value) : ""),
    // What is no amount is none: the server says so at its place.
    value: (draft, field, words, currency) => words.parsed(draft, currency) ?? { amount: null, currency },
    input: (id, draft, set) => typed(id, draft, set, { inputmode: "decimal", class: "short" }),
    text: (value, field, words) => (Number.isInteger(value?.amount) ? words.money(value) : "–"),
  },
  choice: {
    draft: (value, { options }) => value ?? options[0],
    value: (draft) => draft,
    input: (id, draft, set, { options, name }, { words }) => h("select", { id, on: { change: ({ target }) => set(target.value) } },
      options.map((value) => h("option", { value, selected: value === draft, text: words.has(`${name}.${value}`) ? words.say(`${name}.${value}`) : value }))),
    text: (value, { name }, words) => (words.has(`${name}.${value}`) ? words.say(`${name}.${value}`) : value),
  },
  check: {
    draft: (value) => Boolean(value),
    value: (draft) => draft,
    input: (id, draft, set) => h("input", { id, type: "checkbox", checked: draft, on: { change: ({ target }) => set(target.checked) } }),
    text: (value, field, words) => words.say(value ? "yes" : "no"),
  },
  date: {
    draft: (value) => value ?? "",
    value: (draft) => draft || null,
    input: (id, draft, set) => typed(id, draft, set, { type: "date", class: "short" }),
    text: (value, field, words) => (value ? words.day(value, { dateStyle: "medium" }) : "–"),
  },
  time: {
    draft: (value) => value ?? "",
    value: (draft) => draft,
    input: (id, draft, set) => typed(id, draft, set, { type: "time", class: "short" }),
    text: (value) => value || "–",
  },
  codes: {
    draft: (value) => (value ?? []).join(", "),
    value: (draft) => draft.split(/[\s,;]+/).filter(Boolean),
    input: (id, draft, set) => h("input", { id, value: draft, autocomplete: "off", spellcheck: "false", on: { change: ({ target }) => set(target.value) } }),
    text: (value) => (value ?? []).join(", ") || "–",
  },
  days: {
    draft: (value) => [...(value ?? [])],
    value: (draft) => WEEKDAYS.filter((day) => draft.includes(day)),
    text: (value, field, words) => (value ?? []).map((day) => words.say(`weekday.${day}`)).join(", ") || words.say("every.day"),
  },
};
