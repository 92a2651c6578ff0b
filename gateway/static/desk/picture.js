// The picture of an extra: a file that is dropped or chosen is uploaded at once, and described for those who do not see it.

import { h } from "./dom.js";

const LARGEST = 1024 * 1024;
const TYPES = "image/jpeg,image/png,image/webp";

export const PICTURE = {
  draft: (value, languages) => ({ picture_id: value?.picture_id ?? null, alt: Object.fromEntries([...new Set([...languages, ...Object.keys(value?.alt ?? {})])].map((tag) => [tag, value?.alt?.[tag] ?? ""])) }),
  value: ({ picture_id: id, alt }) => (id ? { picture_id: id, alt: Object.fromEntries(Object.entries(alt).map(([tag, text]) => [tag, text.trim()]).filter(([, text]) => text)) } : null),
  text: (value) => (value ? `${Object.values(value.alt ?? {}).join(" / ")} (${value.picture_id.slice(0, 8)})` : "–"),
};

/** The place for the file: `draft` as above, `upload(file)` resolves with {picture_id}, `changed` is called with an id or null. */
export function dropZone({ id, draft, words, upload, changed }) {
  const trouble = h("p", { class: "trouble small", role: "alert" });
  const state = h("p", { class: "quiet small", role: "status" });
  const input = h("input", { id, type: "file", accept: TYPES, class: "unseen", on: { change: () => { if (input.files[0]) take(input.files[0]); } } });

  async function take(file) {
    trouble.textContent = "";
    if (file.size > LARGEST) {
      trouble.textContent = words.say("picture.too-large");
      return;
    }
    state.textContent = words.say("picture.uploading");
    try {
      changed((await upload(file)).picture_id);
    } catch (problem) {
      const named = `picture.${problem.reason ?? problem.name}`;
      trouble.textContent = problem.isTemporary ? words.say("trouble.later") : words.has(named) ? words.say(named) : problem.message;
    } finally {
      state.textContent = "";
      input.value = "";
    }
  }

  const over = (isOver) => (event) => {
    event.preventDefault();
    zone.classList.toggle("over", isOver);
  };
  const zone = h("div", { class: "drop", on: {
    dragenter: over(true), dragover: over(true), dragleave: over(false),
    drop: (event) => { over(false)(event); if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]); },
  } },
  draft.picture_id ? h("img", { src: `/v1/pictures/${draft.picture_id}/480`, alt: words.own(Object.fromEntries(Object.entries(draft.alt).filter(([, text]) => text))), width: 240 }) : null,
  h("p", { class: "buttons" }, h("label", { class: "button", for: id, text: words.say(draft.picture_id ? "picture.other" : "picture.choose") }), input,
    draft.picture_id ? h("button", { type: "button", id: `${id}-remove`, class: "plain", text: words.say("picture.remove"), on: { click: () => changed(null) } }) : null),
  h("p", { class: "quiet small", text: words.say("picture.hint") }), state, trouble);
  return zone;
}
