"""Refunds, which succeed at once, after a while, or fail."""

from typing import Literal

from stripe_sandbox import balance, disputes, forms
from stripe_sandbox.errors import Json, missing, refused
from stripe_sandbox.lists import page
from stripe_sandbox.sandbox import INTERNAL_CALL, Call, Sandbox

REASONS = ("duplicate", "fraudulent", "requested_by_customer")
FAILURE = "expired_or_canceled_card"


def create(sandbox: Sandbox, call: Call) -> Json:
    params = call.params
    forms.only(params, ("payment_intent", "charge", "amount", "reason", "metadata"))
    amount = forms.integer(params, "amount", least=1)
    reason = forms.one_of(params, "reason", REASONS)
    charge = _charge(sandbox, params)
    behaviour = sandbox.state.behaviours[charge["payment_method"]]
    refund = make_refund(
        sandbox,
        call,
        charge,
        amount=amount,
        status="pending" if behaviour == "slow_refund" else "succeeded",
        reason=reason,
        metadata=forms.metadata(params, {}),
    )
    if behaviour in ("slow_refund", "failing_refund"):
        sandbox.later("refund", refund["id"])
    return refund


def make_refund(
    sandbox: Sandbox,
    call: Call,
    charge: Json,
    *,
    amount: int | None,
    status: Literal["succeeded", "pending"],
    reason: str | None,
    metadata: Json | None,
) -> Json:
    """Refund a charge, all that remains of it unless an amount is given. A dashboard refund ends up here too."""
    lost = disputes.taken(sandbox, charge)
    remaining = max(0, charge["amount_captured"] - charge["amount_refunded"] - lost)
    if disputes.is_contested(sandbox, charge) or (lost and not remaining):
        raise refused(f"Charge {charge['id']} is disputed: it cannot be refunded.", code="charge_disputed")
    if remaining == 0:
        raise refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    amount = remaining if amount is None else amount
    if amount > remaining:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({remaining})."
        raise refused(message, param="amount")
    refund: Json = {
        "id": sandbox.new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": sandbox.seconds(),
        "currency": charge["currency"],
        "destination_details": {
            "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"},
            "type": "card",
        },
        "metadata": metadata,
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }
    if status == "pending":
        refund["pending_reason"] = "processing"
    balance.refund_made(sandbox, refund)
    sandbox.store.put(refund)
    sandbox.emit(call, "refund.created", refund)
    before = _refunded(charge, by=amount)
    sandbox.emit(call, "charge.refunded", charge, before=before)
    return refund


def settle(sandbox: Sandbox, refund: Json, outcome: Literal["succeed", "fail"] | None = None) -> Json:
    """End a pending refund, or let one that seemed to have succeeded fail later, as banks do."""
    charge = sandbox.store.get(refund["charge"], "ch")
    if outcome is None:
        slow = sandbox.state.behaviours[charge["payment_method"]] == "slow_refund"
        outcome = "succeed" if slow else "fail"
    if refund["status"] == "failed" or (refund["status"], outcome) == ("succeeded", "succeed"):
        raise refused(f"Refund {refund['id']} has already {refund['status']}.")
    sandbox.state.timers.pop(refund["id"], None)
    before = {"status": refund["status"]}
    refund.pop("pending_reason", None)
    if outcome == "succeed":
        refund["status"] = "succeeded"
        _tell(sandbox, refund, before)
    else:
        refund.update(status="failed", failure_reason=FAILURE)
        balance.refund_failed(sandbox, refund)
        _refunded(charge, by=-refund["amount"])
        _tell(sandbox, refund, before)
        sandbox.emit(INTERNAL_CALL, "refund.failed", refund)
    return refund


def retrieve(sandbox: Sandbox, call: Call) -> Json:
    return sandbox.store.get(call.path["id"], "re")


def list_all(sandbox: Sandbox, call: Call) -> Json:
    return page(sandbox, call, "re", "/v1/refunds", filters=("payment_intent", "charge"))


def paid_charge(sandbox: Sandbox, intent: Json) -> Json:
    """The charge that took the intent's money."""
    if intent["status"] != "succeeded":
        raise refused(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.")
    return sandbox.store.get(intent["latest_charge"], "ch")


def _charge(sandbox: Sandbox, params: Json) -> Json:
    charge_id, intent_id = forms.text(params, "charge"), forms.text(params, "payment_intent")
    if intent_id is not None:
        charge = paid_charge(sandbox, sandbox.store.get(intent_id, "pi", param="payment_intent"))
    elif charge_id is not None:
        charge = sandbox.store.get(charge_id, "ch", param="charge")
        if not charge["paid"]:
            raise refused(f"Charge {charge_id} was not paid, so there is nothing to refund.")
    else:
        raise missing("payment_intent")
    return charge


def _refunded(charge: Json, *, by: int) -> Json:
    before = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    charge["amount_refunded"] += by
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    return before


def _tell(sandbox: Sandbox, refund: Json, before: Json) -> None:
    # Stripe emits a refund's change under the old name as well.
    sandbox.emit(INTERNAL_CALL, "refund.updated", refund, before=before)
    sandbox.emit(INTERNAL_CALL, "charge.refund.updated", refund, before=before)
