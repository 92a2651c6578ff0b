// A form over a definition: its fields are listed, mistakes stand at their places, and changes are put into words.

import { h, refill } from "./dom.js";
import { KINDS, WEEKDAYS } from "./kinds.js";
import { dropZone, PICTURE } from "./picture.js";

const idOf = (pointer) => `f${pointer.replaceAll("/", "-")}`;
const escaped = (part) => part.replaceAll("~", "~0").replaceAll("/", "~1");
/** What a language is called in itself; of no tag, the text itself. */
function languageName(words, tag) {
  try {
    return words.nameOf(tag);
  } catch {
    return tag;
  }
}

const get = (object, path) => path.split("/").reduce((at, part) => at?.[part], object);

function put(object, path, value) {
  const parts = path.split("/");
  const last = parts.pop();
  parts.reduce((at, part) => (at[part] ??= {}), object)[last] = value;
}

/**
 * `sections` are [{title, fields: [{at, kind, name, …}]}]: `at` is the place in the definition, `name` of the label.
 * Further kinds: `texts`, one text per language; `list` of rows with the fields `of`, or of one nameless field `item`.
 */
export class Form {
  constructor({ words, sections, languages, changed, upload }) {
    this.words = words;
    this._sections = sections;
    this._languages = languages;
    this._changed = changed;
    this._upload = upload;
    this._shown = new Map();
    this._mistakes = new Map();
    this.node = h("div", { class: "form" });
  }

  get fields() { return this._sections.flatMap(({ fields }) => fields); }

  /** Show a definition. */
  fill(definition) {
    // What the form does not know, of a later version, say, stays as it is.
    const known = new Set(this.fields.map(({ at }) => at.split("/")[0]));
    this._others = Object.fromEntries(Object.entries(definition).filter(([name]) => !known.has(name)));
    this.restore(Object.fromEntries(this.fields.map((field) => [field.at, this._draft(field, get(definition, field.at))])));
  }

  /** What is typed, to be kept; `restore` shows it again. */
  get draft() { return this._typed; }

  restore(draft) {
    this._typed = { ...this._typed, ...draft };
    this._mistakes.clear();
    this.draw();
  }

  /** The definition of what is typed. */
  read() {
    const definition = structuredClone(this._others);
    // What is not asked for now is empty, whatever was typed there before.
    for (const field of this.fields) put(definition, field.at, this._value(field, this._isAsked(field) ? this._typed[field.at] : this._draft(field)));
    return definition;
  }

  _isAsked(field) { return !field.when || field.when(this._typed); }

  _draft(field, value) {
    if (field.kind === "picture") return PICTURE.draft(value, this._languages);
    if (field.kind === "texts") return Object.fromEntries([...new Set([...this._languages, ...Object.keys(value ?? {})])].map((tag) => [tag, value?.[tag] ?? ""]));
    if (field.kind === "list") return (value ?? []).map((row) => (field.item ? this._draft(field.item, row) : Object.fromEntries(field.of.map((part) => [part.at, this._draft(part, row[part.at])]))));
    return KINDS[field.kind].draft(value, field, this.words);
  }

  _value(field, draft) {
    if (field.kind === "picture") return PICTURE.value(draft);
    if (field.kind === "texts") return Object.fromEntries(Object.entries(draft).map(([tag, text]) => [tag, text.trim()]).filter(([, text]) => text));
    if (field.kind === "list") return draft.map((row) => (field.item ? this._value(field.item, row) : Object.fromEntries(field.of.map((part) => [part.at, this._value(part, row[part.at])]))));
    return KINDS[field.kind].value(draft, field, this.words, this._typed.currency);
  }

  /** A value in words. */
  text(field, value) {
    if (field.kind === "picture") return PICTURE.text(value);
    if (field.kind === "texts") return Object.entries(value ?? {}).map(([tag, text]) => `${tag}: ${text}`).join("; ") || "–";
    if (field.kind === "list") return (value ?? []).map((row) => (field.item ? this.text(field.item, row) : field.of.map((part) => this.text(part, row[part.at])).join(" · "))).join("; ") || "–";
    return KINDS[field.kind].text(value, field, this.words);
  }

  /** In what two definitions differ: [{field, was, is}], in words. */
  differences(before, after) {
    return this.fields
      .map((field) => ({ field, was: this.text(field, get(before, field.at)), is: this.text(field, get(after, field.at)) }))
      .filter(({ was, is }) => was !== is);
  }

