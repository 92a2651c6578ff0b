"""Translates Stripe's PaymentIntents and events into messages. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chassis.amounts import readable
from chassis.decision import Ignored
from contracts.ids import RefundId
from contracts.psp import (
    PspDisputeState,
    PspDisputeUpdated,
    PspPaymentActionRequired,
    PspPaymentCanceled,
    PspPaymentEvent,
    PspPaymentFailed,
    PspPaymentHeld,
    PspPaymentProcessing,
    PspPaymentSucceeded,
    PspRefundState,
    PspRefundUpdated,
    PspSessionOpen,
)
from psp_adapter.stripe_money import from_stripe
from psp_adapter.stripe_objects import DisputeObject, Intent, PaymentError, RefundObject, id_of, is_release

_LAST_SECOND = 253_402_300_799  # of the year 9999


@dataclass(frozen=True, slots=True)
class EventSubject:
    """The PaymentIntent of an event: contained in it, or to be fetched by its id."""

    reference: str
    embedded: Intent | None


def subject_of(event: Mapping[str, Any]) -> EventSubject | Ignored:
    """The PaymentIntent that an event concerns, or the reason why the event is irrelevant."""
    kind, subject = str(event["type"]), event["data"]["object"]
    if kind in _BY_EVENT_TYPE:
        intent = Intent.model_validate(subject)
        return EventSubject(intent.id, intent)
    if kind in _REFUND_EVENTS or kind in _DISPUTE_EVENTS:
        reference = id_of(subject.get("payment_intent"))
        return EventSubject(reference, None) if reference else Ignored("a charge without a PaymentIntent")
    return Ignored(f"no rule for events of type {kind}")


def current_type(kind: str, subject: Mapping[str, Any]) -> str | None:
    """The event type for an object that was fetched after the event, from the object's current state.

    None if its status corresponds to no event.
    """
    if kind not in _BY_EVENT_TYPE:
        return kind
    intent = Intent.model_validate(subject)
    if intent.status == "requires_payment_method":
        return "payment_intent.payment_failed" if intent.last_payment_error else None
    current = f"payment_intent.{intent.status}"
    return current if current in _BY_EVENT_TYPE else None


def report_of_event(event: Mapping[str, Any], intent: Intent) -> PspPaymentEvent | Ignored:
    """The message for an event about this intent.

    Events that move money are passed on even without our metadata, which can be removed at the PSP: the payment
    service recognises its payments by their references.
    """
    kind, subject = str(event["type"]), event["data"]["object"]
    if not intent.is_ours and kind not in _MOVES_MONEY:
        return Ignored("a payment of another system on the same account")
    at = datetime.fromtimestamp(event["created"], UTC)
    if kind in _REFUND_EVENTS and is_release(subject):
        return Ignored("an authorisation, or the rest of one, was released: no money was refunded")
    if kind in _REFUND_EVENTS:
        return report_of_refund(RefundObject.model_validate(subject), intent, at)
    if kind in _DISPUTE_EVENTS:
        return _report_of_dispute(DisputeObject.model_validate(subject), intent, at)
    return _BY_EVENT_TYPE[kind](intent, at)


def report_of_refund(refund: RefundObject, intent: Intent, at: datetime) -> PspRefundUpdated:
    """The report of a refund: one of ours by its metadata, otherwise one made in Stripe's dashboard."""
    return PspRefundUpdated(
        **_facts(intent, at),
        refund_id=RefundId(refund.metadata.get("refund_id") or f"ref_psp_{refund.id}"),
        psp_refund_id=refund.id,
        amount=from_stripe(refund.amount, refund.currency),
        state=refund_state(refund.status),
        detail=refund.failure_reason or "",
    )


def _report_of_dispute(dispute: DisputeObject, intent: Intent, at: datetime) -> PspDisputeUpdated:
    return PspDisputeUpdated(
        **_facts(intent, at),
        dispute_id=dispute.id,
        amount=from_stripe(dispute.amount, dispute.currency),
        state=dispute_state(dispute.status),
        status=dispute.status or "",
    )


_REFUND_EVENTS = frozenset(("refund.created", "refund.updated", "refund.failed"))
_REFUND_STATE: Mapping[str, PspRefundState] = {
    "succeeded": PspRefundState.SUCCEEDED,
    "pending": PspRefundState.PENDING,
    "requires_action": PspRefundState.PENDING,
    "failed": PspRefundState.FAILED,
    "canceled": PspRefundState.FAILED,
}


def refund_state(status: str | None) -> PspRefundState:
    """The stage for Stripe's refund status."""
    return _REFUND_STATE.get(status or "", PspRefundState.PENDING)


_DISPUTE_EVENTS = frozenset(
    f"charge.dispute.{what}" for what in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
)
DISPUTE_STATES: Mapping[str, PspDisputeState] = {
    "warning_needs_response": PspDisputeState.INQUIRY,
    "warning_under_review": PspDisputeState.INQUIRY,
    "warning_closed": PspDisputeState.WON,
    "needs_response": PspDisputeState.OPEN,
    "under_review": PspDisputeState.OPEN,
    "won": PspDisputeState.WON,
    "lost": PspDisputeState.LOST,
    "prevented": PspDisputeState.LOST,  # refunded by the card network's own rule: there is no dispute to answer
    "appeal_needs_response": PspDisputeState.OPEN,
    "appeal_under_review": PspDisputeState.OPEN,
}
"""Our states by Stripe's dispute statuses (https://docs.stripe.com/api/disputes/object#dispute_object-status)."""


def dispute_state(status: str | None) -> PspDisputeState:
    """Our state for Stripe's dispute status. An unknown status counts as open, so that a person looks at it."""
    return DISPUTE_STATES.get(status or "", PspDisputeState.OPEN)


