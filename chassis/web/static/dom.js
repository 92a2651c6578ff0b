// Building what is seen, without markup in strings. Served to the guest's page and the operator's.

const SVG = "http://www.w3.org/2000/svg";

/** An element. `on` holds listeners, `text` its text; null, undefined and false leave an attribute out. */
export function h(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

/** The same for an element of SVG. */
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

/** Change what is in a node; what has the focus keeps it, found again by its id, or else by its place. */
function keepingFocus(node, change) {
  const root = node.getRootNode().activeElement === undefined ? document : node.getRootNode(); // a part of the page of its own
  const focused = node.contains(root.activeElement) ? root.activeElement : null;
  const place = [...node.querySelectorAll(FOCUSABLE)].indexOf(focused);
  change();
  if (focused) (root.getElementById(focused.id) ?? node.querySelectorAll(FOCUSABLE)[place])?.focus({ preventScroll: true });
}

const waiting = new WeakMap();

/**
 * Put other children into a node.
 * Not while something in it is pressed: a button that is replaced between press and release gets no click.
 */
export function refill(node, ...children) {
  waiting.set(node, children);
  if (node.querySelector(":is(a, button, summary):active")) {
    requestAnimationFrame(() => { if (waiting.get(node) === children) refill(node, ...children); });
    return;
  }
  waiting.delete(node);
  keepingFocus(node, () => node.replaceChildren(...children.flat().filter(Boolean)));
}

/** Put another node in a node's place. */
export function swap(node, other) {
  keepingFocus(node, () => node.replaceWith(other));
}

/** Show a dialog over the page. Resolves when it is closed, with the value it was closed with, or "" for Escape. */
export function showModal(dialog) {
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue); });
    document.body.append(dialog);
    dialog.showModal();
  });
}
