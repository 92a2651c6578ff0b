// Which view is shown, who looks, and the queues that every view keeps an eye on.

import { Api } from "./api.js";
import { byId, h, refill } from "./dom.js";
import { audit } from "./audit.js";
import { dead } from "./dead.js";
import { letter } from "./letter.js";
import { log } from "./log.js";
import { orders } from "./orders.js";
import { overview, remember } from "./overview.js";
import { plan, plans } from "./plans.js";
import { claimsOf, keepToken, ofTab } from "./storage.js";
import { trace } from "./trace.js";
import { field, onSubmit } from "./widgets.js";

const TOKEN = "bellhop.operator";
const LOOK_EVERY = 2000;
const VIEWS = [
  ["", "Queues", overview], ["orders", "Orders", orders], ["dead", "Dead letters", dead], ["plans", "Replays", plans],
  ["trace", "Trace", trace], ["log", "Log", log], ["audit", "Audit log", audit],
];
const OF_ONE = { dead: letter, plans: plan, trace };

let api = null;
let shown = { stop() {} };
let queues = null;
let heldBy = null;

function arrive() {
  if (keepToken(TOKEN)) history.replaceState(null, "", `${location.pathname}#/`);
  const token = ofTab.get(TOKEN);
  const claims = claimsOf(token);
  api = token && new Api(token, claims, signIn);
  byId("who").textContent = [claims.sub, claims.role].filter(Boolean).join(", ");
  navigate();
}

function signIn(why = "") {
  api = null;
  shown.stop();
  shown = { stop() {} };
  ofTab.drop(TOKEN);
  byId("who").textContent = "";
  const form = onSubmit(h("form", { class: "narrow" },
    h("h1", { text: "Operators only" }),
    h("p", { text: `${why} Open the link that \`bellhop up\` prints, or paste an operator's token (\`bellhop token --role editor\`).`.trim() }),
    field("Token", { name: "token", id: "token", type: "password", required: true }),
    h("div", { class: "buttons" }, h("button", { class: "main", text: "Open" })),
  ), ({ token }) => { location.hash = `#token=${token.trim()}`; });
  byId("main").replaceChildren(form);
  menu("none");
}

function menu(current) {
  const letters = queues?.filter((queue) => queue.role === "dead").reduce((sum, queue) => sum + queue.messages, 0);
  refill(byId("nav"), (api ? VIEWS : []).map(([path, name]) => h("a", {
    href: `#/${path}`, "aria-current": path === current ? "page" : null,
  }, name, path === "dead" && letters ? h("span", { class: "badge", text: letters }) : "")));
}

function navigate() {
  if (location.hash.startsWith("#token=")) { arrive(); return; }
  if (location.hash === "#main") { byId("main").focus(); return; }
  if (!api) { signIn(); return; }
  shown.stop();
  const [, name = "", id = ""] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const [, title, many] = VIEWS.find(([path]) => path === name) ?? VIEWS[0];
  const node = h("div", { class: "view" });
  document.title = `${title} · Bellhop operations`;
  menu(name);
  byId("main").replaceChildren(node);
  shown = live(node, (id && OF_ONE[name] ? OF_ONE[name] : many)({ api, id, node, go: (path) => { location.hash = `#${path}`; } }));
  if (queues) shown.onQueues?.(queues);
}

/** A view that is refreshed while it is visible. Errors are shown on top, and the fetch is retried. */
function live(node, { refresh, every = 5000, onQueues }) {
  let timer = null;
  let isOver = false;
  async function round() {
    try {
      if (!document.hidden) await refresh?.(() => !isOver);
      if (!isOver) lost(node, "");
    } catch (error) {
      if (!isOver) lost(node, error.message);
    }
    if (!isOver) timer = setTimeout(round, typeof every === "function" ? every() : every);
  }
  if (refresh) round();
  return { onQueues, stop() { isOver = true; clearTimeout(timer); lost(node, ""); } };
}

function lost(who, text) {
  const banner = byId("banner");
  if (!text && heldBy !== who) return;
  heldBy = text ? who : null;
  banner.hidden = !text;
  banner.textContent = text;
}

async function watch() {
  if (api && !document.hidden) {
    try {
      const seen = await api.get("/queues");
      queues = remember(seen.queues);
      menu(document.querySelector("#nav [aria-current]")?.hash.slice(2) ?? "none");
      shown.onQueues?.(queues);
      lost(watch, "");
    } catch (error) {
      if (error.status !== 401 && error.status !== 403) lost(watch, error.message);
    }
  }
  setTimeout(watch, LOOK_EVERY);
}

byId("skip").addEventListener("click", (event) => { event.preventDefault(); byId("main").focus(); });
window.addEventListener("hashchange", navigate);
refill(byId("main"));
arrive();
watch();