  /** What is typed stays where it was changed since `base`; the rest becomes as it is in `current`. Returns what both changed. */
  rebase(base, current) {
    const mine = this.differences(base, this.read()).map(({ field }) => field);
    const typedByMe = Object.fromEntries(mine.map(({ at }) => [at, this._typed[at]]));
    const theirs = new Set(this.differences(base, current).map(({ field }) => field.at));
    this.fill(current);
    this.restore({ ...this._typed, ...typedByMe });
    this._changed();
    return mine.filter(({ at }) => theirs.has(at));
  }

  /** Show the server's mistakes, each at its field: [{pointer, detail}], `pointer` into the definition. Moves the focus to their list. */
  mark(mistakes) {
    this._mistakes.clear();
    for (const { pointer, detail } of mistakes) {
      let at = pointer;
      while (at && !this._shown.has(at)) at = at.slice(0, at.lastIndexOf("/"));
      const said = this._said(pointer, detail);
      const there = this._mistakes.get(at) ?? [];
      if (!there.includes(said)) this._mistakes.set(at, [...there, said]);
    }
    this.draw();
    this.node.querySelector(".mistakes")?.focus();
  }

  /** A mistake in the reader's language; where there is no sentence for its place, the server's. */
  _said(pointer, detail) {
    const [, top, ...rest] = pointer.split("/");
    const form = rest.map((part, at) => (/^\d+$/.test(part) || top === "name" || top === "description" || rest[at - 1] === "alt" ? "*" : part));
    const named = [["mistake", top, ...form].join("."), `mistake.${top}`].find((name) => this.words.has(name));
    return named ? this.words.say(named, { detail }) : detail;
  }

  draw() {
    this._shown.clear();
    refill(this.node, this._summary(), ...this._sections.map((section) => h("fieldset", {},
      h("legend", { text: this.words.say(section.title) }),
      h("div", { class: "grid" }, section.fields.filter((field) => this._isAsked(field)).map((field) => this._field(field))))));
    // A field that is not shown now has its mistakes in the list alone.
  }

  _summary() {
    const all = [...this._mistakes];
    if (!all.length) return null;
    const { words } = this;
    const count = all.reduce((sum, [, said]) => sum + said.length, 0);
    return h("section", { class: "mistakes alarm", role: "alert", tabindex: "-1" }, h("h2", { text: words.say("mistakes", { count }) }),
      h("ul", {}, all.map(([pointer, said]) => said.map((text) => h("li", { "data-at": pointer }, h("button", {
        type: "button", class: "plain", text, on: { click: () => this._shown.get(pointer)?.focus() },
      }))))));
  }

  _field(field) {
    const pointer = `/${field.at}`;
    const { words } = this;
    const label = words.say(field.name);
    const set = (value) => { this._typed[field.at] = value; this._edited(field); };
    if (field.kind === "texts") {
      const draft = this._typed[field.at];
      return this._group(pointer, label, Object.keys(draft).map((tag) => this._control(`${pointer}/${escaped(tag)}`, languageName(words, tag), { ...field, kind: field.long ? "lines" : "text" }, draft[tag],
        (text) => { draft[tag] = text; this._edited(field); }, `${label}, ${languageName(words, tag)}`)));
    }
    if (field.kind === "list") return this._list(field, pointer, label);
    if (field.kind === "picture") return this._picture(field, pointer, label);
    if (field.kind === "days") {
      const chosen = this._typed[field.at];
      return this._group(pointer, label, [h("div", { class: "checks" }, WEEKDAYS.map((day) => h("label", {}, h("input", {
        type: "checkbox", id: `${idOf(pointer)}-${day}`, checked: chosen.includes(day),
        on: { change: ({ target }) => set(target.checked ? [...this._typed[field.at], day] : this._typed[field.at].filter((each) => each !== day)) },
      }), words.say(`weekday.${day}`)))), h("p", { class: "quiet small", text: words.say(`${field.name}.hint`) })]);
    }
    return this._control(pointer, label, field, this._typed[field.at], set);
  }

