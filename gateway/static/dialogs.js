// What is said over the page, or to a screen reader.

import { h, s, showModal } from "./dom.js";

let live = null;

/** Tell a screen reader what changed elsewhere on the page. */
export function announce(text) {
  if (!live) {
    live = h("p", { class: "unseen", role: "status" });
    document.body.append(live);
  }
  live.textContent = "";
  requestAnimationFrame(() => { live.textContent = text; });
}

/** A question or a message over the page. Resolves with the value of the button pressed, or "" for Escape. */
export function ask(title, body, buttons, { kind = "" } = {}) {
  const dialog = h(
    "dialog", { class: `dialog ${kind}`, "aria-labelledby": "dialog-title", "aria-describedby": "dialog-body" },
    kind === "confirmed" ? s("svg", { viewBox: "0 0 48 48", class: "tick", "aria-hidden": "true" }, s("path", { d: "M13 25l8 8 15-18" })) : null,
    h("h2", { id: "dialog-title", text: title }),
    h("div", { id: "dialog-body" }, body),
    h("div", { class: "dialog-buttons" }, buttons.map(({ value, text, style, autofocus }) => h("button", {
      type: "button", class: style, autofocus, text, "data-value": value, on: { click: () => dialog.close(value) },
    }))),
  );
  return showModal(dialog);
}
