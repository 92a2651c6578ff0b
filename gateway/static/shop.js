// The upselling page: the property's extras, what the guest has chosen, and the guest's orders.

import { choices, daysOf } from "./choices.js";
import { announce } from "./dialogs.js";
import { byId, h, refill } from "./dom.js";
import { choicesOf, costOf, isSame } from "./offers.js";
import { followOrders } from "./orders.js";
import { place } from "./ordering.js";
import { backoff, pause } from "./waiting.js";

export async function shop(page, signal) {
  const { words, api, cart, session } = page;
  const [extras, orders] = await patiently(page, signal, () => Promise.all([api.extras(), api.orders()]));
  if (signal.aborted) return;
  const days = daysOf(session, extras[0]?.time_zone);
  const byExtra = new Map(extras.map((extra) => [extra.extra_id, extra]));
  const canBeHad = (line) => choicesOf(byExtra.get(line.extra_id), days).some((choice) => isSame(choice, line));
  cart.keepOnly((line) => byExtra.has(line.extra_id) && canBeHad(line));

  const basket = h("section", { class: "basket", "aria-labelledby": "basket-title" });
  const list = h("ul", { class: "extras" });
  const ordersList = h("section", { class: "orders", "aria-labelledby": "orders-title", hidden: true });
  let trouble = "";
  let isSending = false;

  const rows = extras.map((extra) => choices({ extra, days, session, cart, words, changed }));
  list.append(...rows.map((row) => row.node));

  function changed() {
    trouble = "";
    rows.forEach((row) => row.draw(cart.isSent));
    drawBasket();
  }

  function drawBasket() {
    const lines = cart.lines.map((line) => ({ ...line, extra: byExtra.get(line.extra_id) }));
    const totals = totalsOf(lines.map((line) => costOf(line.extra, session, line)));
    const isMixed = totals.length > 1;
    basket.classList.toggle("empty", lines.length === 0);
    refill(basket,
      h("h2", { id: "basket-title", text: words.say("basket.title") }),
      lines.length ? h("ul", { class: "basket-lines" }, lines.map((line) => h("li", {},
        h("span", { text: `${line.quantity} × ${words.own(line.extra.name)}` }),
        h("span", { class: "amount", text: words.money(costOf(line.extra, session, line)) }),
        line.day ? h("span", { class: "quiet", text: words.when(line) }) : null,
      ))) : h("p", { class: "quiet", text: words.say("basket.empty") }),
      h("p", { class: "trouble", role: "alert", id: "order-trouble", text: isMixed ? words.say("basket.mixed") : trouble }),
      lines.length ? h("div", { class: "pay-bar" },
        h("p", { class: "total" },
          h("span", { text: words.say("total") }),
          h("strong", { id: "total", text: totals.map((total) => words.money(total)).join(" + ") })),
        h("button", {
          type: "button", id: "order", class: "primary", "aria-describedby": "order-trouble",
          "aria-disabled": isSending || isMixed ? "true" : null, on: { click: () => send(isMixed) },
          text: words.say(isSending ? "ordering" : "order"),
        })) : null,
    );
  }

  async function send(isMixed) {
    if (isSending || isMixed || !cart.lines.length) return;
    isSending = true;
    changed();
    try {
      const order = await place(api, cart, { waiting, signal });
      if (!order || signal.aborted) return;
      page.go(`/pay/${order.order_id}`);
    } catch (problem) {
      if (signal.aborted) return;
      if (problem.status === 401 || problem.status === 403) throw problem;
      isSending = false;
      changed();
      trouble = reasonOf(problem);
      drawBasket();
      byId("order")?.focus();
    }
  }

  function waiting() {
    trouble = words.say("order.waiting");
    drawBasket();
    announce(trouble);
  }

  function reasonOf(problem) {
    const name = `refused.${problem.name}`;
    return words.has(name) ? words.say(name) : words.say("refused", { detail: problem.message });
  }

  cart.addEventListener("change", () => { if (!isSending) changed(); }, { signal });
  page.mount(words.say("shop.title"), h("div", { class: "shop" },
    h("div", { class: "intro" },
      h("h1", { text: words.say("shop.title") }),
      h("p", { class: "stay", text: words.span(session.from, session.to) })),
    ordersList,
    h("section", { class: "offer", "aria-labelledby": "offer-title" },
      h("h2", { id: "offer-title", class: "unseen", text: words.say("shop.offer") }),
      extras.length ? list : h("p", { class: "quiet", text: words.say("shop.empty") })),
    basket,
  ));
  changed();
  // A reload, or another tab, in the middle of ordering: find out what became of it.
  const sent = cart.isSent ? send(false) : null;
  await Promise.all([sent, followOrders(page, ordersList, orders, signal)]);
}

function totalsOf(costs) {
  const totals = new Map();
  for (const { amount, currency } of costs) totals.set(currency, (totals.get(currency) ?? 0) + amount);
  return [...totals].map(([currency, amount]) => ({ amount, currency }));
}

/** Retry while the gateway is unavailable, and show that to the guest; a final error is thrown. */
export async function patiently(page, signal, act) {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      return await act();
    } catch (problem) {
      if (!problem.isTemporary) throw problem;
      const { words } = page;
      if (signal.aborted) break;
      page.mount(words.say("away.title"), h("section", { class: "notice", role: "status" },
        h("h1", { text: words.say("away.title") }),
        h("p", { text: words.say("away.text") })));
      await pause(backoff(attempt, problem.retryAfter), signal);
    }
  }
  return [];
}
