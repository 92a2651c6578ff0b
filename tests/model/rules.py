"""The services' own decision functions, made explorable: what differs without meaning anything is made the same.

Timestamps, texts and message ids decide nothing here, so states and messages that differ only in them are one. Each
distinct order, payment, PSP and message gets a number; each decision is asked of the real function once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar, get_args

from pydantic import BaseModel

from chassis.decision import Applied, Decision, DeferredReply
from chassis.errors import PermanentError, TransientError
from contracts.approvals import ApproveOrder, DeclineOrder
from contracts.erasure import EraseOrder
from contracts.ids import ExtraId, GuestId, PropertyId, RefundId, ReservationId
from contracts.message import Message
from contracts.money import Money
from contracts.order_actions import ActionKind, OrderAction, ReviewResolution, Role
from contracts.orders import (
    CancelOrder,
    FulfilLines,
    FulfilOrder,
    Guest,
    OrderStatus,
    PlaceOrder,
    RefundOrder,
    RequestedLine,
    ResolveReview,
    RetryRefund,
    SettleRefundOutside,
    Staff,
    StartPayment,
)
from contracts.psp import (
    CapturePspSession,
    ClosePspSession,
    CreatePspRefund,
    CreatePspSession,
    PspPaymentEvent,
    PspRefundRefused,
    PspRefundUpdated,
    PspSessionCreated,
    PspSessionOpen,
    RetrievePspSession,
)
from contracts.psp_accounts import DEFAULT_ACCOUNT
from extras_service.catalogue.extra import Catalogue, Extra
from extras_service.catalogue.quote import quote
from extras_service.order.approval import REMINDED_AHEAD, VOIDED_AHEAD
from extras_service.order.decide import decide as decide_order
from extras_service.order.inputs import (
    DeadlinePassed,
    OrderInput,
    PaymentEvent,
    PaymentStart,
    PlacementRequest,
    ReviewDecision,
)
from extras_service.order.payment import ASK_AGAIN_AFTER
from extras_service.order.refund import RequestedRefund
from extras_service.order.state import Order
from payment_service.handlers import PaymentHandlers
from payment_service.payment.capture import LAPSES_AFTER
from payment_service.payment.decide import decide as decide_payment
from payment_service.payment.inputs import PaymentMessage, PollDue
from payment_service.payment.polling import REFUND_ANSWER, REFUND_SETTLEMENT, REFUSED_POLLS, UNKNOWN_POLLS
from payment_service.payment.state import Attempt, Payment, PaymentStage
from tests.model.psp import NOW, ORDER_ID, PART, TOTAL, Psp
from tests.model.routing import PaymentRule, decided_on_event

GUEST = Guest(
    guest_id=GuestId("guest-anna"),
    property_id=PropertyId("alpenhof"),
    reservation_id=ReservationId("res-1"),
    stay_from=date(2026, 7, 8),
    stay_to=date(2026, 7, 10),
)
BREAKFAST = Extra(
    extra_id=ExtraId("alm-breakfast"),
    property_id=GUEST.property_id,
    name={"en": "Breakfast"},
    category="breakfast",
    unit_price=Money(amount=TOTAL, currency="EUR"),
    max_quantity=1,
)


def _placing(*extras: Extra) -> PlacementRequest:
    catalogue: Catalogue = {extra.extra_id: extra for extra in extras}
    lines = tuple(RequestedLine(extra_id=extra.extra_id, quantity=1, day=None) for extra in extras)
    command = PlaceOrder(order_id=ORDER_ID, guest=GUEST, lines=lines)
    return PlacementRequest(command, quote(GUEST, lines, catalogue), catalogue, timedelta(minutes=30))


def _asking_first(extra_id: str, amount: int) -> Extra:
    price = Money(amount=amount, currency="EUR")
    return BREAKFAST.model_copy(update={"extra_id": ExtraId(extra_id), "unit_price": price, "needs_approval": True})


PLACE = _placing(BREAKFAST)
PLACE_FOR_APPROVAL = _placing(_asking_first("alm-late", TOTAL // 2), _asking_first("alm-spa", TOTAL // 2))
"""Two lines, of which staff may take one out."""
STAFF = Staff(staff_id="staff-rosa", property_id=GUEST.property_id)


def _refund(number: int, amount: int | None) -> RefundOrder:
    money = Money(amount=amount, currency="EUR") if amount else None
    return RefundOrder(
        order_id=ORDER_ID, staff=STAFF, refund_id=RefundId(f"ref_staff_{number}"), amount=money, reason="sorry"
    )


def _resolve(resolution: ReviewResolution) -> ReviewDecision:
    return ReviewDecision(ResolveReview(order_id=ORDER_ID, staff=STAFF, resolution=resolution, reason="looked at it"))


START = "StartPayment"
APPROVE, DECLINE = "ApproveOrder", "DeclineOrder"
APPROVE_WITHOUT = "ApproveOrder (without a line)"
START_LATER = "StartPayment, unanswered for a while"
CANCEL = "CancelOrder"
FULFIL = "FulfilOrder"
FULFIL_LINE = "FulfilLines"
ACCEPT = "ResolveReview (accept)"
GIVE_BACK = "ResolveReview (refund)"
SETTLED = "ResolveReview (settled outside)"
ERASE = "EraseOrder"
DEADLINE = "the deadline"
POLL, LATE_POLL = "the poll", "the poll after two weeks"
REFUNDS = tuple((f"RefundOrder (all, {number})", f"RefundOrder (a part, {number})") for number in range(4))
"""What staff may ask for: all or a part, each time under an id of its own."""

_STARTING = PaymentStart(StartPayment(order_id=ORDER_ID, guest_id=GUEST.guest_id, property_id=GUEST.property_id), None)
COMMANDS: Mapping[str, OrderInput] = {
    START: _STARTING,
    START_LATER: _STARTING,
    CANCEL: CancelOrder(order_id=ORDER_ID, property_id=GUEST.property_id, guest_id=GUEST.guest_id),
    APPROVE: ApproveOrder(order_id=ORDER_ID, staff=STAFF),
    APPROVE_WITHOUT: ApproveOrder(order_id=ORDER_ID, staff=STAFF, without_lines=(1,), reason="full"),
    DECLINE: DeclineOrder(order_id=ORDER_ID, staff=STAFF, reason="full"),
    FULFIL: FulfilOrder(order_id=ORDER_ID, staff=STAFF),
    FULFIL_LINE: FulfilLines(order_id=ORDER_ID, staff=STAFF, lines=(0,)),
    ACCEPT: _resolve(ReviewResolution.ACCEPT),
    GIVE_BACK: _resolve(ReviewResolution.REFUND),
    SETTLED: _resolve(ReviewResolution.SETTLED_OUTSIDE),
    ERASE: EraseOrder(order_id=ORDER_ID, property_id=GUEST.property_id, pseudonym="erased-1"),
    DEADLINE: DeadlinePassed(),
    **{whole: _refund(number, None) for number, (whole, _) in enumerate(REFUNDS)},
    **{part: _refund(number, PART) for number, (_, part) in enumerate(REFUNDS)},
}

RETRY, OUTSIDE = "RetryRefund", "SettleRefundOutside"
"""What staff do about the first refund that failed."""

NAMES = (*COMMANDS, RETRY, OUTSIDE)

RETRIED = "retried"
"""The outcome of a message that cannot be handled yet: it is retried."""

TO_ORDER: tuple[type[Message], ...] = get_args(PaymentEvent)
TO_PAYMENT: tuple[type[Message], ...] = get_args(PaymentMessage)
TO_ADAPTER: tuple[type[Message], ...] = (
    CreatePspSession,
    CapturePspSession,
    ClosePspSession,
    RetrievePspSession,
    CreatePspRefund,
)

ASKING: tuple[type[Message], ...] = (*TO_ADAPTER, PspSessionCreated, PspSessionOpen, PspRefundUpdated, PspRefundRefused)
"""What is asked of the PSP, and what it answers."""

OrderRule = Callable[[Order | None, OrderInput, datetime], Decision[Order]]

ValueT = TypeVar("ValueT")


class Numbered(Generic[ValueT]):
    """Gives each distinct value a number, so that a world is a few integers."""

    def __init__(self) -> None:
        self._values: list[ValueT] = []
        self._numbers: dict[object, int] = {}

    def number(self, value: ValueT) -> int:
        key: object = (type(value), value.model_dump_json()) if isinstance(value, BaseModel) else value
        number = self._numbers.setdefault(key, len(self._values))
        if number == len(self._values):
            self._values.append(value)
        return number

    def __getitem__(self, number: int) -> ValueT:
        return self._values[number]

    def __len__(self) -> int:
        return len(self._values)


class Receiver(Enum):
    ORDER = "order"
    PAYMENT = "payment"
    ADAPTER = "adapter"


class Decided(NamedTuple):
    """How a decision ended, by numbers.

    `parked`: it raised, and would be parked for an operator. `again`: what deciding on the same message once more would
    change, its id forgotten.
    """

    outcome: str
    state: int
    sent: tuple[int, ...] = ()
    parked: str = ""
    again: str = ""

    @property
    def is_applied(self) -> bool:
        return self.outcome == "applied"


@dataclass(frozen=True, slots=True)
class Rules:
    """The two decision functions under test, how the adapter reads a refusal, and how the payment service finds the
    payment that an event is about. Planted bugs replace one of them."""

    order: OrderRule = decide_order
    payment: PaymentRule = decide_payment
    refusal: Callable[[Exception], Exception] = lambda error: error
    handlers: type[PaymentHandlers] = PaymentHandlers


class Book:
    """Everything seen so far, by number, and every decision already asked.

    `counts_polls`: whether questions to the PSP may go without an answer. Where none does, their number says nothing.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        counts_polls: bool = True,
        needs_approval: bool = False,
        account: str = DEFAULT_ACCOUNT,
    ) -> None:
        self._placing = replace(PLACE_FOR_APPROVAL if needs_approval else PLACE, psp_account=account)
        self._rules = rules
        self._counts_polls = counts_polls
        self.refusal = rules.refusal
        self.orders: Numbered[Order | None] = Numbered()
        self.payments: Numbered[Payment | None] = Numbered()
        self.psps: Numbered[Psp] = Numbered()
        self.messages: Numbered[Message] = Numbered()
        # By number: who receives a message, whether it is about asking the PSP, the session an order shows its guest.
        self.receivers: list[Receiver] = []
        self.asking: list[bool] = []
        self.shown: list[int] = []
        self._ordered: dict[tuple[int, int | str], Decided] = {}
        self._paid: dict[tuple[int, int | str], Decided] = {}

    def placed(self) -> int:
        """The number of the order as it is placed."""
        decision = self._rules.order(None, self._placing, NOW)
        if not isinstance(decision, Applied):
            raise AssertionError(f"the order was not taken: {decision}")
        return self._order_number(decision.state)

    def send(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        """The numbers of those messages that have a receiver in the model."""
        heard = (*TO_ORDER, *TO_PAYMENT, *TO_ADAPTER)
        numbers = [self.messages.number(_same_text(message)) for message in messages if isinstance(message, heard)]
        for number in range(len(self.receivers), len(self.messages)):
            message = self.messages[number]
            self.receivers.append(_receiver(message))
            self.asking.append(isinstance(message, ASKING))
        return tuple(numbers)

    def _order_number(self, order: Order) -> int:
        number = self.orders.number(_same_order(order))
        if number == len(self.shown):
            self.shown.append(1 << int(order.session.removeprefix("sealed ")) if order.session else 0)
        return number

    def order_decides(self, order: int, message: int | str) -> Decided:
        """By the message's number, or the command's name."""
        key = (order, message)
        if key not in self._ordered:
            self._ordered[key] = self._ask_order(order, message)
        return self._ordered[key]

    def payment_decides(self, payment: int, message: int | str) -> Decided:
        """By the message's number; POLL and LATE_POLL are the sweeper."""
        key = (payment, message)
        if key not in self._paid:
            self._paid[key] = self._ask_payment(payment, message)
        return self._paid[key]

    def _ask_order(self, number: int, message: int | str) -> Decided:
        order = self.orders[number]
        asked: Any = _command(order, message) if isinstance(message, str) else self.messages[message]
        if asked is None:
            return Decided("ignored", number)
        try:
            decision = self._rules.order(order, asked, _when(order, message))
        except TransientError:
            return Decided(RETRIED, number)
        except PermanentError as error:
            return Decided("parked", number, parked=str(error))
        if not isinstance(decision, Applied):
            return Decided(decision.name, number)
        state = self._order_number(decision.state)
        again = "" if message in (DEADLINE, START_LATER) else self._order_again(state, asked)
        return Decided("applied", state, self._sent(decision), again=again)

    def _order_again(self, number: int, asked: Any) -> str:
        """Handled ids make a replay a duplicate; this is stronger: it holds when the id was forgotten, too."""
        decision = self._rules.order(self.orders[number], asked, NOW)
        if not isinstance(decision, Applied) or self._order_number(decision.state) == number:
            return ""
        return f"{type(asked).__name__}, handled again, changes the order"

    def _ask_payment(self, number: int, message: int | str) -> Decided:
        payment = self.payments[number]
        asked: Any = PollDue() if isinstance(message, str) else self.messages[message]
        now = NOW
        if isinstance(asked, PollDue) and payment and payment.due_at:
            now = NOW + max(REFUND_ANSWER, REFUND_SETTLEMENT) if message == LATE_POLL else payment.due_at
        try:
            decision = self._payment_rule(payment, asked, now)
        except TransientError:
            return Decided(RETRIED, number)
        except PermanentError as error:
            return Decided("parked", number, parked=str(error))
        if not isinstance(decision, Applied):
            return Decided(decision.name, number)
        state = self._payment_number(decision.state)
        again = "" if isinstance(asked, PollDue) else self._payment_again(state, asked)
        return Decided("applied", state, self._sent(decision), again=again)

    def _payment_rule(self, payment: Payment | None, asked: Any, now: datetime) -> Decision[Payment]:
        if isinstance(asked, PspPaymentEvent) and not asked.is_answer:
            return decided_on_event(self._rules.handlers, self._rules.payment, payment, asked, now)
        return self._rules.payment(payment, asked, now)

    def _payment_again(self, number: int, asked: Any) -> str:
        decision = self._payment_rule(self.payments[number], asked, NOW)
        if not isinstance(decision, Applied) or self._payment_number(decision.state) == number:
            return ""
        return f"{type(asked).__name__}, handled again, changes the payment"

    def _payment_number(self, payment: Payment) -> int:
        same = _same_payment(payment)
        if not self._counts_polls and same.status is not PaymentStage.UNKNOWN:
            same = same.model_copy(update={"polls": 0})
        return self.payments.number(same)

    def _sent(self, decision: Applied[Any]) -> tuple[int, ...]:
        return self.send(tuple(each for each in decision.messages if not isinstance(each, DeferredReply)))


def _command(order: Order | None, name: str) -> OrderInput | None:
    """The command of this name; None for one about a failed refund while there is none."""
    if name not in (RETRY, OUTSIDE):
        return COMMANDS[name]
    if order is None or not order.troubled_refunds:
        return None
    refund, *_ = order.troubled_refunds
    if name == RETRY:
        return RetryRefund(order_id=ORDER_ID, staff=STAFF, refund_id=refund.refund_id, reason="again")
    left = refund.amount if refund.is_second_charge else min(refund.amount, order.refundable, key=lambda it: it.amount)
    if left.amount == 0:  # staff who look give no more than what is not on its way back already
        return None
    return SettleRefundOutside(
        order_id=ORDER_ID, staff=STAFF, refund_id=refund.refund_id, amount=left, reason="in cash"
    )


def _receiver(message: Message) -> Receiver:
    if isinstance(message, TO_ADAPTER):
        return Receiver.ADAPTER
    return Receiver.ORDER if isinstance(message, TO_ORDER) else Receiver.PAYMENT


def _when(order: Order | None, message: int | str) -> datetime:
    if message == DEADLINE and order is not None and order.due_at is not None:
        return order.due_at
    return NOW + ASK_AGAIN_AFTER if message == START_LATER else NOW


def _same_order(order: Order) -> Order:
    return order.model_copy(
        update={
            "due_at": _same_deadline(order),
            "approve_by": APPROVE_BY if order.approve_by else None,
            "declined_because": "a reason" if order.declined_because is not None else None,
            "session_asked_at": NOW if order.session_asked_at else None,
            "session_requests": order.session_requests,
            "payment_failure": None,
            "erased_at": NOW if order.erased_at else None,
            "review": "a review" if order.review else None,
            "reviews": 0,
            "actions": tuple(APPROVED for each in order.actions if each.action is ActionKind.APPROVED),
            "refunds": tuple(sorted(map(_same_refund, order.refunds), key=lambda refund: refund.refund_id)),
            "failed_refunds": tuple(sorted(order.failed_refunds)),
        }
    )


CAPTURE_BEFORE = NOW + LAPSES_AFTER
APPROVE_BY = CAPTURE_BEFORE - VOIDED_AHEAD
APPROVED = OrderAction(action=ActionKind.APPROVED, at=NOW, by=STAFF.staff_id, role=Role.STAFF)


def _same_deadline(order: Order) -> datetime | None:
    """One that was moved for a voucher comes after the voucher has expired; staff are reminded before an approval is
    due."""
    due_at = order.due_at
    if order.status is OrderStatus.AWAITING_APPROVAL:
        return APPROVE_BY if due_at == order.approve_by else APPROVE_BY - REMINDED_AHEAD
    return due_at if due_at is None or is_moved(due_at) else NOW + timedelta(minutes=30)


def is_moved(due_at: datetime | None) -> bool:
    """Whether the deadline follows a voucher."""
    return due_at is not None and due_at > NOW + timedelta(days=1)


BY_THE_PSP = "made at the PSP"
"""The reason that an order gives for a refund it has not asked for."""


def _same_refund(refund: RequestedRefund) -> RequestedRefund:
    settled = refund.settled and refund.settled.model_copy(update={"reason": "", "at": NOW})
    reason = refund.reason if refund.reason == BY_THE_PSP else ""
    same = {"asked_at": NOW, "asked_by": "", "reason": reason, "detail": "", "settled": settled}
    return refund.model_copy(update=same)


FAILED_ONCE = (Attempt(at=NOW, code="declined", detail="declined"),)


def _same_payment(payment: Payment) -> Payment:
    refunds = (refund.model_copy(update={"detail": "", "reason": "", "asked_at": NOW}) for refund in payment.refunds)
    return payment.model_copy(
        update={
            "due_at": NOW + timedelta(minutes=10) if payment.due_at else None,
            "capture_before": CAPTURE_BEFORE if payment.capture_before else None,
            "attempts": FAILED_ONCE if payment.attempts else (),
            "unknown_because": "",
            "refunds": tuple(sorted(refunds, key=lambda refund: refund.refund_id)),
            "polls": _same_polls(payment),
        }
    )


def _same_polls(payment: Payment) -> int:
    """Rungs between the first and the last differ only in how long they wait."""
    last = REFUSED_POLLS if payment.is_refused else len(UNKNOWN_POLLS)
    return min(last, max(payment.polls, last - 1)) if payment.polls else 0


def _same_text(message: Message) -> Message:
    same = {"detail": "a detail", "capture_before": CAPTURE_BEFORE}
    known = type(message).model_fields
    return message.model_copy(
        update={name: value for name, value in same.items() if name in known and getattr(message, name) is not None}
    )
