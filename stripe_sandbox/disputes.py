"""Disputes: the guest asks their bank for the money back. https://docs.stripe.com/disputes/how-disputes-work"""

from collections.abc import Mapping
from typing import Literal, get_args

from stripe_sandbox import balance
from stripe_sandbox.errors import Json, refused
from stripe_sandbox.lists import page
from stripe_sandbox.sandbox import INTERNAL_CALL, Call, Sandbox

DAY = 24 * 3600
TIME_TO_ANSWER = 7 * DAY
INQUIRY = 120 * DAY
"""Seconds after which an inquiry that did not become a dispute is closed."""

FirstStatus = Literal["needs_response", "warning_needs_response", "prevented"]
Status = Literal[
    "needs_response",
    "under_review",
    "won",
    "lost",
    "warning_under_review",
    "warning_closed",
    "appeal_needs_response",
    "appeal_under_review",
]
STATUSES = {*get_args(FirstStatus), *get_args(Status)}

_APPEALS = ("appeal_needs_response", "appeal_under_review")
_DECISIONS = ("won", "lost")
_NEXT: Mapping[str, tuple[str, ...]] = {
    "warning_needs_response": ("warning_under_review", "warning_closed", "needs_response"),
    "warning_under_review": ("warning_closed", "needs_response"),
    "needs_response": ("under_review", *_DECISIONS),
    "under_review": _DECISIONS,
    "won": _APPEALS,
    "lost": _APPEALS,
    "appeal_needs_response": ("appeal_under_review", *_DECISIONS),
    "appeal_under_review": _DECISIONS,
}
_CONTESTED = ("needs_response", "under_review", *_APPEALS)
_GONE = ("lost", "prevented")


def open_dispute(
    sandbox: Sandbox,
    call: Call,
    intent: Json,
    *,
    amount: int | None = None,
    reason: str = "fraudulent",
    status: FirstStatus = "needs_response",
) -> Json:
    """Dispute what was captured, all of it unless an amount is given. Parts of one charge may be disputed apart."""
    if intent["status"] != "succeeded":
        raise refused(f"PaymentIntent {intent['id']} has a status of {intent['status']}: nothing to dispute.")
    charge = sandbox.store.get(intent["latest_charge"], "ch")
    left = charge["amount_captured"] - sum(dispute["amount"] for dispute in _of(sandbox, charge))
    if left == 0:
        raise refused(f"Charge {charge['id']} is disputed already.")
    if amount is not None and amount > left:
        raise refused(f"No more than {left} can be disputed.", param="amount")
    dispute: Json = {
        "id": sandbox.new_id("dp"),
        "object": "dispute",
        "amount": left if amount is None else amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": sandbox.seconds(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {},
        "evidence_details": {
            "due_by": None,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": status == "warning_needs_response",
        "livemode": sandbox.livemode,
        "metadata": {},
        "payment_intent": intent["id"],
        "reason": reason,
        "status": status,
    }
    charge["disputed"] = True
    sandbox.store.put(dispute)
    _wait(sandbox, dispute)
    _changed(sandbox, call, dispute, "created", was_withdrawn=False)
    return dispute


def proceed(sandbox: Sandbox, dispute: Json, status: Status) -> Json:
    """Advance a dispute: an inquiry becomes a dispute, the bank decides, one side appeals."""
    before = dispute["status"]
    if status not in _NEXT.get(before, ()):
        raise refused(f"Dispute {dispute['id']} has a status of {before}: it cannot become {status}.")
    dispute.update(status=status, is_charge_refundable=status.startswith("warning_"))
    _wait(sandbox, dispute)
    what = "closed" if status in (*_DECISIONS, "warning_closed") else "updated"
    _changed(sandbox, INTERNAL_CALL, dispute, what, was_withdrawn=_is_withdrawn(before))
    return dispute


def run_out(sandbox: Sandbox, dispute: Json) -> Json:
    """The dispute's time is over: it is lost if it was not answered; an inquiry is closed."""
    if dispute["status"] not in ("needs_response", "warning_needs_response", "warning_under_review"):
        return dispute
    dispute["evidence_details"]["past_due"] = not dispute["status"].endswith("under_review")
    return proceed(sandbox, dispute, "lost" if dispute["status"] == "needs_response" else "warning_closed")


def _wait(sandbox: Sandbox, dispute: Json) -> None:
    """Set the time by which it must be answered, and the timer for its end."""
    if dispute["status"].endswith("needs_response"):
        dispute["evidence_details"]["due_by"] = sandbox.seconds() + TIME_TO_ANSWER
    match dispute["status"]:
        case "needs_response":
            sandbox.at(dispute["evidence_details"]["due_by"], "dispute", dispute["id"])
        case "warning_needs_response":
            sandbox.at(dispute["created"] + INQUIRY, "dispute", dispute["id"])


def is_contested(sandbox: Sandbox, charge: Json) -> bool:
    """Whether a bank is deciding on it, as opposed to an inquiry."""
    return any(dispute["status"] in _CONTESTED for dispute in _of(sandbox, charge))


def taken(sandbox: Sandbox, charge: Json) -> int:
    """The amount that banks have taken back permanently."""
    return sum(dispute["amount"] for dispute in _of(sandbox, charge) if dispute["status"] in _GONE)


def _of(sandbox: Sandbox, charge: Json) -> list[Json]:
    return [dispute for dispute in sandbox.state.disputes.values() if dispute["charge"] == charge["id"]]


def _is_withdrawn(status: str) -> bool:
    return status in (*_CONTESTED, *_GONE)


def _changed(sandbox: Sandbox, call: Call, dispute: Json, what: str, *, was_withdrawn: bool) -> None:
    """Move the money and emit the events. Banks take days: no two steps of one dispute share a second."""
    steps = sandbox.state.dispute_steps
    if dispute["id"] in steps:
        sandbox.go_past(steps[dispute["id"]])
    steps[dispute["id"]] = sandbox.seconds()
    is_withdrawn = _is_withdrawn(dispute["status"])
    moves = is_withdrawn is not was_withdrawn
    if moves:
        balance.dispute_moved(sandbox, dispute, "withdrawn" if is_withdrawn else "reinstated")
    sandbox.emit(call, f"charge.dispute.{what}", dispute)
    if moves:
        funds = "funds_withdrawn" if is_withdrawn else "funds_reinstated"
        sandbox.emit(call, f"charge.dispute.{funds}", dispute)


def retrieve(sandbox: Sandbox, call: Call) -> Json:
    return sandbox.store.get(call.path["id"], "dp")


def list_all(sandbox: Sandbox, call: Call) -> Json:
    return page(sandbox, call, "dp", "/v1/disputes", filters=("payment_intent", "charge"))
