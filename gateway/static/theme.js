// A property's own look: a style sheet of its operator, see docs/guest-page.md, and the colours that its owner writes.

import { h } from "./dom.js";

const PATIENCE_MS = 1500;
const READABLE = 4.5; // https://www.w3.org/TR/WCAG22/#contrast-minimum
const WHITE = [255, 255, 255];
const BLACK = [0, 0, 0];
const STEPS = 20;
const PAINTED = ["--paper", "--sheet", "--accent", "--on-accent"];
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Resolves once `loading` has, or after a while: a page without the property's look works as well. */
export const shortly = (loading) => Promise.race([loading, new Promise((resolve) => { setTimeout(resolve, PATIENCE_MS); })]);

/** Resolves once the property's style is there, or there is none. */
export function themed(property) {
  const href = `/page/theme/${encodeURIComponent(property)}.css`;
  return new Promise((resolve) => {
    const link = h("link", { rel: "stylesheet", href, on: { load: resolve, error: resolve } });
    document.querySelectorAll("link[href^='/page/theme/']").forEach((old) => old.remove());
    document.head.append(link);
  });
}

/** Paint `node` and all in it with a property's colours, and again when the device turns dark or light. */
export function paint(node, theme) {
  const draw = () => colour(node, theme);
  draw();
  if (node.repaint) dark.removeEventListener("change", node.repaint);
  node.repaint = draw;
  dark.addEventListener("change", draw);
}

/**
 * Any colour is taken, and made lighter or darker until text in it, or on it, can be read. A dark page keeps its own
 * background.
 */
function colour(node, { accent, background }) {
  for (const name of PAINTED) node.style.removeProperty(name);
  const style = getComputedStyle(node);
  const [ink, quiet, alarm, good] = ["--ink", "--quiet", "--alarm", "--good"].map((name) => rgb(style.getPropertyValue(name)));
  let [paper, sheet] = ["--paper", "--sheet"].map((name) => rgb(style.getPropertyValue(name)));
  if (rgb(background) && !dark.matches) {
    paper = readable(rgb(background), [ink, quiet, alarm, good], WHITE);
    sheet = mixed(paper, WHITE, 0.6);
    node.style.setProperty("--paper", hex(paper));
    node.style.setProperty("--sheet", hex(sheet));
  }
  if (!rgb(accent)) return;
  const shown = readable(rgb(accent), [paper, sheet], dark.matches ? WHITE : BLACK);
  node.style.setProperty("--accent", hex(shown));
  node.style.setProperty("--on-accent", contrast(shown, WHITE) >= READABLE ? "#ffffff" : "#000000");
}

/** The first colour from `start` towards `end` that has enough contrast with all `others`. */
function readable(start, others, end) {
  for (let step = 0; step < STEPS; step += 1) {
    const tried = mixed(start, end, step / STEPS);
    if (others.every((other) => !other || contrast(tried, other) >= READABLE)) return tried;
  }
  return end;
}

const mixed = (one, other, share) => one.map((value, index) => Math.round(value + (other[index] - value) * share));
const hex = (colours) => `#${colours.map((value) => value.toString(16).padStart(2, "0")).join("")}`;

function rgb(text) {
  const [, ...parts] = /^\s*#([\da-f]{2})([\da-f]{2})([\da-f]{2})\s*$/i.exec(text ?? "") ?? [];
  return parts.length ? parts.map((part) => parseInt(part, 16)) : null;
}

/** https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
function contrast(one, other) {
  const [light, low] = [luminance(one), luminance(other)].toSorted((a, b) => b - a);
  return (light + 0.05) / (low + 0.05);
}

/** https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
function luminance(colours) {
  const [red, green, blue] = colours.map((value) => value / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** The look of the page for the PSP's form, which lives in a separate frame. */
export function appearance() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  return {
    theme: dark.matches ? "night" : "stripe",
    variables: {
      colorPrimary: value("--accent"),
      colorBackground: value("--sheet"),
      colorText: value("--ink"),
      colorDanger: value("--alarm"),
      fontFamily: value("--text-font"),
      borderRadius: value("--radius"),
    },
  };
}
