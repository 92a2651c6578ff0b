// The queues at a glance, those that need attention first.

import { h, refill, s } from "./dom.js";
import { ago, link, many } from "./words.js";
import { table } from "./widgets.js";

const KEPT = 90;
const WIDE = 96, HIGH = 20;
const depths = new Map(), rates = new Map();

/** Keep what was seen, for the little curves. */
export function remember(queues) {
  for (const queue of queues) {
    add(depths, queue.name, queue.messages);
    add(rates, queue.name, queue.leaving);
  }
  return queues;
}

function add(kept, name, value) {
  const values = kept.get(name) ?? [];
  if (value !== null) values.push(value);
  kept.set(name, values.slice(-KEPT));
}

function curve(values = [], what) {
  const most = Math.max(1, ...values);
  const points = values.map((value, i) => {
    const x = WIDE - (values.length - 1 - i) * (WIDE / (KEPT - 1));
    return `${x.toFixed(1)},${(HIGH - 1 - (value / most) * (HIGH - 3)).toFixed(1)}`;
  });
  const from = points[0]?.split(",")[0];
  return s("svg", { class: "curve", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `${what}: at most ${Math.max(0, ...values)}` },
    s("line", { x1: 0, x2: WIDE, y1: HIGH - 0.5, y2: HIGH - 0.5 }),
    points.length > 1 && s("polygon", { points: `${from},${HIGH} ${points.join(" ")} ${WIDE},${HIGH}` }),
    points.length > 1 && s("polyline", { points: points.join(" ") }));
}

const ROLES = ["work", "reads", "retry", "dead", "log"];
const weight = (queue) => (queue.problem ? 0 : queue.role === "retry" && queue.messages ? 1 : 2 + ROLES.indexOf(queue.role));

export function overview({ node }) {
  node.append(h("h1", { text: "Queues" }), h("p", { class: "quiet", text: "Looking…" }));
  return { onQueues: (queues) => refill(node, ...shown(queues)) };
}

function shown(queues) {
  const sum = (role) => queues.filter((queue) => queue.role === role).reduce((all, queue) => all + queue.messages, 0);
  const problems = queues.filter((queue) => queue.problem).length;
  const hasRates = queues.some((queue) => queue.leaving !== null);
  const rows = [...queues].sort((a, b) => weight(a) - weight(b)).map((queue) => ({
    class: queue.problem ? "alarm" : weight(queue) === 1 ? "warn" : null,
    cells: [
      h("span", { class: "code", text: queue.name }),
      queue.exists ? String(queue.messages) : "–",
      curve(depths.get(queue.name), `${queue.name}, messages`),
      queue.oldest ? ago(queue.oldest) : "",
      queue.coming ?? "–", queue.leaving ?? "–",
      curve(rates.get(queue.name), `${queue.name}, messages out per second`),
      ["work", "reads"].includes(queue.role) ? String(queue.consumers) : "",
      queue.role === "dead" && queue.messages ? link("/dead", "look at dead letters") : queue.problem ?? "",
    ],
  }));
  return [
    h("h1", { text: "Queues" }),
    h("ul", { class: "tiles" },
      tile(problems, problems === 1 ? "queue needs attention" : "queues need attention", problems ? "bad" : "good"),
      tile(sum("dead"), sum("dead") === 1 ? "dead letter waits for a decision" : "dead letters wait for a decision", sum("dead") ? "bad" : ""),
      tile(sum("retry"), "wait for a retry", sum("retry") ? "busy" : ""),
      tile(sum("work"), "in work")),
    table("Queues", ["queue", "#messages", "last 3 min", "#oldest", "#in/s", "#out/s", "last 3 min", "#consumers", "~problem"], rows),
    h("p", { class: "quiet" }, `${many(queues.length, "queue")}, looked at every 2 s. `,
      hasRates ? "" : "No rates: RabbitMQ's management API does not answer (BELLHOP_MANAGEMENT_URL)."),
  ];
}

const tile = (count, text, tone = "") => h("li", { class: `tile ${tone}` }, h("strong", { text: count }), h("span", { text }));
