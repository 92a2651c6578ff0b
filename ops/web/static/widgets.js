// Tables, forms and the question for a reason.

import { h, showModal } from "./dom.js";

/** A table: `columns` are headings, with `#` before those of numbers, `~` before those that are hidden visually; each row is a list of cells, or {class, cells}. */
export function table(caption, columns, rows, empty = "Nothing.") {
  if (!rows.length) return h("p", { class: "quiet", text: empty });
  const numeric = columns.map((column) => column.startsWith("#"));
  return h("div", { class: "scroll" }, h("table", {},
    h("caption", { class: "unseen", text: caption }),
    h("thead", {}, h("tr", {}, columns.map((column, i) => h("th", {
      scope: "col", class: numeric[i] ? "number" : null,
    }, h("span", { class: column.startsWith("~") ? "unseen" : null, text: column.replace(/^[#~]/, "") }))))),
    h("tbody", {}, rows.map((row) => h("tr", { class: row.class, id: row.id }, (row.cells ?? row).map((cell, i) => h("td", {
      class: numeric[i] ? "number" : null,
    }, cell ?? ""))))),
  ));
}

export function field(label, props) {
  const { options, ...rest } = props;
  const input = options
    ? h("select", rest, options.map((value) => h("option", { value, text: value || "any" })))
    : h(props.rows ? "textarea" : "input", { autocomplete: "off", spellcheck: "false", ...rest });
  return h("label", { class: `field ${props.rows ? "wide" : ""}` }, h("span", { text: label }), input);
}

/** What a form says, by the names of its fields; empty ones are left out. */
export const said = (form) => Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));

export function onSubmit(form, work) {
  form.addEventListener("submit", (event) => { event.preventDefault(); work(said(form)); });
  return form;
}

/** Ask for the reason of an action. Resolves with the reason, or null for Escape and Cancel. */
export async function askWhy(title, doing) {
  const dialog = h("dialog", { "aria-labelledby": "ask-title" });
  dialog.append(onSubmit(h("form", {},
    h("h2", { id: "ask-title", text: title }),
    field("Why? It goes into the audit log", { name: "why", id: "ask-why", required: true, maxlength: 1000, autofocus: true }),
    h("div", { class: "buttons" },
      h("button", { type: "button", text: "Cancel", on: { click: () => dialog.close() } }),
      h("button", { class: "main", id: "ask-do", text: doing })),
  ), ({ why }) => dialog.close(why)));
  return (await showModal(dialog)) || null;
}
