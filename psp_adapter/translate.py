"""Stripe's facts in the bus's words: a pure translation of PaymentIntents and webhook events."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from chassis.decision import Ignored
from contracts.psp import (
    PspPaymentActionRequired,
    PspPaymentCanceled,
    PspPaymentEvent,
    PspPaymentFailed,
    PspPaymentProcessing,
    PspPaymentSucceeded,
)
from psp_adapter.stripe_money import from_stripe


class _PaymentError(BaseModel):
    code: str | None = None
    decline_code: str | None = None
    message: str | None = None


class Intent(BaseModel):
    """The fields of a Stripe PaymentIntent that mean something to us (https://docs.stripe.com/api/payment_intents/object)."""

    id: str
    status: str
    amount: int
    currency: str
    amount_received: int = 0
    livemode: bool
    client_secret: str | None = Field(default=None, repr=False)
    metadata: Mapping[str, str] = Field(default_factory=dict)
    last_payment_error: _PaymentError | None = None

    @property
    def is_ours(self) -> bool:
        """Whether this system opened it: an account may be shared with others."""
        return "order_id" in self.metadata and "payment_id" in self.metadata


def report_of_event(event: Mapping[str, Any]) -> PspPaymentEvent | Ignored:
    """What a webhook event says, or why it says nothing to us."""
    builder = _BY_EVENT_TYPE.get(event["type"])
    if builder is None:
        return Ignored(f"no rule for events of type {event['type']}")
    intent = Intent.model_validate(event["data"]["object"])
    if not intent.is_ours:
        return Ignored("a payment of another system on the same account")
    return builder(intent, datetime.fromtimestamp(event["created"], UTC))


def report_of_intent(intent: Intent, seen_at: datetime) -> PspPaymentEvent | None:
    """What an intent's own status says, for intents read from the API; None when it says nothing final or new."""
    builder = _BY_STATUS.get(intent.status)
    # Webhooks count in whole seconds; a report from the API must not outrank one of the same second.
    return builder(intent, seen_at.replace(microsecond=0)) if builder else None


def _facts(intent: Intent, occurred_at: datetime) -> dict[str, Any]:
    return {
        "order_id": intent.metadata["order_id"],
        "payment_id": intent.metadata["payment_id"],
        "psp_reference": intent.id,
        "livemode": intent.livemode,
        "occurred_at": occurred_at,
    }


def _succeeded(intent: Intent, occurred_at: datetime) -> PspPaymentEvent:
    received = from_stripe(intent.amount_received, intent.currency)
    return PspPaymentSucceeded(**_facts(intent, occurred_at), amount_received=received)


def _failed(intent: Intent, occurred_at: datetime) -> PspPaymentEvent:
    error = intent.last_payment_error or _PaymentError()
    return PspPaymentFailed(
        **_facts(intent, occurred_at),
        code=error.decline_code or error.code or "unknown",
        detail=error.message or "The payment did not go through.",
    )


def _processing(intent: Intent, occurred_at: datetime) -> PspPaymentEvent:
    return PspPaymentProcessing(**_facts(intent, occurred_at))


def _canceled(intent: Intent, occurred_at: datetime) -> PspPaymentEvent:
    return PspPaymentCanceled(**_facts(intent, occurred_at))


def _action_required(intent: Intent, occurred_at: datetime) -> PspPaymentEvent:
    return PspPaymentActionRequired(**_facts(intent, occurred_at))


_Builder = Callable[[Intent, datetime], PspPaymentEvent]

_BY_STATUS: Mapping[str, _Builder] = {
    "succeeded": _succeeded,
    "processing": _processing,
    "canceled": _canceled,
    "requires_action": _action_required,
}

_BY_EVENT_TYPE: Mapping[str, _Builder] = {
    "payment_intent.succeeded": _succeeded,
    "payment_intent.processing": _processing,
    "payment_intent.payment_failed": _failed,
    "payment_intent.canceled": _canceled,
    "payment_intent.requires_action": _action_required,
}
