"""A PSP small enough to explore: PaymentIntents, refunds and one dispute with its appeals, and what it reports.

What it says goes through the adapter's own pure translation, so the messages are those of production.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from chassis.decision import Ignored
from contracts.ids import OrderId, payment_id_of
from contracts.message import Event
from contracts.money import Money
from contracts.psp import CreatePspRefund, CreatePspSession, PspRefundRefused, PspSessionCreated
from contracts.psp_accounts import DEFAULT_ACCOUNT
from psp_adapter.stripe_objects import Intent, RefundObject
from psp_adapter.translate import report_of_event, report_of_intent, report_of_refund

NOW = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
ORDER_ID = OrderId("ord_model")
PAYMENT_ID = payment_id_of(ORDER_ID)
TOTAL = 100
PART = 40
UNPAID = ("requires_payment_method", "requires_action")
AUTHORISED = "requires_capture"
"""The money is authorised and not taken: as asked for, or because the capture method was changed in the dashboard."""
CANCELLABLE = (*UNPAID, AUTHORISED)
GONE = "gone"
"""Of a session that the PSP does not know any more: of another account or mode, or deleted."""
OURS, REMOVED, FOREIGN = "ours", "removed", "foreign"
"""What the metadata of a session says, which people can edit in the PSP's dashboard."""
PAYABLE_FOR = timedelta(days=3)
"""How long a voucher can be paid."""
CONTESTED = ("needs_response", "appeal_needs_response")
TAKEN = ("lost", "prevented")
SEASIDE = "seaside"
"""An account beside the default one."""


SaidT = TypeVar("SaidT", Event, Event | None)


class Session(NamedTuple):
    """A PaymentIntent: its status in Stripe's word, what it captured, the number it was asked for with.

    `answered`: the adapter got an answer that names it. Without one no guest has its secret or can pay it.
    """

    status: str = "requires_payment_method"
    captured: int = 0
    asked_no: int = 1
    answered: bool = True
    metadata: str = OURS
    is_voucher: bool = False
    is_manual: bool = False
    """Paying it authorises the money; it is captured later, or never."""
    is_by_hand: bool = False
    """It was captured in the dashboard."""
    account: str = DEFAULT_ACCOUNT


class Refund(NamedTuple):
    """`first` is what the PSP answered when it was made: a repeated request is answered the same."""

    refund_id: str
    session_no: int
    amount: int
    state: str
    first: str
    copy: int = 1
    """Which of the refunds under one id it is: the PSP gives each an id of its own."""
    is_named: bool = True
    """Whether its metadata still has our id."""

    @property
    def is_ours(self) -> bool:
        return not self.refund_id.startswith("re_")

    @property
    def psp_id(self) -> str:
        return self.refund_id if self.copy == 1 else f"{self.refund_id}.{self.copy}"


class Psp(NamedTuple):
    """Everything the PSP knows. `seconds` is its clock, which moves with what happens there."""

    sessions: tuple[Session, ...] = ()
    refunds: tuple[Refund, ...] = ()
    disputed: int = 0
    dispute: str = ""
    dispute_amount: int = 0
    seconds: int = 0
    stored: tuple[str, ...] = ()
    """Idempotency keys under which it has stored a failure, which it repeats."""
    late: tuple[str, ...] = ()
    """Refunds about which it has said nothing for two weeks, since they were asked for the last time."""

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
        return any(session.status == "processing" or session.is_voucher for session in self.sessions) or any(
            refund.state == "pending" for refund in self.refunds
        )

    @property
    def has_voucher(self) -> bool:
        """Whether a voucher can still be paid."""
        return any(session.is_voucher for session in self.sessions)

    def opened_by(self, command: CreatePspSession) -> list[int]:
        """The numbers of the sessions opened under this command's idempotency key; each account has its own keys."""
        asked = command.session_no, command.psp_account
        return [number for number, each in enumerate(self.sessions, start=1) if (each.asked_no, each.account) == asked]

    def seen_at(self, account: str) -> "Psp":
        """What one account knows. A session of another one keeps its number, and is as if it had never been paid."""
        elsewhere = [number for number, each in enumerate(self.sessions, start=1) if each.account != account]
        if not elsewhere:
            return self
        seen = self._replace(refunds=tuple(each for each in self.refunds if each.session_no not in elsewhere))
        for number in elsewhere:
            seen = seen.with_session(number, status="canceled", captured=0)
        return seen._replace(disputed=0, dispute="", dispute_amount=0) if self.disputed in elsewhere else seen

    def with_session(self, number: int, **changes: Any) -> "Psp":
        sessions = list(self.sessions)
        sessions[number - 1] = sessions[number - 1]._replace(**changes)
        return self._replace(sessions=tuple(sessions))


