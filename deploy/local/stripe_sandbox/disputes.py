"""Disputes: the guest asks their bank for the money back."""

from typing import Literal

from deploy.local.stripe_sandbox import balance
from deploy.local.stripe_sandbox.errors import Json, refused
from deploy.local.stripe_sandbox.lists import page
from deploy.local.stripe_sandbox.sandbox import OWN_DOING, Call, Sandbox

WEEK = 7 * 24 * 3600


def open_dispute(
    sandbox: Sandbox, call: Call, intent: Json, *, amount: int | None = None, reason: str = "fraudulent"
) -> Json:
    """Dispute what was captured, all of it unless an amount is given."""
    if intent["status"] != "succeeded":
        raise refused(f"PaymentIntent {intent['id']} has a status of {intent['status']}: nothing to dispute.")
    charge = sandbox.store.get(intent["latest_charge"], "ch")
    if charge["disputed"]:
        raise refused(f"Charge {charge['id']} is disputed already.")
    if amount is not None and amount > charge["amount_captured"]:
        raise refused(f"No more than {charge['amount_captured']} was captured.", param="amount")
    dispute: Json = {
        "id": sandbox.new_id("dp"),
        "object": "dispute",
        "amount": charge["amount_captured"] if amount is None else amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": sandbox.seconds(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {},
        "evidence_details": {
            "due_by": sandbox.seconds() + WEEK,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": intent["id"],
        "reason": reason,
        "status": "needs_response",
    }
    charge["disputed"] = True
    balance.dispute_moved(sandbox, dispute, "withdrawn")
    sandbox.store.put(dispute)
    sandbox.emit(call, "charge.dispute.created", dispute)
    return dispute


def close(sandbox: Sandbox, dispute: Json, status: Literal["won", "lost"]) -> Json:
    """The bank decides: *won* leaves the money with the hotel, *lost* gives it back to the guest."""
    if dispute["status"] in ("won", "lost"):
        raise refused(f"Dispute {dispute['id']} is closed already: {dispute['status']}.")
    dispute["status"] = status
    if status == "won":
        balance.dispute_moved(sandbox, dispute, "reinstated")
    sandbox.emit(OWN_DOING, "charge.dispute.closed", dispute)
    return dispute


def retrieve(sandbox: Sandbox, call: Call) -> Json:
    return sandbox.store.get(call.path["id"], "dp")


def list_all(sandbox: Sandbox, call: Call) -> Json:
    return page(sandbox, call, "dp", "/v1/disputes", filters=("payment_intent", "charge"))
