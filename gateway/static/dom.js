// Building what is seen, without markup in strings.

/** An element. `on` holds listeners, `text` its text; null, undefined and false leave an attribute out. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") Object.entries(value).forEach(([event, listener]) => node.addEventListener(event, listener));
    else if (name === "text") node.textContent = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

/** Change what is in a node; what has the focus keeps it, found again by its id. */
function keepingFocus(node, change) {
  const focused = node.contains(document.activeElement) ? document.activeElement.id : "";
  change();
  if (focused) byId(focused)?.focus({ preventScroll: true });
}

/** Put other children into a node. */
export function refill(node, ...children) {
  keepingFocus(node, () => node.replaceChildren(...children.flat().filter(Boolean)));
}

/** Put another node in a node's place. */
export function swap(node, other) {
  keepingFocus(node, () => node.replaceWith(other));
}

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
  return new Promise((resolve) => {
    const dialog = h(
      "dialog", { class: `dialog ${kind}`, "aria-labelledby": "dialog-title", "aria-describedby": "dialog-body" },
      kind === "confirmed" ? tick() : null,
      h("h2", { id: "dialog-title", text: title }),
      h("div", { id: "dialog-body" }, body),
      h("div", { class: "dialog-buttons" }, buttons.map(({ value, text, style, autofocus }) => h("button", {
        type: "button", class: style, autofocus, text, "data-value": value, on: { click: () => dialog.close(value) },
      }))),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

function tick() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 48 48");
  svg.setAttribute("class", "tick");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", "M13 25l8 8 15-18");
  svg.append(path);
  return svg;
}
