"""Polling of the PSP: the time of the next poll, and when polling ends in a review."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.decision import Applied, Decision, Ignored, Outgoing, Stale
from contracts.payments import PaymentUnresolved, RefundStage
from contracts.psp import CreatePspRefund, PspOutcomeUnknown
from payment_service.payment import psp_requests
from payment_service.payment.state import Payment, PaymentStage, Refund

OPEN_POLL = timedelta(minutes=10)
"""Open payments older than this are polled, so that a lost webhook is found."""

SETTLING_POLL = timedelta(hours=1)
UNKNOWN_POLLS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), *([timedelta(days=1)] * 7))
"""Intervals of polls after a time-out. After the last, a person must decide.

Polls of an open payment that get no reply, because the adapter is down or rejected by the PSP, are repeated at the same
intervals, so that they do not pile up, and end in the same way.
"""

REFUSED_POLLS = 3
"""The number of these intervals after which a person must decide if the PSP refuses to close or show the session."""


REFUND_ANSWER = timedelta(days=7)
"""A refund without any answer for this long needs a person."""

REFUND_SETTLEMENT = timedelta(days=14)
"""So does one that the PSP has not settled for this long; a bank may take ten days."""


@dataclass(frozen=True, slots=True)
class Polls:
    """The intervals at which the PSP is polled."""

    open: timedelta = OPEN_POLL
    settling: timedelta = SETTLING_POLL
    unknown: tuple[timedelta, ...] = UNKNOWN_POLLS
    refund_answer: timedelta = REFUND_ANSWER
    refund_settlement: timedelta = REFUND_SETTLEMENT

    def step(self, payment: Payment) -> timedelta:
        """The interval from the last poll to the next."""
        return self.unknown[min(payment.polls, len(self.unknown) - 1)]

    def are_over(self, payment: Payment) -> bool:
        """Whether the polls of this payment have been without result for so long that polling ends."""
        return payment.polls >= (REFUSED_POLLS if payment.is_refused else len(self.unknown))

    def scaled(self, factor: float) -> "Polls":
        """All intervals multiplied by a factor."""
        return Polls(
            self.open * factor,
            self.settling * factor,
            tuple(step * factor for step in self.unknown),
            self.refund_answer * factor,
            self.refund_settlement * factor,
        )

    def refund_deadline(self, refund: Refund, now: datetime) -> datetime | None:
        """The time at which a refund without outcome needs a person; None if that time has already passed."""
        patience = {RefundStage.REQUESTED: self.refund_answer, RefundStage.PENDING: self.refund_settlement}
        if refund.unresolved or refund.stage not in patience:
            return None
        return (refund.asked_at or now) + patience[refund.stage]


DEFAULT = Polls()

_DETAIL_KEPT = 300

_OPEN = (
    PaymentStage.CREATED,
    PaymentStage.SESSION_OPEN,
    PaymentStage.ACTION_REQUIRED,
    PaymentStage.CAPTURING,
    PaymentStage.CLOSING,
)
_SETTLING = (PaymentStage.PROCESSING, PaymentStage.AUTHORISED)


def with_next_poll(payment: Payment, now: datetime, polls: Polls = DEFAULT) -> Payment:
    """The payment with the time of its next poll, if there is one."""
    times = (_next_poll(payment, now, polls), *(polls.refund_deadline(refund, now) for refund in payment.refunds))
    return payment.model_copy(update={"due_at": min((at for at in times if at is not None), default=None)})


def _next_poll(payment: Payment, now: datetime, polls: Polls) -> datetime | None:
    step = polls.step(payment)
    if any(refund.stage is RefundStage.REQUESTED for refund in payment.refunds):
        return now + step
    if polls.are_over(payment):
        return None
    if payment.status is PaymentStage.UNKNOWN:
        return now + step
    if payment.status in _OPEN or payment.unclosed:
        return now + max(step, polls.open)
    if payment.status in _SETTLING:
        return now + max(step, polls.settling)
    return None


def psp_timed_out(payment: Payment, event: PspOutcomeUnknown) -> Decision[Payment]:
    """The outcome of a request is unknown until the PSP reports it.

    A time-out is no reply, so the polls that came before it count; after the first refusal at least one more follows.
    """
    if event.asked == CreatePspRefund.wire_kind():
        return Applied(payment)
    because = {"unknown_because": event.detail[:_DETAIL_KEPT], "is_refused": event.is_refused}
    is_first_refusal = event.is_refused and not payment.is_refused
    if is_first_refusal:
        because["polls"] = min(payment.polls, REFUSED_POLLS - 1)
    if payment.status is PaymentStage.UNKNOWN and is_first_refusal:
        return Applied(payment.model_copy(update=because))
    if payment.status not in (*_OPEN, *_SETTLING):
        return Stale(f"the payment is {payment.status} already")
    unknown = {"status": PaymentStage.UNKNOWN, "before_unknown": payment.status, **because}
    return Applied(payment.model_copy(update=unknown))


def resolved(payment: Payment) -> Payment:
    """The PSP has answered: the payment returns to its status before the time-outs."""
    if payment.status is not PaymentStage.UNKNOWN:
        return payment.model_copy(update={"polls": 0})
    before = payment.before_unknown or PaymentStage.CREATED
    if before is PaymentStage.CREATED and payment.session is not None:
        before = PaymentStage.SESSION_OPEN
    return payment.model_copy(update={"status": before, "before_unknown": None, "is_refused": False, "polls": 0})


def poll(payment: Payment, now: datetime, polls: Polls = DEFAULT) -> Decision[Payment]:
    if payment.due_at is None or now < payment.due_at:
        return Stale("the poll was moved")
    looked_at = tuple(_looked_at(refund, now, polls) for refund in payment.refunds)
    asked = payment.model_copy(update={"polls": payment.polls + 1, "refunds": looked_at})
    messages: list[Outgoing] = [
        _refund_unresolved(payment, new)
        for new, old in zip(looked_at, payment.refunds, strict=True)
        if new.unresolved and not old.unresolved
    ]
    messages += [
        psp_requests.create_refund(payment, refund)
        for refund in payment.refunds
        if refund.stage is RefundStage.REQUESTED
    ]
    if not polls.are_over(payment):
        messages += [psp_requests.close(payment, reference) for reference in payment.unclosed]
        question = _question(payment)
        if question is not None and polls.are_over(asked):
            messages.append(_unresolved(payment))
        elif question is not None:
            messages.append(question)
    if not messages and looked_at == payment.refunds:
        return Ignored("nothing is open with the PSP")
    return Applied(asked, tuple(messages))


def _looked_at(refund: Refund, now: datetime, polls: Polls) -> Refund:
    """A refund at the time of a poll: if it has no time, from an older version, its wait begins now."""
    deadline = polls.refund_deadline(refund, now)
    if deadline is None:
        return refund
    is_late = refund.asked_at is not None and now >= deadline
    return refund.model_copy(update={"asked_at": refund.asked_at or now, "unresolved": is_late})


def _refund_unresolved(payment: Payment, refund: Refund) -> PaymentUnresolved:
    detail = "the PSP has not said whether it made this refund; look it up in its dashboard"
    if refund.stage is RefundStage.PENDING:
        detail = "the PSP has this refund and has not settled it; ask the PSP about it"
    return PaymentUnresolved(
        order_id=payment.order_id,
        payment_id=payment.payment_id,
        detail=detail,
        refund_id=refund.refund_id,
        amount=refund.amount,
        is_second_charge=payment.is_second_charge(refund.psp_reference),
    )


def _unresolved(payment: Payment) -> PaymentUnresolved:
    if payment.is_refused:
        detail = (
            "the PSP refuses what it is asked about the session of this payment; it may be of another account or mode "
            "than the key in use, or was deleted: look it up in the dashboard"
        )
    else:
        detail = "the PSP has said nothing about this payment for a week; look it up in its dashboard"
    if payment.unknown_because:
        detail = f"{detail} ({payment.unknown_because})"
    return PaymentUnresolved(order_id=payment.order_id, payment_id=payment.payment_id, detail=detail)


def _question(payment: Payment) -> Outgoing | None:
    stage = payment.before_unknown if payment.status is PaymentStage.UNKNOWN else payment.status
    if stage not in (*_OPEN, *_SETTLING):
        return None
    if payment.session is None:
        return psp_requests.create(payment)
    if stage is PaymentStage.CLOSING:
        return psp_requests.close(payment, payment.session.psp_reference)
    if stage is PaymentStage.CAPTURING:
        return psp_requests.capture(payment, payment.session.psp_reference)
    return psp_requests.retrieve(payment, payment.session.psp_reference)
