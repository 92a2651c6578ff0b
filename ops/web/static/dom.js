// Building what is seen, without markup in strings.

const SVG = "http://www.w3.org/2000/svg";

/** An element. `on` holds listeners, `text` its text; null, undefined and false leave an attribute out. */
export function h(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

export function s(tag, props = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") Object.entries(value).forEach(([event, listener]) => node.addEventListener(event, listener));
    else if (name === "text") node.textContent = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";

const waiting = new WeakMap();

/**
 * Put other children into a node; what has the focus keeps it, found again by its id, or else by its place.
 * Not while something in it is pressed: a button that is replaced between press and release gets no click.
 */
export function refill(node, ...children) {
  waiting.set(node, children);
  if (node.querySelector(":is(a, button, summary):active")) {
    requestAnimationFrame(() => { if (waiting.get(node) === children) refill(node, ...children); });
    return;
  }
  waiting.delete(node);
  const focused = node.contains(document.activeElement) ? document.activeElement : null;
  const place = [...node.querySelectorAll(FOCUSABLE)].indexOf(focused);
  node.replaceChildren(...children.flat().filter(Boolean));
  if (focused) (byId(focused.id) ?? node.querySelectorAll(FOCUSABLE)[place])?.focus({ preventScroll: true });
}

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

/** Ask why something is to be done. Resolves with the reason, or null for Escape and Cancel. */
export function askWhy(title, doing) {
  return new Promise((resolve) => {
    let why = null;
    const dialog = h("dialog", { "aria-labelledby": "ask-title" });
    dialog.append(onSubmit(h("form", {},
      h("h2", { id: "ask-title", text: title }),
      field("Why? It goes into the audit log", { name: "why", id: "ask-why", required: true, maxlength: 1000, autofocus: true }),
      h("div", { class: "buttons" },
        h("button", { type: "button", text: "Cancel", on: { click: () => dialog.close() } }),
        h("button", { class: "main", id: "ask-do", text: doing })),
    ), (form) => { why = form.why; dialog.close(); }));
    dialog.addEventListener("close", () => { dialog.remove(); resolve(why); });
    document.body.append(dialog);
    dialog.showModal();
  });
}
