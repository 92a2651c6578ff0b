// One extra: everything a guest sees of it and all its rules in one form, with a preview.

import { stateChip } from "./catalogue.js";
import { h } from "./dom.js";
import { Form } from "./form.js";
import { preview } from "./preview.js";
import { confirmed, Editing } from "./saving.js";
import { shifted } from "./sheet.js";

const STAY_DAYS = 6;
const BLANK = {
  name: {}, description: {}, picture: null, category: "", unit_price: null, price_per: "piece", vat_rate: null, max_quantity: 1, needs_day: true, needs_approval: false, daily_limit: null,
  slots: [], lead_hours: 0, weekdays: [], blackout_days: [], seasons: [], active: true, active_from: null, active_until: null,
};

const byDay = ({ needs_day: needsDay }) => needsDay;

const sections = (currencies, isNew) => [
  { title: "section.text", fields: [
    ...(isNew ? [{ at: "extra_id", kind: "text", name: "field.extra_id" }] : []),
    { at: "name", kind: "texts", name: "field.name" },
    { at: "description", kind: "texts", name: "field.description", long: true },
    { at: "picture", kind: "picture", name: "field.picture" },
    { at: "category", kind: "text", name: "field.category" },
  ] },
  { title: "section.price", fields: [
    { at: "unit_price", kind: "money", name: "field.price" },
    { at: "currency", kind: "choice", name: "field.currency", options: currencies },
    { at: "price_per", kind: "choice", name: "field.price_per", options: ["piece", "person", "night", "stay"] },
    { at: "vat_rate", kind: "percent", name: "field.vat" },
    { at: "seasons", kind: "list", name: "field.seasons", of: [
      { at: "first_day", kind: "date", name: "field.first_day" },
      { at: "last_day", kind: "date", name: "field.last_day" },
      { at: "unit_price", kind: "money", name: "field.price" }] },
  ] },
  { title: "section.limits", fields: [
    { at: "max_quantity", kind: "number", name: "field.max_quantity" },
    { at: "needs_day", kind: "check", name: "field.needs_day", redraws: true },
    { at: "needs_approval", kind: "check", name: "field.needs_approval" },
    { at: "daily_limit", kind: "number", name: "field.daily_limit", when: byDay },
    { at: "lead_hours", kind: "number", name: "field.lead_hours", empty: 0, when: byDay },
    { at: "slots", kind: "list", name: "field.slots", when: byDay, of: [
      { at: "at", kind: "time", name: "field.slot.at" },
      { at: "places", kind: "number", name: "field.slot.places" }] },
  ] },
  { title: "section.days", fields: [
    { at: "active", kind: "check", name: "field.active" },
    { at: "active_from", kind: "date", name: "field.active_from" },
    { at: "active_until", kind: "date", name: "field.active_until" },
    { at: "weekdays", kind: "days", name: "field.weekdays", when: byDay },
    { at: "blackout_days", kind: "list", name: "field.blackout_days", when: byDay, item: { kind: "date" } },
  ] },
];

/** The form has the currency apart, for all prices of an extra are in one; and the id of a new extra. */
const toForm = (definition, currency) => ({ ...definition, currency: definition.unit_price?.currency ?? currency });
function toWire(definition) {
  const sent = { ...definition };
  delete sent.currency;
  delete sent.extra_id;
  return sent;
}

