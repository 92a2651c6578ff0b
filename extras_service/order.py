"""An order, and the one function that decides what happens to it.

`decide` is DESIGN's order table, row by row. It takes values and returns values: no clock, no broker, no store.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.decision import Answer, Applied, Decision, Duplicate, Ignored, Refused, Stale, State, Waiter
from chassis.errors import PermanentError
from contracts.ids import OrderId, PaymentId, payment_id_of
from contracts.money import Money
from contracts.orders import (
    Guest,
    OrderConfirmed,
    OrderExpired,
    OrderLine,
    OrderNeedsReview,
    OrderPendingPayment,
    OrderStatus,
    OrderView,
    PaymentSessionReply,
    PaymentStatus,
    PlaceOrder,
    Reason,
    Refusal,
    RequestedLine,
    StartPayment,
)
from contracts.payments import (
    ClosePaymentSession,
    CreatePaymentSession,
    PaymentFailed,
    PaymentMismatched,
    PaymentProcessing,
    PaymentSessionClosed,
    PaymentSessionCreated,
    PaymentSessionFailed,
    PaymentSucceeded,
)
from extras_service.catalogue import Catalogue, quote

MAX_WAITERS = 16
"""How many requests for one payment session are answered at once; older ones time out and ask again."""

ASK_AGAIN_AFTER = timedelta(seconds=30)
"""When a request for a payment session that was never answered is sent once more."""


class Order(State):
    """The state of one order."""

    order_id: OrderId
    guest: Guest
    guest_key: str
    requested: tuple[RequestedLine, ...]
    lines: tuple[OrderLine, ...]
    total: Money
    status: OrderStatus
    payment_status: PaymentStatus
    created_at: datetime
    pay_within: timedelta
    payment_id: PaymentId
    session: str | None = None
    session_asked_at: datetime | None = None
    waiting: tuple[Waiter, ...] = ()
    payment_failure: str | None = None
    review: str | None = None

    def view(self) -> OrderView:
        """The order as its guest may see it."""
        return OrderView(
            order_id=self.order_id,
            property_id=self.guest.property_id,
            reservation_id=self.guest.reservation_id,
            guest_id=self.guest.guest_id,
            status=self.status,
            payment_status=self.payment_status,
            lines=self.lines,
            total=self.total,
            created_at=self.created_at,
            pay_until=self.due_at if self.status is OrderStatus.PENDING_PAYMENT else None,
            payment_failure=self.payment_failure,
        )

    def first_view(self) -> OrderView:
        """The order as it was when it was placed: what a repeated request is answered with."""
        return self.view().model_copy(
            update={
                "status": OrderStatus.PENDING_PAYMENT,
                "payment_status": PaymentStatus.UNPAID,
                "pay_until": self.created_at + self.pay_within,
                "payment_failure": None,
            }
        )

    def session_reply(self) -> PaymentSessionReply | None:
        """What the guest needs to pay, once there is an open session."""
        if self.session is None or self.status is not OrderStatus.PENDING_PAYMENT:
            return None
        return PaymentSessionReply(
            order_id=self.order_id,
            payment_id=self.payment_id,
            amount=self.total,
            sealed_client_secret=self.session,
            pay_until=self.due_at,
        )


def guest_key(guest_id: str, property_id: str) -> str:
    """Whose order it is, in one field an index can hold."""
    return f"{property_id}/{guest_id}"


@dataclass(frozen=True, slots=True)
class Placing:
    """PlaceOrder with what it takes to decide on it."""

    command: PlaceOrder
    catalogue: Catalogue
    pay_within: timedelta


@dataclass(frozen=True, slots=True)
class Starting:
    """StartPayment with whoever waits for its answer."""

    command: StartPayment
    waiter: Waiter | None


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The sweeper found the order's deadline behind it."""


PaymentEvent = (
    PaymentSessionCreated
    | PaymentSessionFailed
    | PaymentProcessing
    | PaymentFailed
    | PaymentSucceeded
    | PaymentMismatched
    | PaymentSessionClosed
)
OrderInput = Placing | Starting | DeadlinePassed | PaymentEvent


class UnknownOrderError(PermanentError):
    """A payment fact about an order that does not exist."""

    def __init__(self, event: PaymentEvent) -> None:
        super().__init__(f"{event.kind} for {event.order_id}, which this service has never taken")


NOT_FOUND = Refused(Reason.ORDER_NOT_FOUND, "There is no such order.")


