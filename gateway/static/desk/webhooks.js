// The hotel's other systems that get webhooks, and what became of each webhook. To look at only: operators do the rest.

import { h, refill } from "./dom.js";

const BAD = new Set(["failing", "given_up", "parked", "retrying"]);
const GOOD = new Set(["enabled", "delivered"]);
/** What the service says of an attempt, by the name of its translation; anything else is shown as it is. */
const SAID = {
  answered: /^answered (\d{3})$/,
  late: /^no answer within ([\d.]+) s$/,
  erased: /^the order has forgotten its guest$/,
  removed: /^the subscriber was removed$/,
};

export async function webhooks(desk, signal) {
  const { words, api } = desk;
  const only = new URLSearchParams(location.hash.split("?")[1] ?? "").get("order_id") ?? "";
  const asked = only ? { order_id: only } : {};
  const systems = h("section", { "aria-labelledby": "systems-title" });
  const list = h("section", { "aria-labelledby": "sent-title" });
  const trouble = h("p", { class: "trouble", role: "alert" });
  let shown = [];
  let known = [];
  let next = null;

  function draw() {
    refill(systems, h("h2", { id: "systems-title", text: words.say("webhooks.systems") }),
      known.length ? h("ul", { class: "rows" }, known.map((each) => system(each, words))) : h("p", { class: "quiet", text: words.say("webhooks.none") }));
    refill(list, h("h2", { id: "sent-title", text: words.say(only ? "webhooks.of" : "webhooks.sent", { order: only }) }),
      shown.length ? h("ul", { class: "rows" }, shown.map((each) => delivery(each, known, words))) : h("p", { class: "quiet", text: words.say("webhooks.nothing") }),
      next ? h("button", { type: "button", id: "more", text: words.say("list.more"), on: { click: () => look(next) } }) : null);
  }

  async function look(after) {
    trouble.textContent = "";
    try {
      const page = await api.webhooks(after ? { ...asked, after } : asked);
      if (signal.aborted) return;
      shown = after ? [...shown, ...page.deliveries] : page.deliveries;
      ({ subscribers: known, next } = page);
      draw();
    } catch (problem) {
      if (signal.aborted) return;
      if (problem.status === 401 || problem.status === 403) desk.failed(problem);
      else trouble.textContent = problem.isTemporary ? words.say("webhooks.later") : problem.message;
    }
  }

  desk.mount(words.say("tab.webhooks"),
    h("h1", { text: words.say("tab.webhooks") }),
    h("p", { class: "quiet", text: words.say("webhooks.text") }),
    h("p", { class: "buttons" }, h("button", { type: "button", id: "look", text: words.say("webhooks.look"), on: { click: () => look() } })),
    trouble, systems, search(words, only), list);
  await look();
}

function search(words, only) {
  const input = h("input", { id: "f-order", type: "search", maxlength: 255, value: only });
  const go = (event) => {
    event.preventDefault();
    const order = input.value.trim();
    location.hash = order ? `/webhooks?${new URLSearchParams({ order_id: order })}` : "/webhooks";
  };
  return h("form", { class: "search", role: "search", on: { submit: go } },
    h("p", {}, h("label", { for: "f-order", text: words.say("by.order_id") }), input),
    h("p", { class: "buttons" }, h("button", { class: "primary", id: "find", text: words.say("search.go") }),
      only ? h("a", { class: "button", href: "#/webhooks", text: words.say("search.clear") }) : null));
}

const chip = (name, status, words) => h("span", {
  class: `chip ${BAD.has(status) ? "odd" : GOOD.has(status) ? "good" : "over"}`, text: words.say(`${name}.${status}`),
});

/** What others wrote or answered, kept apart from the words around it. */
function said(text, words) {
  for (const [name, pattern] of Object.entries(SAID)) {
    const found = pattern.exec(text);
    if (found) return words.say(`said.${name}`, { what: found[1] });
  }
  return h("bdi", { lang: "en", text });
}

function system({ subscriber_id: id, address, kinds, condition, since, why, retry_at: retry }, words) {
  const time = since ? words.moment(since) : words.say("unknown");
  return h("li", { class: "row", id },
    h("p", { class: "webhook" }, h("strong", {}, h("bdi", { text: address })), chip("condition", condition, words)),
    h("p", { class: "quiet small", text: words.say("webhooks.kinds", { kinds: kinds.map((kind) => words.say(`webhook.${kind}`)).join(", ") }) }),
    condition === "enabled" ? null : h("p", { class: "trouble small" }, words.say(`condition.${condition}.text`, { time }), " ",
      condition === "disabled" ? h("bdi", { text: why }) : said(why, words)),
    retry ? h("p", { class: "quiet small", text: words.say("webhooks.next", { time: words.moment(retry) }) }) : null);
}

function delivery(each, known, words) {
  const { order_id: order, status, attempts, next_at: next, delivered_at: taken } = each;
  const receiver = known.find(({ subscriber_id: id }) => id === each.subscriber_id);
  const facts = [
    attempts ? words.say("attempts", { count: attempts }) : null,
    status === "delivered" && taken ? words.say("webhooks.taken", { time: words.moment(taken) }) : null,
    each.said ? said(each.said, words) : null,
    words.has(`delivery.${status}.text`) ? words.say(`delivery.${status}.text`) : null,
    next ? words.say("webhooks.next", { time: words.moment(next) }) : null,
  ].filter(Boolean);
  return h("li", { class: "row" },
    h("p", { class: "webhook" }, h("strong", { text: words.say(`webhook.${each.type}`) }),
      order ? h("a", { href: `#/order/${encodeURIComponent(order)}`, text: order }) : null,
      chip("delivery", status, words), h("span", { class: "quiet when", text: words.moment(each.noted_at) })),
    h("p", { class: "small" }, facts.flatMap((fact, place) => (place ? [" · ", fact] : [fact]))),
    known.length > 1 || !receiver ? h("p", { class: "quiet small" }, h("bdi", { text: receiver?.address ?? words.say("webhooks.removed") })) : null);
}
