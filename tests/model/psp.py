"""A PSP small enough to explore: PaymentIntents, refunds and one dispute with its appeals, and what it reports.

What it says goes through the adapter's own pure translation, so the messages are those of production.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from chassis.decision import Ignored
from contracts.ids import OrderId, RefundId, payment_id_of
from contracts.message import Event
from contracts.money import Money
from contracts.psp import CreatePspSession, PspRefundRefused, PspSessionCreated
from psp_adapter.translate import Intent, RefundObject, report_of_event, report_of_intent, report_of_refund

NOW = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
ORDER_ID = OrderId("ord_model")
PAYMENT_ID = payment_id_of(ORDER_ID)
TOTAL = 100
PART = 40
UNPAID = ("requires_payment_method", "requires_action")
CONTESTED = ("needs_response", "appeal_needs_response")
TAKEN = ("lost", "prevented")


class Session(NamedTuple):
    """A PaymentIntent: its status in Stripe's word, what it captured, the number it was asked for with.

    `told`: the adapter got an answer that names it. Without one nobody has its secret, and nobody can pay it.
    """

    status: str = "requires_payment_method"
    captured: int = 0
    asked_no: int = 1
    told: bool = True


class Refund(NamedTuple):
    """`first` is what the PSP answered when it was made: a repeated request is answered the same."""

    refund_id: str
    session_no: int
    amount: int
    state: str
    first: str


class Psp(NamedTuple):
    """Everything the PSP knows. `seconds` is its clock, which moves with what happens there."""

    sessions: tuple[Session, ...] = ()
    refunds: tuple[Refund, ...] = ()
    disputed: int = 0
    dispute: str = ""
    dispute_amount: int = 0
    seconds: int = 0

    def returned(self, session_no: int) -> int:
        """What was given back of a session, or is on its way."""
        return sum(refund.amount for refund in self.refunds if refund.session_no == session_no and _counts(refund))

    def held(self, session_no: int) -> int:
        """What the PSP still holds for us of a session. Disputed money is the bank's until the dispute is won."""
        left = self.sessions[session_no - 1].captured - self.returned(session_no)
        return max(0, left - self.taken(session_no, *CONTESTED, *TAKEN))

    def taken(self, session_no: int, *states: str) -> int:
        """What a dispute in one of these states is about."""
        return self.dispute_amount if self.disputed == session_no and self.dispute in states else 0

    @property
    def held_in_all(self) -> int:
        return sum(self.held(number) for number in range(1, len(self.sessions) + 1))

    @property
    def captured_in_all(self) -> int:
        return sum(session.captured for session in self.sessions)

    @property
    def is_settling(self) -> bool:
        """Whether it is going to say more by itself."""
        return any(session.status == "processing" for session in self.sessions) or any(
            refund.state == "pending" for refund in self.refunds
        )


class Happened(NamedTuple):
    """What the PSP is after something happened there, and the webhooks it sends."""

    psp: Psp
    webhooks: tuple[Event, ...] = ()


def reference(session_no: int) -> str:
    return f"pi_{session_no}"


def number_of(psp_reference: str) -> int:
    return int(psp_reference.removeprefix("pi_"))


# What happens there


def changed(psp: Psp, session_no: int, status: str, told: str, tick: int, captured: int = 0) -> Happened:
    """A session gets another status, and the webhook `told` says so."""
    sessions = list(psp.sessions)
    sessions[session_no - 1] = sessions[session_no - 1]._replace(status=status, captured=captured)
    after = psp._replace(sessions=tuple(sessions), seconds=psp.seconds + tick)
    return Happened(after, (_webhook(after, session_no, told, {}),))


def refund_changed(psp: Psp, refund_id: str, state: str, tick: int) -> Happened:
    refunds = tuple(each._replace(state=state) if each.refund_id == refund_id else each for each in psp.refunds)
    after = psp._replace(refunds=refunds, seconds=psp.seconds + tick)
    return Happened(after, (_refund_webhook(after, refund_id, "refund.updated"),))


def refunded(psp: Psp, refund_id: str, session_no: int, amount: int, state: str, tick: int) -> Happened:
    """Money goes back. The caller has looked whether it may."""
    refund = Refund(refund_id, session_no, amount, state, state)
    after = psp._replace(refunds=tuple(sorted((*psp.refunds, refund))), seconds=psp.seconds + tick)
    return Happened(after, (_refund_webhook(after, refund_id, "refund.created"),))


def refusal(psp: Psp, session_no: int, amount: int) -> str:
    """Why the PSP would not refund this; empty when it would."""
    session = psp.sessions[session_no - 1]
    if session.status != "succeeded":
        return "nothing was captured"
    if psp.taken(session_no, *CONTESTED):
        return "charge_disputed"
    return "more than is left" if amount > psp.held(session_no) else ""