class Happened(NamedTuple):
    """What the PSP is after something happened there, and the webhooks it sends."""

    psp: Psp
    webhooks: tuple[Event, ...] = ()


def reference(session_no: int) -> str:
    return f"pi_{session_no}"


def number_of(psp_reference: str) -> int:
    return int(psp_reference.removeprefix("pi_"))


# What happens there


def changed(
    psp: Psp, session_no: int, status: str, event_type: str, tick: int, captured: int = 0, *, is_voucher: bool = False
) -> Happened:
    """A session gets another status, reported by a webhook of `event_type`."""
    after = psp.with_session(session_no, status=status, captured=captured, is_voucher=is_voucher)
    after = after._replace(seconds=psp.seconds + tick)
    return Happened(after, _webhook(after, session_no, event_type, {}))


def refund_changed(psp: Psp, refund: Refund, tick: int, **changes: Any) -> Happened:
    """A refund gets another state, or loses its metadata."""
    changed_one = refund._replace(**changes)
    refunds = tuple(changed_one if each == refund else each for each in psp.refunds)
    after = psp._replace(refunds=refunds, seconds=psp.seconds + tick)
    return Happened(after, _refund_webhook(after, changed_one, "refund.updated"))


def paid_elsewhere(psp: Psp, asked_no: int, tick: int) -> Happened:
    """A second session of the payment is paid, as after its idempotency key was forgotten."""
    return _second_paid(psp, Session(asked_no=asked_no, account=psp.sessions[0].account), tick)


def paid_at_another_account(psp: Psp, tick: int) -> Happened:
    """A session of the payment is paid that an adapter of an older version has opened at another account."""
    other = DEFAULT_ACCOUNT if psp.sessions[0].account != DEFAULT_ACCOUNT else SEASIDE
    return _second_paid(psp, Session(account=other), tick)


def _second_paid(psp: Psp, second: Session, tick: int) -> Happened:
    opened = psp._replace(sessions=(*psp.sessions, second))
    number = len(opened.sessions)
    paid = changed(opened, number, "succeeded", "payment_intent.succeeded", tick, TOTAL)
    return Happened(paid.psp, (session_created(paid.psp, number), *paid.webhooks))


def refunded(psp: Psp, refund_id: str, session_no: int, amount: int, state: str, tick: int) -> Happened:
    """Money goes back. The caller has looked whether it may."""
    copies = sum(each.refund_id == refund_id for each in psp.refunds)
    refund = Refund(refund_id, session_no, amount, state, state, copy=copies + 1)
    after = psp._replace(refunds=tuple(sorted((*psp.refunds, refund))), seconds=psp.seconds + tick)
    return Happened(after, _refund_webhook(after, refund, "refund.created"))


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
    return Happened(after, _webhook(after, session_no, "charge.dispute.updated", subject))


# What it answers


def session_asked(psp: Psp, asked: CreatePspSession, *, forgotten: bool) -> tuple[Psp, PspSessionCreated]:
    """A session is opened, or the one named that was opened under this key before, unless the key was forgotten."""
    known = psp.opened_by(asked)
    if known and not forgotten:
        return psp.with_session(known[-1], answered=True), session_created(psp, known[-1])
    opened = Session(asked_no=asked.session_no, is_manual=asked.is_captured_later, account=asked.psp_account)
    after = psp._replace(sessions=(*psp.sessions, opened))
    return after, session_created(after, len(after.sessions))


def unanswered(before: Psp, after: Psp) -> Psp:
    """What was done without an answer: a session that was opened so, or asked for again, has no name here by that."""
    was_answered = (
        *(each.answered for each in before.sessions),
        *(False for _ in after.sessions[len(before.sessions) :]),
    )
    sessions = zip(after.sessions, was_answered, strict=True)
    return after._replace(sessions=tuple(each._replace(answered=answered) for each, answered in sessions))