  _picture(field, pointer, label) {
    const { words } = this;
    const draft = this._typed[field.at];
    const changed = (id) => {
      // Not the draft of when the upload began: the form may have been drawn again since.
      this._typed[field.at].picture_id = id;
      this.draw();
      this._edited(field);
    };
    const alt = draft.picture_id ? Object.keys(draft.alt).map((tag) => this._control(`${pointer}/alt/${escaped(tag)}`, `${words.say("field.alt")} (${languageName(words, tag)})`, { kind: "text", name: "field.alt" }, draft.alt[tag],
      (text) => { draft.alt[tag] = text; this._edited(field); })) : [];
    const group = this._group(pointer, label, [dropZone({ id: `${idOf(pointer)}-file`, draft, words, upload: this._upload, changed }), ...alt, this._trouble(`${pointer}/alt`)]);
    this._shown.set(`${pointer}/alt`, group);
    return group;
  }

  _list(field, pointer, label) {
    const { words } = this;
    const rows = this._typed[field.at];
    const change = (after) => {
      this._typed[field.at] = after;
      // Places have moved: what was said about them is no longer at the right one.
      for (const known of [...this._mistakes.keys()]) if (known.startsWith(pointer)) this._mistakes.delete(known);
      this.draw();
      this._edited(field);
    };
    const fresh = () => (field.item ? this._draft(field.item) : Object.fromEntries(field.of.map((part) => [part.at, this._draft(part)])));
    const add = () => {
      change([...rows, fresh()]);
      document.getElementById(idOf(field.item ? `${pointer}/${rows.length}` : `${pointer}/${rows.length}/${field.of[0].at}`))?.focus();
    };
    return this._group(pointer, label, [
      h("ol", { class: "list" }, rows.map((row, number) => {
        const place = `${pointer}/${number}`;
        const named = `${label} ${number + 1}`;
        const remove = h("button", { type: "button", id: `${idOf(place)}-remove`, class: "plain", text: words.say("remove"), "aria-label": words.say("remove.of", { what: named }), on: { click: () => change(rows.filter((_, other) => other !== number)) } });
        const parts = field.item
          ? [this._control(place, named, field.item, row, (value) => { rows[number] = value; this._edited(field); })]
          : field.of.map((part) => this._control(`${place}/${part.at}`, words.say(part.name), part, row[part.at], (value) => { row[part.at] = value; this._edited(field); }, `${named}, ${words.say(part.name)}`));
        if (field.item) return h("li", {}, parts, remove);
        const group = h("div", { role: "group", class: "rowed", "aria-label": named, tabindex: "-1", id: idOf(place) }, parts, remove, this._trouble(place));
        this._shown.set(place, group);
        return h("li", {}, group);
      })),
      h("p", {}, h("button", { type: "button", id: `${idOf(pointer)}-add`, text: words.say(`${field.name}.add`), on: { click: add } })),
    ]);
  }

  _group(pointer, label, children) {
    const group = h("div", { role: "group", class: "group", "aria-label": label, id: idOf(pointer), tabindex: "-1" }, h("p", { class: "label", text: label }), children, this._trouble(pointer));
    this._shown.set(pointer, group);
    return group;
  }

  _control(pointer, label, field, draft, set, spoken) {
    const id = idOf(pointer);
    const trouble = this._trouble(pointer);
    const edited = (value) => {
      this._corrected(pointer, input, trouble);
      set(value);
    };
    const input = KINDS[field.kind].input(id, draft, edited, field, this);
    if (spoken) input.setAttribute("aria-label", spoken);
    const isWrong = this._mistakes.has(pointer);
    const hint = this.words.has(`${field.name}.hint`) ? h("span", { class: "quiet small", id: `${id}-hint`, text: this.words.say(`${field.name}.hint`) }) : null;
    if (isWrong) input.setAttribute("aria-invalid", "true");
    if (isWrong || hint) input.setAttribute("aria-describedby", [isWrong && `${id}-wrong`, hint && `${id}-hint`].filter(Boolean).join(" "));
    this._shown.set(pointer, input);
    return h("div", { class: field.kind === "check" ? "field check" : "field" }, h("label", { for: id, text: label }), input, hint, trouble);
  }

  /** What was said about a field is out of date once it is edited; the server says it again if need be. */
  _corrected(pointer, input, trouble) {
    if (!this._mistakes.delete(pointer)) return;
    input.removeAttribute("aria-invalid");
    trouble.remove();
    this.node.querySelectorAll(".mistakes li").forEach((item) => { if (item.dataset.at === pointer) item.remove(); });
  }

  _trouble(pointer) {
    const said = this._mistakes.get(pointer);
    return said ? h("p", { class: "trouble small", id: `${idOf(pointer)}-wrong`, text: said.join(" ") }) : null;
  }

  _edited(field) {
    if (field.redraws) this.draw();
    this._changed();
  }
}
