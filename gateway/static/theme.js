// A property's own colours, fonts and name: a few CSS variables, see docs/guest-page.md.

import { h } from "./dom.js";

const PATIENCE_MS = 1500;

/** Resolves once the property's style is there; a page without it works as well, so it is not waited for long. */
export function themed(property) {
  const href = `/page/theme/${encodeURIComponent(property)}.css`;
  return new Promise((resolve) => {
    const link = h("link", { rel: "stylesheet", href, on: { load: resolve, error: resolve } });
    setTimeout(resolve, PATIENCE_MS);
    document.querySelectorAll("link[href^='/page/theme/']").forEach((old) => old.remove());
    document.head.append(link);
  });
}

/** The look of the page for the PSP's form, which lives in a separate frame. */
export function appearance() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  return {
    theme: matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "stripe",
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