export async function extra(desk, id, signal) {
  const { words, api, hotel } = desk;
  const isNew = id === "new";
  const load = async () => {
    const { extras } = await api.catalogue();
    return extras.find((each) => each.extra_id === id) ?? null;
  };
  const shown = isNew ? null : await load();
  const currencies = [...new Set([...(hotel.currencies ?? []), shown?.definition.unit_price.currency].filter(Boolean))];
  if (!currencies.length) currencies.push("EUR");
  const inForm = (extraNow) => extraNow && { ...extraNow, definition: toForm(extraNow.definition, currencies[0]) };
  const from = desk.today();
  const view = await preview(words.decimals, { from, to: shifted(from, STAY_DAYS) });
  if (signal.aborted) return;
  if (!isNew && !shown) {
    desk.mount(words.say("extra.unknown"), h("h1", { text: words.say("extra.unknown") }), h("p", {}, back(words)));
    return;
  }

  const isRetired = shown?.status === "retired";
  const form = new Form({ words, sections: sections(currencies, isNew), languages: hotel.languages?.length ? hotel.languages : words.languages, upload: (file) => api.uploadPicture(file), changed: () => { editing.edited(); draw(); } });
  const editing = new Editing(desk, {
    form, name: `catalogue.${id}`, current: isRetired ? null : inForm(shown), blank: isRetired ? inForm(shown).definition : toForm(BLANK, currencies[0]),
    reload: async () => inForm(await load()),
    save: (definition, version, reason) => (isNew || isRetired
      ? api.defineExtra({ extra_id: isNew ? definition.extra_id : id, definition: toWire(definition), reason })
      : api.changeExtra(id, { version, definition: toWire(definition), reason })),
    saved: ({ extra_id: saved }) => (isNew ? (location.hash = `/catalogue/${encodeURIComponent(saved)}`) : desk.show()),
  });

  function draw() {
    const { slots, ...offer } = toWire(form.read());
    view.draw({ ...offer, name: Object.keys(offer.name).length ? offer.name : { en: "…" }, unit_price: { ...offer.unit_price, amount: offer.unit_price.amount ?? 0 }, extra_id: id, time_zone: hotel.time_zone,
      max_quantity: Number.isInteger(offer.max_quantity) ? offer.max_quantity : 1, slots: slots.map(({ at }) => at).filter(Boolean).sort(),
      seasons: offer.seasons.filter(({ first_day: first, last_day: last, unit_price: price }) => first && last && price.amount !== null) });
  }

  async function retire() {
    try {
      const answer = await confirmed(desk, { title: words.say("ask.retire"), text: words.say("effect.retire"), action: "extra.retire", style: "danger", send: (reason) => api.retireExtra(id, { version: editing.version, reason }) });
      if (answer && !signal.aborted) desk.show();
    } catch (problem) {
      if (!signal.aborted) await editing.refused(problem);
    }
  }

  const title = isNew ? words.say("extra.new") : words.own(shown.definition.name);
  draw();
  desk.mount(title, h("p", {}, back(words)), h("h1", { text: title }),
    shown ? h("p", { class: "status" }, stateChip(shown, words, desk.today()), h("span", { class: "quiet small", text: shown.extra_id })) : null,
    editing.notice,
    h("section", { "aria-labelledby": "preview-title" }, h("h2", { id: "preview-title", text: words.say("preview") }), view.node),
    h("form", { class: "fields", id: "edit", novalidate: true, on: { submit: (event) => { event.preventDefault(); editing.submit(); } } },
      form.node,
      h("p", { class: "buttons actions" }, h("button", { class: "primary", id: "save", text: words.say(isRetired ? "extra.again" : "save") }),
        h("button", { type: "button", id: "undo", text: words.say("discard"), on: { click: () => editing.discard() } }),
        shown && !isRetired ? h("button", { type: "button", class: "danger", id: "retire", text: words.say("extra.retire"), on: { click: retire } }) : null)),
    shown ? versions(shown, words) : null);
}

export function versions({ versions: known, version }, words) {
  return h("section", { "aria-labelledby": "versions-title" }, h("h2", { id: "versions-title", text: words.say("versions", { version }) }),
    h("ol", { class: "history", reversed: true }, known.toReversed().map(({ version: number, at, by, reason, origin }) => h("li", {},
      h("span", { class: "quiet when", text: words.moment(at) }),
      h("span", { text: words.say(`version.${origin}`, { number, who: by }) + (reason ? ` „${reason}“` : "") })))));
}

const back = (words) => h("a", { href: "#/catalogue", id: "back", text: words.say("back.catalogue") });