def dispute_changed(psp: Psp, session_no: int, state: str, tick: int, amount: int = 0) -> Happened:
    """A dispute is opened about this amount, all of it by default, or goes on about what it is about."""
    amount = psp.dispute_amount or amount or psp.sessions[session_no - 1].captured
    after = psp._replace(disputed=session_no, dispute=state, dispute_amount=amount, seconds=psp.seconds + tick)
    subject = {"id": "dp_1", "amount": amount, "currency": "eur", "status": state}
    return Happened(after, (_webhook(after, session_no, "charge.dispute.updated", subject),))


# What it answers


def session_asked(psp: Psp, asked: CreatePspSession, *, forgotten: bool) -> tuple[Psp, PspSessionCreated]:
    """A session is opened, or the one named that was opened under this key before, unless the key was forgotten."""
    known = [number for number, each in enumerate(psp.sessions, start=1) if each.asked_no == asked.session_no]
    if known and not forgotten:
        return _with_told(psp, known[-1], told=True), session_created(asked, known[-1])
    after = psp._replace(sessions=(*psp.sessions, Session(asked_no=asked.session_no)))
    return after, session_created(asked, len(after.sessions))


def untold(before: Psp, after: Psp) -> Psp:
    """What was done without an answer: a session that was opened so, or asked for again, has no name here by that."""
    was_told = (*(each.told for each in before.sessions), *(False for _ in after.sessions[len(before.sessions) :]))
    sessions = zip(after.sessions, was_told, strict=True)
    return after._replace(sessions=tuple(each._replace(told=told) for each, told in sessions))


def _with_told(psp: Psp, number: int, *, told: bool) -> Psp:
    sessions = list(psp.sessions)
    sessions[number - 1] = sessions[number - 1]._replace(told=told)
    return psp._replace(sessions=tuple(sessions))


def session_created(asked: CreatePspSession, number: int) -> PspSessionCreated:
    """The answer to opening a session: the same one, whatever became of the session since."""
    return PspSessionCreated(
        order_id=ORDER_ID,
        payment_id=PAYMENT_ID,
        session_no=asked.session_no,
        psp_reference=reference(number),
        amount=Money(amount=TOTAL, currency="EUR"),
        livemode=False,
        sealed_client_secret=f"sealed {number}",
    )


def report(psp: Psp, session_no: int, ahead: int) -> Event | None:
    """What asking for a session is answered with. `ahead`: how far our clock is before the PSP's, in seconds."""
    return report_of_intent(_answer(psp, session_no), _at(psp, ahead))


def refund_report(psp: Psp, refund: Refund, ahead: int) -> Event:
    """What asking for a refund is answered with: as it was when it was made, for a repeated request too."""
    as_first = refund._replace(state=refund.first)
    return report_of_refund(_refund_object(as_first), _answer(psp, refund.session_no), _at(psp, ahead))


def refund_refused(refund_id: RefundId, why: str) -> PspRefundRefused:
    return PspRefundRefused(order_id=ORDER_ID, payment_id=PAYMENT_ID, refund_id=refund_id, detail=why)


def _counts(refund: Refund) -> bool:
    return refund.state != "failed"


def _at(psp: Psp, ahead: int = 0) -> datetime:
    return NOW + timedelta(seconds=psp.seconds + ahead)


def _intent(psp: Psp, session_no: int) -> Intent:
    session = psp.sessions[session_no - 1]
    return Intent(
        id=reference(session_no),
        status=session.status,
        amount=TOTAL,
        currency="eur",
        amount_received=session.captured,
        livemode=False,
        metadata={"order_id": ORDER_ID, "payment_id": PAYMENT_ID},
    )


def _answer(psp: Psp, session_no: int) -> Intent:
    return _intent(psp, session_no).model_copy(update={"is_answer": True})


def _refund_object(refund: Refund) -> RefundObject:
    metadata = {} if refund.refund_id.startswith("re_") else {"refund_id": refund.refund_id}
    return RefundObject(
        id=refund.refund_id, amount=refund.amount, currency="eur", status=refund.state, metadata=metadata
    )


def _refund_webhook(psp: Psp, refund_id: str, told: str) -> Event:
    refund = next(each for each in psp.refunds if each.refund_id == refund_id)
    return _webhook(psp, refund.session_no, told, _refund_object(refund).model_dump())


def _webhook(psp: Psp, session_no: int, told: str, subject: dict[str, Any]) -> Event:
    intent = _intent(psp, session_no)
    event = {"type": told, "created": _at(psp).timestamp(), "data": {"object": subject or intent.model_dump()}}
    message = report_of_event(event, intent)
    if isinstance(message, Ignored):
        raise AssertionError(f"the adapter has no rule for {told}: {message.reason}")
    return message
