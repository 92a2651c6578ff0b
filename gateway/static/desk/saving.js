// Saving a definition: what changes is shown, asked once, safe to repeat; a change by another person meanwhile is shown in words.

import { h, showModal } from "./dom.js";
import { ofTab } from "./storage.js";

const listed = (differences, words) => h("ul", { class: "differences" }, differences.map(({ field, was, is }) => h("li", {},
  h("strong", { text: words.say(field.name) }), h("span", { text: words.say("from.to", { was, is }) }))));

/**
 * Ask for a reason, and `send` with it. Resolves with the answer; undefined when it was not done.
 * Throws what the server refuses for good; while it is not known whether it has arrived, the question stays open.
 */
export async function confirmed(desk, { title, text, differences = [], action, style = "primary", hasReason = true, send }) {
  const { words } = desk;
  const reason = hasReason ? h("input", { id: "reason", maxlength: 500, autocomplete: "off" }) : null;
  const trouble = h("p", { class: "trouble", role: "alert" });
  const submit = h("button", { class: style, id: "do", text: words.say(action) });
  let answer;
  let refused;

  async function go(event) {
    event.preventDefault();
    if (submit.disabled) return;
    submit.disabled = true;
    trouble.textContent = "";
    try {
      answer = await send(reason?.value.trim() ?? "");
      desk.say("done");
      dialog.close();
    } catch (problem) {
      submit.disabled = false;
      if (problem.isTemporary) {
        trouble.textContent = words.say("unsure");
        return;
      }
      refused = problem;
      dialog.close();
    }
  }

  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "dialog-title" },
    h("form", { class: "fields", on: { submit: go } },
      h("h2", { id: "dialog-title", text: title }),
      text ? h("p", { class: "effect", text }) : null,
      differences.length ? listed(differences, words) : null,
      reason ? h("p", {}, h("label", { for: "reason", text: words.say("reason.optional") }), reason) : null, trouble,
      h("div", { class: "dialog-buttons" }, submit, h("button", { type: "button", id: "dont", text: words.say("dont"), on: { click: () => dialog.close() } }))));
  await showModal(dialog);
  if (refused) throw refused;
  return answer;
}

/** What is typed and not saved, kept in the tab: a reload or the other language does not lose it. */
export class Draft {
  constructor(name) { this._name = `bellhop.desk.draft.${name}`; }

  get kept() {
    try {
      return JSON.parse(ofTab.get(this._name));
    } catch {
      return null;
    }
  }

  keep(value) { ofTab.set(this._name, JSON.stringify(value)); }

  drop() { ofTab.drop(this._name); }
}

/**
 * A definition that is edited: `current` is {version, definition, versions} or null for a new one; `reload` fetches it,
 * `save(definition, version, reason)` sends it. Shows notices in `notice`; calls `saved` with the answer.
 */
export class Editing {
  constructor(desk, { form, name, current, blank, reload, save, saved }) {
    Object.assign(this, { desk, form, current, reload, save, saved });
    this._base = current?.definition ?? blank;
    this._draft = new Draft(name);
    this.notice = h("div", { class: "notices" });
    const kept = this._draft.kept;
    form.fill(this._base);
    if (!kept) return;
    this._base = kept.base;
    this._version = kept.version;
    form.restore(kept.draft);
    this._tell("draft.kept", []);
  }

  get version() { return this._version ?? this.current?.version ?? null; }

  get changes() { return this.form.differences(this._base, this.form.read()); }

  /** Call it after each edit. */
  edited() { this._draft.keep({ base: this._base, version: this.version, draft: this.form.draft }); }

  discard() {
    this._draft.drop();
    this.desk.show();
  }

  async submit() {
    const { words } = this.desk;
    const differences = this.changes;
    if (this.current && !differences.length) return this._tell("nothing.changed", []);
    try {
      const definition = this.form.read();
      const answer = await confirmed(this.desk, {
        title: words.say(this.current ? "ask.save" : "ask.define"), differences: this.current ? differences : [], action: "save",
        send: (reason) => this.save(definition, this.version, reason),
      });
      if (!answer) return undefined;
      this._draft.drop();
      return this.saved(answer);
    } catch (problem) {
      return this.refused(problem);
    }
  }

  async refused(problem) {
    if (problem.errors.length) return this.form.mark(problem.errors.map(({ pointer, detail }) => ({ pointer: pointer.replace(/^\/body(\/definition)?/, ""), detail })));
    if (problem.name !== "version-outdated") return this._tell(null, [], problem.message);
    const fresh = await this.reload();
    const theirs = this.form.differences(this._base, fresh.definition);
    const both = this.form.rebase(this._base, fresh.definition);
    this._base = fresh.definition;
    this._version = fresh.version;
    this.current = fresh;
    this.edited();
    const { by, at, reason } = fresh.versions.at(-1);
    return this._tell("outdated", theirs, null, { who: by, when: this.desk.words.moment(at), reason: reason && `„${reason}“` }, both);
  }

  _tell(name, differences, text, values, both = []) {
    const { words } = this.desk;
    this.notice.replaceChildren(h("section", { class: "alarm card", role: "alert", tabindex: "-1", id: "notice" },
      h("p", { text: text ?? words.say(name, values) }),
      differences.length ? listed(differences, words) : null,
      both.length ? h("p", { text: words.say("outdated.both", { what: both.map((field) => words.say(field.name)).join(", ") }) }) : null,
      name === "draft.kept" || name === "outdated" ? h("p", {}, h("button", { type: "button", id: "discard", text: words.say("discard"), on: { click: () => this.discard() } })) : null));
    this.notice.firstChild.focus();
  }
}