def report_of_intent(intent: Intent, seen_at: datetime) -> PspPaymentEvent | None:
    """The message for the status of an intent read from the API; None if it is neither final nor new."""
    builder = _BY_STATUS.get(intent.status)
    # Webhooks count in whole seconds; a report from the API must not outrank one of the same second.
    return builder(intent, seen_at.replace(microsecond=0)) if builder else None


def _facts(intent: Intent, occurred_at: datetime) -> dict[str, Any]:
    return {
        "order_id": intent.metadata["order_id"] if intent.is_ours else "",
        "payment_id": intent.metadata["payment_id"] if intent.is_ours else "",
        "psp_reference": intent.id,
        "livemode": intent.livemode,
        "occurred_at": occurred_at,
        "is_answer": intent.is_answer,
    }


def _succeeded(intent: Intent, occurred_at: datetime) -> PspPaymentEvent:
    received = from_stripe(intent.amount_received, intent.currency)
    return PspPaymentSucceeded(**_facts(intent, occurred_at), amount_received=received)


def _failed(intent: Intent, occurred_at: datetime) -> PspPaymentEvent:
    error = intent.last_payment_error or PaymentError()
    return PspPaymentFailed(
        **_facts(intent, occurred_at),
        code=error.decline_code or error.code or "unknown",
        detail=error.message or "The payment did not go through.",
    )


def _processing(intent: Intent, occurred_at: datetime) -> PspPaymentEvent:
    return PspPaymentProcessing(**_facts(intent, occurred_at))


def _canceled(intent: Intent, occurred_at: datetime) -> PspPaymentEvent:
    return PspPaymentCanceled(**_facts(intent, occurred_at))


def _open(intent: Intent, occurred_at: datetime) -> PspPaymentEvent:
    return PspSessionOpen(**_facts(intent, occurred_at))


def _action_required(intent: Intent, occurred_at: datetime) -> PspPaymentEvent:
    missing = _instructions(intent).get("amount_remaining")
    if isinstance(missing, int) and 0 < missing < intent.amount:
        return _partially_funded(intent, occurred_at)
    return PspPaymentActionRequired(**_facts(intent, occurred_at), payable_until=_payable_until(intent))


def _instructions(intent: Intent) -> Mapping[str, Any]:
    """The payment instructions that the guest was shown: a voucher, a code, an account to transfer to."""
    shown = intent.next_action.get(str(intent.next_action.get("type")))
    return shown if isinstance(shown, Mapping) else {}


def _payable_until(intent: Intent) -> datetime | None:
    """The latest expiry in the instructions or a part of them, in Unix seconds."""
    shown = _instructions(intent)
    parts = (shown, *(part for part in shown.values() if isinstance(part, Mapping)))
    named = (part.get(name) for part in parts for name in ("expires_after", "expires_at"))
    moments = [moment for moment in named if type(moment) is int and 0 < moment <= _LAST_SECOND]
    return datetime.fromtimestamp(max(moments), UTC) if moments else None


def _capture_before(intent: Intent) -> datetime | None:
    moment = intent.capture_before
    return datetime.fromtimestamp(moment, UTC) if moment is not None and 0 < moment <= _LAST_SECOND else None


def _partially_funded(intent: Intent, occurred_at: datetime) -> PspPaymentEvent:
    missing = _instructions(intent).get("amount_remaining")
    still = from_stripe(missing, intent.currency) if isinstance(missing, int) else None
    how_much = f": {readable(still)} are missing" if still else ""
    detail = f"the guest's bank transfer pays for a part of the order only{how_much} ({intent.id})"
    return PspPaymentHeld(**_facts(intent, occurred_at), is_authorised_only=False, detail=detail)


def _authorised(intent: Intent, occurred_at: datetime) -> PspPaymentEvent:
    detail = f"the payment is authorised and not captured ({intent.id})"
    return PspPaymentHeld(
        **_facts(intent, occurred_at),
        is_authorised_only=True,
        detail=detail,
        authorised=from_stripe(intent.amount_capturable, intent.currency),
        capture_before=_capture_before(intent),
    )


_Builder = Callable[[Intent, datetime], PspPaymentEvent]

_BY_STATUS: Mapping[str, _Builder] = {
    "succeeded": _succeeded,
    "processing": _processing,
    "canceled": _canceled,
    "requires_action": _action_required,
    "requires_capture": _authorised,
    "requires_payment_method": _open,
    "requires_confirmation": _open,
}


def _capturable(intent: Intent, occurred_at: datetime) -> PspPaymentEvent:
    """The event reports both that an amount can be captured and that it no longer can: the status tells which."""
    return _BY_STATUS.get(intent.status, _open)(intent, occurred_at)


_BY_EVENT_TYPE: Mapping[str, _Builder] = {
    "payment_intent.succeeded": _succeeded,
    "payment_intent.processing": _processing,
    "payment_intent.payment_failed": _failed,
    "payment_intent.canceled": _canceled,
    "payment_intent.requires_action": _action_required,
    "payment_intent.partially_funded": _partially_funded,
    "payment_intent.amount_capturable_updated": _capturable,
}

_MOVES_MONEY = frozenset(
    (
        "payment_intent.succeeded",
        "payment_intent.partially_funded",
        "payment_intent.amount_capturable_updated",
        *_REFUND_EVENTS,
        *_DISPUTE_EVENTS,
    )
)

EVENT_TYPES = (*_BY_EVENT_TYPE, *sorted(_REFUND_EVENTS), *sorted(_DISPUTE_EVENTS))
"""The relevant types of Stripe's events."""