def session_created(psp: Psp, number: int) -> PspSessionCreated:
    """The answer to opening a session: the same one, whatever became of the session since."""
    session = psp.sessions[number - 1]
    return PspSessionCreated(
        order_id=ORDER_ID,
        payment_id=PAYMENT_ID,
        psp_account=session.account,
        session_no=session.asked_no,
        psp_reference=reference(number),
        amount=Money(amount=TOTAL, currency="EUR"),
        livemode=False,
        sealed_client_secret=f"sealed {number}",
    )


def report(psp: Psp, session_no: int, ahead: int) -> Event | None:
    """What asking for a session is answered with. `ahead`: how far our clock is before the PSP's, in seconds."""
    return _at_its_account(psp, session_no, report_of_intent(_answer(psp, session_no), _at(psp, ahead)))


def refund_report(psp: Psp, refund: Refund, ahead: int) -> Event:
    """What asking for a refund is answered with: as it was when it was made, for a repeated request too."""
    as_first = refund._replace(state=refund.first)
    answer = report_of_refund(_refund_object(as_first), _answer(psp, refund.session_no), _at(psp, ahead))
    return _at_its_account(psp, refund.session_no, answer)


def refund_refused(asked: CreatePspRefund, why: str) -> PspRefundRefused:
    return PspRefundRefused(
        order_id=ORDER_ID,
        payment_id=PAYMENT_ID,
        psp_account=asked.psp_account,
        refund_id=asked.refund_id,
        detail=why,
    )


def _at_its_account(psp: Psp, session_no: int, said: SaidT) -> SaidT:
    """What is said of a session names the session's account."""
    return said and said.model_copy(update={"psp_account": psp.sessions[session_no - 1].account})


def _counts(refund: Refund) -> bool:
    return refund.state != "failed"


def _at(psp: Psp, ahead: int = 0) -> datetime:
    return NOW + timedelta(seconds=psp.seconds + ahead)


_METADATA = {
    OURS: {"order_id": ORDER_ID, "payment_id": PAYMENT_ID},
    REMOVED: {},
    FOREIGN: {"order_id": "ord_another", "payment_id": "pay_another"},
}


def intent(psp: Psp, session_no: int) -> Intent:
    session = psp.sessions[session_no - 1]
    voucher = {"type": "boleto_display_details", "boleto_display_details": {"expires_at": PAYABLE_UNTIL}}
    return Intent(
        id=reference(session_no),
        status=session.status,
        amount=TOTAL,
        currency="eur",
        amount_received=session.captured,
        amount_capturable=TOTAL if session.status == AUTHORISED else 0,
        livemode=False,
        metadata=_METADATA[session.metadata],
        next_action=voucher if session.is_voucher else {},
    )


PAYABLE_UNTIL = int((NOW + PAYABLE_FOR).timestamp())


def _answer(psp: Psp, session_no: int) -> Intent:
    return intent(psp, session_no).model_copy(update={"metadata": _METADATA[OURS], "is_answer": True})


def _refund_object(refund: Refund) -> RefundObject:
    metadata = {"refund_id": refund.refund_id} if refund.is_ours and refund.is_named else {}
    return RefundObject(id=refund.psp_id, amount=refund.amount, currency="eur", status=refund.state, metadata=metadata)


def _refund_webhook(psp: Psp, refund: Refund, event_type: str) -> tuple[Event, ...]:
    return _webhook(psp, refund.session_no, event_type, _refund_object(refund).model_dump())


def _webhook(psp: Psp, session_no: int, event_type: str, subject: dict[str, Any]) -> tuple[Event, ...]:
    """What the adapter makes of it: nothing, where it does not move money and claims no payment of ours."""
    about = intent(psp, session_no)
    event = {"type": event_type, "created": _at(psp).timestamp(), "data": {"object": subject or about.model_dump()}}
    message = report_of_event(event, about)
    if not isinstance(message, Ignored):
        return (_at_its_account(psp, session_no, message),)
    if about.is_ours:
        raise AssertionError(f"the adapter has no rule for {event_type}: {message.reason}")
    return ()
