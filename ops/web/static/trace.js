// An order's story, as a sequence diagram of what really happened, while it happens.

import { h, refill } from "./dom.js";
import { chip, clock } from "./words.js";
import { field, onSubmit, table } from "./widgets.js";

export function trace({ api, id, node, go }) {
  const form = onSubmit(h("form", { class: "filters" },
    field("order or payment", { name: "order", id: "trace-order", placeholder: "ord_… or pay_…", required: true, value: id, size: 36 }),
    h("button", { class: "main", text: "Trace" }),
  ), ({ order }) => go(`/trace/${order.trim()}`));
  const story = h("div");
  const picture = h("div", { class: "picture", tabindex: "0" });
  const steps = h("div");
  let before = "";

  async function look(isWanted = () => true) {
    let found;
    try {
      found = await api.get(`/trace/${encodeURIComponent(id)}`);
    } catch (error) {
      if (error.status !== 404) throw error;
      refill(story, h("p", { class: "trouble", text: error.message }));
      return;
    }
    const now = JSON.stringify(found);
    if (now === before || !isWanted()) return;
    const drawn = drawing(await api.text(`/trace/${encodeURIComponent(id)}.svg`));
    if (!isWanted()) return;
    before = now;
    refill(story,
      h("p", { class: "chips" }, Object.entries(found.summary).map(([name, summary]) => chip(`${name}: ${summary}`))),
      found.actions.map((action) => h("p", { class: "wrap", text: action })),
      found.remarks.map((remark) => h("p", { class: "quiet", text: remark })));
    picture.replaceChildren(drawn);
    refill(steps, h("h2", { text: "Step by step" }), table("Steps", ["#no.", "at (UTC)", "who", "what", "detail"], found.steps.map((step) => ({
      class: ["retry", "parking", "lost_call"].includes(step.kind) ? "alarm" : null,
      cells: [String(step.number), clock(step.at), [step.sender, ...step.receivers].join(" → "), step.what, h("span", { class: "quiet small wrap", text: step.detail })],
    }))));
  }

  node.append(h("h1", { text: "Trace an order" }), form, story, picture, steps);
  if (!id) return {};
  refill(story, h("p", { class: "quiet", text: "Reading the log…" }));
  return { refresh: look, every: 3000 };
}

/** The picture, without the style sheet in it: the page has the same as a file, and allows no other. */
function drawing(text) {
  const root = new DOMParser().parseFromString(text.replace(/<style>[^<]*<\/style>/, ""), "image/svg+xml").documentElement;
  return document.adoptNode(root);
}
