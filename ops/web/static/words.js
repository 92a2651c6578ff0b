// How times, messages and their links are written.

import { h } from "./dom.js";

/** `12 s`, `4 min`, `3 h`, `2 d`. */
export function ago(moment) {
  if (!moment) return "";
  const seconds = Math.max(0, Math.floor((Date.now() - new Date(moment)) / 1000));
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${seconds} s`;
}

/** In UTC, as everywhere in Bellhop. */
export function clock(moment) {
  if (!moment) return "";
  const iso = new Date(moment).toISOString();
  return h("time", { datetime: iso, title: `${iso.replace("T", " ").slice(0, 19)} UTC`, text: `${iso.slice(5, 10)} ${iso.slice(11, 19)}` });
}

export const link = (path, text, props = {}) => h("a", { href: `#${path}`, text, ...props });
export const order = (id) => (id ? link(`/trace/${id}`, `${id.slice(0, 10)}…${id.slice(-4)}`, { title: id, class: "code" }) : "");
export const letter = (id) => link(`/dead/${id}`, id, { class: "code" });
export const plan = (id) => (id ? link(`/plans/${id}`, id, { class: "code" }) : "");
export const kind = (name) => h("span", { class: "code", text: name.replace(/\.v1$/, ""), title: name });
export const pretty = (body) => (typeof body === "string" ? body : JSON.stringify(body, null, 2));
export const many = (count, one, more = `${one}s`) => `${count} ${count === 1 ? one : more}`;
export const chip = (text, tone = "") => h("span", { class: `chip ${tone}`, text });

/** Good news, bad news, or none. */
export const toneOf = (outcome) => ({
  applied: "good", sent: "good", done: "good", fails: "bad", failed: "bad", refused: "bad", stopped: "bad", interrupted: "bad",
  running: "busy", paused: "busy",
})[outcome] ?? "";