def decide(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
    """What `message` does to `order` at `now`. Raises UnknownOrderError for a payment fact without an order."""
    if order is None:
        return _without_order(message, now)
    match order.status, message:
        case _, Placing(command=command):
            return _placed_before(order, command)
        case _, Starting(command=command) if not _owns(order, command):
            return NOT_FOUND
        case OrderStatus.PENDING_PAYMENT, Starting(waiter=waiter):
            return _start_payment(order, waiter, now)
        case _, Starting():
            return Refused(Reason.ORDER_NOT_PAYABLE, _not_payable(order))
        case OrderStatus.PENDING_PAYMENT, PaymentSessionCreated():
            return _session_created(order, message)
        case OrderStatus.PENDING_PAYMENT, PaymentSessionFailed():
            return _session_failed(order, message)
        case OrderStatus.PENDING_PAYMENT | OrderStatus.EXPIRING, PaymentProcessing():
            return _processing(order)
        case OrderStatus.PENDING_PAYMENT | OrderStatus.EXPIRING, PaymentFailed():
            return _attempt_failed(order, message, now)
        case OrderStatus.PENDING_PAYMENT | OrderStatus.EXPIRING, PaymentSucceeded(amount=amount) if (
            amount == order.total
        ):
            return _paid(order)
        case OrderStatus.PENDING_PAYMENT | OrderStatus.EXPIRING, PaymentSucceeded(amount=amount):
            return _needs_review(
                order, f"paid {amount.amount} {amount.currency}, owed {order.total.amount} {order.total.currency}"
            )
        case OrderStatus.PENDING_PAYMENT | OrderStatus.EXPIRING, PaymentMismatched(detail=detail):
            return _needs_review(order, detail)
        case OrderStatus.PENDING_PAYMENT, DeadlinePassed():
            return _deadline(order, now)
        case OrderStatus.PENDING_PAYMENT, PaymentSessionClosed():
            return _session_lost(order, now)
        case OrderStatus.EXPIRING, PaymentSessionClosed():
            return _expired(order)
        case OrderStatus.EXPIRED, PaymentSucceeded() | PaymentMismatched():
            return _needs_review(order, "paid after it had expired")
        case OrderStatus.CONFIRMED, PaymentSucceeded():
            return Ignored("already paid")
        case OrderStatus.NEEDS_REVIEW, _:
            return Ignored("a person decides on this order")
        case status, _:
            return Stale(f"the order is {status} already")


def _without_order(message: OrderInput, now: datetime) -> Decision[Order]:
    match message:
        case Placing():
            return _place(message, now)
        case Starting():
            return NOT_FOUND
        case DeadlinePassed():
            return Ignored("no such order")
        case event:
            raise UnknownOrderError(event)


def _place(placing: Placing, now: datetime) -> Decision[Order]:
    command = placing.command
    priced = quote(command.guest, command.lines, placing.catalogue)
    if isinstance(priced, Refused):
        return priced
    due_at = now + placing.pay_within
    order = Order(
        order_id=command.order_id,
        guest=command.guest,
        guest_key=guest_key(command.guest.guest_id, command.guest.property_id),
        requested=command.lines,
        lines=priced.lines,
        total=priced.total,
        status=OrderStatus.PENDING_PAYMENT,
        payment_status=PaymentStatus.UNPAID,
        created_at=now,
        pay_within=placing.pay_within,
        payment_id=payment_id_of(command.order_id),
        due_at=due_at,
    )
    pending = OrderPendingPayment(
        order_id=order.order_id,
        property_id=order.guest.property_id,
        reservation_id=order.guest.reservation_id,
        guest_id=order.guest.guest_id,
        lines=order.lines,
        total=order.total,
        pay_until=due_at,
    )
    return Applied(order, (pending,))


def _placed_before(order: Order, command: PlaceOrder) -> Decision[Order]:
    if command.lines == order.requested:
        return Duplicate()
    return Refused(
        Reason.IDEMPOTENCY_KEY_REUSED,
        "This Idempotency-Key was used for an order with other extras; use a new key for a new order.",
    )


def _owns(order: Order, command: StartPayment) -> bool:
    return order.guest_key == guest_key(command.guest_id, command.property_id)


def _not_payable(order: Order) -> str:
    match order.status:
        case OrderStatus.CONFIRMED | OrderStatus.FULFILLED:
            return "This order is paid already."
        case OrderStatus.NEEDS_REVIEW:
            return "This order is being looked at by the hotel; please do not pay again."
        case status:
            return f"This order can no longer be paid: it is {status}."


def _start_payment(order: Order, waiter: Waiter | None, now: datetime) -> Decision[Order]:
    if order.payment_status is PaymentStatus.PROCESSING:
        return Refused(Reason.ORDER_NOT_PAYABLE, "A payment for this order is being processed.")
    if order.session is not None:
        return Ignored("the payment session is open already")
    waiting = (*order.waiting, waiter)[-MAX_WAITERS:] if waiter else order.waiting
    if order.session_asked_at is not None and now - order.session_asked_at < ASK_AGAIN_AFTER:
        return Applied(order.model_copy(update={"waiting": waiting}))
    ask = CreatePaymentSession(
        order_id=order.order_id,
        payment_id=order.payment_id,
        amount=order.total,
        description=f"Hotel extras, order {order.order_id}",
    )
    return Applied(order.model_copy(update={"waiting": waiting, "session_asked_at": now}), (ask,))


def _session_created(order: Order, event: PaymentSessionCreated) -> Decision[Order]:
    opened = order.model_copy(update={"session": event.sealed_client_secret, "waiting": ()})
    reply = opened.session_reply()
    if reply is None:  # unreachable: a pending order with a session has one
        raise PermanentError(f"{order.order_id} has no reply for its session")
    return Applied(opened, tuple(Answer(waiter, reply) for waiter in order.waiting))


def _session_failed(order: Order, event: PaymentSessionFailed) -> Decision[Order]:
    closed = order.model_copy(update={"session_asked_at": None, "waiting": ()})
    return Applied(closed, _refuse_waiting(order, Reason.PAYMENT_SESSION_FAILED, event.detail))


def _processing(order: Order) -> Decision[Order]:
    return Applied(order.model_copy(update={"payment_status": PaymentStatus.PROCESSING, "due_at": None}))


def _attempt_failed(order: Order, event: PaymentFailed, now: datetime) -> Decision[Order]:
    return Applied(_unpaid_again(order.model_copy(update={"payment_failure": event.detail}), now))


def _paid(order: Order) -> Decision[Order]:
    paid = order.model_copy(
        update={
            "status": OrderStatus.CONFIRMED,
            "payment_status": PaymentStatus.PAID,
            "due_at": None,
            "waiting": (),
            "payment_failure": None,
        }
    )
    confirmed = OrderConfirmed(
        order_id=order.order_id,
        property_id=order.guest.property_id,
        reservation_id=order.guest.reservation_id,
        guest_id=order.guest.guest_id,
        payment_id=order.payment_id,
        total=order.total,
        status=paid.status,
        payment_status=paid.payment_status,
    )
    return Applied(paid, (confirmed, *_refuse_waiting(order, Reason.ORDER_NOT_PAYABLE, _not_payable(paid))))


def _needs_review(order: Order, detail: str) -> Decision[Order]:
    reviewed = order.model_copy(
        update={
            "status": OrderStatus.NEEDS_REVIEW,
            "payment_status": PaymentStatus.MISMATCHED,
            "due_at": None,
            "waiting": (),
            "review": detail,
        }
    )
    event = OrderNeedsReview(
        order_id=order.order_id, guest_id=order.guest.guest_id, property_id=order.guest.property_id, detail=detail
    )
    return Applied(reviewed, (event, *_refuse_waiting(order, Reason.ORDER_NOT_PAYABLE, _not_payable(reviewed))))


def _deadline(order: Order, now: datetime) -> Decision[Order]:
    if order.due_at is None or now < order.due_at:
        return Stale("the deadline was moved")
    if order.session is None and order.session_asked_at is None:
        return _expired(order)
    expiring = order.model_copy(update={"status": OrderStatus.EXPIRING, "due_at": None, "waiting": ()})
    close = ClosePaymentSession(order_id=order.order_id, payment_id=order.payment_id)
    return Applied(expiring, (close, *_refuse_waiting(order, Reason.ORDER_NOT_PAYABLE, _not_payable(expiring))))


def _session_lost(order: Order, now: datetime) -> Decision[Order]:
    """The session was cancelled at the PSP, by nobody here: the guest may open another one."""
    lost = order.model_copy(update={"session": None, "session_asked_at": None})
    return Applied(_unpaid_again(lost, now))


def _unpaid_again(order: Order, now: datetime) -> Order:
    """Back to waiting for a payment. A deadline that was suspended while one settled starts anew, in full."""
    suspended = order.status is OrderStatus.PENDING_PAYMENT and order.due_at is None
    due_at = now + order.pay_within if suspended else order.due_at
    return order.model_copy(update={"payment_status": PaymentStatus.UNPAID, "due_at": due_at})


def _expired(order: Order) -> Decision[Order]:
    expired = order.model_copy(update={"status": OrderStatus.EXPIRED, "due_at": None, "session": None, "waiting": ()})
    event = OrderExpired(order_id=order.order_id, guest_id=order.guest.guest_id, property_id=order.guest.property_id)
    return Applied(expired, (event, *_refuse_waiting(order, Reason.ORDER_NOT_PAYABLE, _not_payable(expired))))


def _refuse_waiting(order: Order, reason: Reason, detail: str) -> tuple[Answer, ...]:
    refusal = Refusal(reason=reason, detail=detail)
    return tuple(Answer(waiter, refusal) for waiter in order.waiting)
