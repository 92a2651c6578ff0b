// The receipts of an order as a PDF to keep, on the guest's page and the desk.

import { announce } from "./dialogs.js";
import { h } from "./dom.js";

const PAID = new Set(["paid", "partially_refunded", "refunded", "disputed", "charged_back"]);

/** A button that saves the receipts of an order; null while it has none. */
export function receiptButton(api, order, words, style = "") {
  if (order.status === "needs_review" || !PAID.has(order.payment_status)) return null;
  const button = h("button", {
    type: "button", class: style, id: `receipt-${order.order_id}`, text: words.say("receipt"), on: { click: save },
  });

  async function save() {
    try {
      const address = URL.createObjectURL(await api.receipt(order.order_id, words.language));
      h("a", { href: address, download: `${words.say("receipt")} ${order.order_id}.pdf` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60000); // the browser may still be writing it
    } catch {
      button.textContent = words.say("receipt.failed");
      announce(words.say("receipt.failed"));
    }
  }

  return button;
}
