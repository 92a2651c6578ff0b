// The property: its names, clock, prices, terms and colours, as its owner writes them.

import { stateOf } from "./catalogue.js";
import { h } from "./dom.js";
import { versions } from "./extra.js";
import { Form } from "./form.js";
import { previewOfProperty } from "./preview.js";
import { Editing } from "./saving.js";
import { shifted } from "./sheet.js";

const SECTIONS = [
  { title: "section.hotel", fields: [
    { at: "name", kind: "texts", name: "field.name" },
    { at: "languages", kind: "codes", name: "field.languages" },
    { at: "time_zone", kind: "text", name: "field.time_zone", props: { list: "zones" } },
    { at: "currencies", kind: "codes", name: "field.currencies" },
  ] },
  { title: "section.contact", fields: [
    { at: "address", kind: "lines", name: "field.address" },
    { at: "vat_id", kind: "text", name: "field.vat_id" },
    { at: "contact_email", kind: "text", name: "field.contact_email", props: { type: "email" } },
    { at: "contact_phone", kind: "text", name: "field.contact_phone", props: { type: "tel" } },
  ] },
  { title: "section.terms", fields: [
    { at: "cancel_until", kind: "duration", unit: "hours", name: "field.cancel_until" },
    { at: "pay_within", kind: "duration", unit: "minutes", name: "field.pay_within" },
    { at: "psp_account", kind: "text", name: "field.psp_account", empty: "default" },
  ] },
  { title: "section.theme", fields: [
    { at: "theme/accent", kind: "text", name: "field.accent", empty: null },
    { at: "theme/background", kind: "text", name: "field.background", empty: null },
  ] },
];
const STAY_DAYS = 6;
const BLANK = { name: {}, time_zone: "UTC", currencies: [], languages: [], psp_account: "default", theme: {} };

/** The first extra on offer, as a guest's browser gets it, or null. */
function shownToGuests(extras, today) {
  const first = extras.find((each) => stateOf(each, today)[2] === "good");
  return first ? { ...first.definition, extra_id: first.extra_id, slots: first.definition.slots.map(({ at }) => at) } : null;
}

export async function property(desk, signal) {
  const { words, api } = desk;
  const shown = await api.property().catch((problem) => {
    if (problem.name === "property-not-found") return null;
    throw problem;
  });
  const { extras } = await api.catalogue();
  const from = desk.today();
  const view = await previewOfProperty(words.decimals, { from, to: shifted(from, STAY_DAYS) }, shownToGuests(extras, from));
  if (signal.aborted) return;
  const hours = h("p", { class: "quiet small", role: "status" });
  const form = new Form({ words, sections: SECTIONS, languages: shown?.definition.languages?.length ? shown.definition.languages : words.languages, changed: () => { speak(); editing.edited(); tellTime(); draw(); } });
  const editing = new Editing(desk, {
    form, name: "property", current: shown, blank: BLANK, reload: () => api.property(),
    save: (definition, version, reason) => api.changeProperty({ ...(version !== null && { version }), definition, reason }),
    saved: (answer) => { desk.at(answer); return desk.show(); },
  });

  /** Every language has a place for its name. */
  function speak() {
    const { languages, name } = form.draft;
    const fresh = languages.split(/[\s,;]+/).filter((tag) => /^[a-z]{2,3}(-\w+)*$/.test(tag) && !(tag in name));
    for (const tag of fresh) name[tag] = "";
    if (fresh.length) form.draw();
  }

  function tellTime() {
    try {
      const time = new Intl.DateTimeFormat(words.locale, { dateStyle: "full", timeStyle: "short", timeZone: form.draft.time_zone }).format();
      hours.textContent = words.say("time.there", { time });
    } catch {
      hours.textContent = "";
    }
  }

  function draw() {
    try {
      view.draw(form.read());
    } catch (mistake) {
      if (!(mistake instanceof RangeError)) throw mistake; // a time zone that is half typed: the last one stays
    }
  }

  tellTime();
  draw();
  desk.mount(words.say("tab.property"), h("h1", { text: words.say("tab.property") }), editing.notice, hours,
    h("section", { "aria-labelledby": "preview-title" }, h("h2", { id: "preview-title", text: words.say("preview") }), view.node),
    h("datalist", { id: "zones" }, (Intl.supportedValuesOf?.("timeZone") ?? []).map((value) => h("option", { value }))),
    h("form", { class: "fields", id: "edit", novalidate: true, on: { submit: (event) => { event.preventDefault(); editing.submit(); } } }, form.node,
      h("p", { class: "buttons actions" }, h("button", { class: "primary", id: "save", text: words.say("save") }),
        h("button", { type: "button", id: "undo", text: words.say("discard"), on: { click: () => editing.discard() } }))),
    shown ? versions(shown, words) : null);
}
