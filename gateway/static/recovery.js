// Where a guest stands with the payment of an order: derived from the order and the PSP's intent alone, so that a reload,
// Back, another tab or a lost connection all lead to the same place.

/**
 * One of: `paid`, `lapsed`, `cancelled`, `closing`, `review` – the order is decided or about to be;
 * `approval`, `declined` – the hotel decides, or has; `processing`, `awaiting` – the money is on its way; `authenticate` – the bank has a question;
 * `renew` – the session is over, there is another one; `form` – the guest may pay.
 */
export function stepOf({ status, payment_status: money, needs_approval: isAsked }, intent) {
  const decided = {
    confirmed: "paid", fulfilled: "paid", expired: "lapsed", cancelled: "cancelled",
    awaiting_approval: "approval", capturing: "awaiting", declined: "declined",
    expiring: "closing", cancelling: "closing", needs_review: "review",
  }[status];
  if (decided) return decided;
  const step = {
    succeeded: "awaiting", requires_capture: isAsked ? "approval" : "awaiting", processing: "processing",
    requires_action: "authenticate", canceled: "renew",
  }[intent?.status];
  // The PSP is asked now; what the order says of the money may be older.
  if (intent) return step ?? "form";
  return money === "processing" ? "processing" : "form";
}
