"""Given: guests, extras, messages and orders in each status, for tests of the order table."""

from datetime import UTC, date, datetime, timedelta

from chassis.decision import Applied, PendingReply, Refused
from contracts.approvals import ApproveOrder, DeclineOrder
from contracts.erasure import EraseOrder
from contracts.ids import ExtraId, GuestId, OrderId, PaymentId, PropertyId, RefundId, ReservationId, payment_id_of
from contracts.money import Money
from contracts.order_actions import ReviewResolution
from contracts.orders import (
    CancelOrder,
    FulfilLines,
    FulfilOrder,
    Guest,
    OrderLine,
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
from contracts.payments import (
    PaymentAuthorised,
    PaymentDisputeClosed,
    PaymentDisputed,
    PaymentFailed,
    PaymentInstructionsIssued,
    PaymentMismatched,
    PaymentProcessing,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentSessionClosed,
    PaymentSessionCreated,
    PaymentSessionFailed,
    PaymentSucceeded,
    PaymentUnresolved,
)
from extras_service.catalogue.extra import Catalogue, Extra
from extras_service.catalogue.quote import quote
from extras_service.order.decide import decide
from extras_service.order.inputs import DeadlinePassed, OrderInput, PaymentStart, PlacementRequest, ReviewDecision
from extras_service.order.state import Order

NOW = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
PAY_WITHIN = timedelta(minutes=30)
DEADLINE = NOW + PAY_WITHIN
PSEUDONYM = "erased-5b1c0e7a9d3f2846"
ORDER_ID = OrderId("ord_" + "a" * 26)
PAYMENT_ID: PaymentId = payment_id_of(ORDER_ID)
SEALED = "gAAAA-sealed-client-secret"
BREAKFAST = ExtraId("alm-breakfast")
LATE_CHECKOUT = ExtraId("alm-late-checkout")
FIRST_DAY = date(2026, 7, 3)
LAST_DAY = date(2026, 7, 6)


def guest(guest_id: str = "guest-anna", property_id: str = "alpenhof") -> Guest:
    return Guest(
        guest_id=GuestId(guest_id),
        property_id=PropertyId(property_id),
        reservation_id=ReservationId("res-1"),
        stay_from=FIRST_DAY,
        stay_to=LAST_DAY,
    )


def offered(
    extra_id: str = BREAKFAST,
    *,
    amount: int = 2400,
    currency: str = "EUR",
    property_id: str = "alpenhof",
    max_quantity: int = 6,
    needs_day: bool = True,
    active: bool = True,
    time_zone: str = "UTC",
    name: str = "Breakfast buffet",
    needs_approval: bool = False,
) -> Extra:
    return Extra(
        extra_id=ExtraId(extra_id),
        property_id=PropertyId(property_id),
        name={"en": name},
        category="breakfast",
        unit_price=Money(amount=amount, currency=currency),
        max_quantity=max_quantity,
        needs_day=needs_day,
        active=active,
        time_zone=time_zone,
        needs_approval=needs_approval,
    )


def catalogue(*extras: Extra) -> Catalogue:
    return {item.extra_id: item for item in extras or (offered(),)}


def line(extra_id: str = BREAKFAST, quantity: int = 2, day: date | None = FIRST_DAY) -> RequestedLine:
    return RequestedLine(extra_id=ExtraId(extra_id), quantity=quantity, day=day)


TOTAL = Money(amount=4800, currency="EUR")
"""What the order of these tests comes to: two breakfasts."""


def placing(*lines: RequestedLine, among: Catalogue | None = None) -> PlacementRequest:
    command = PlaceOrder(order_id=ORDER_ID, guest=guest(), lines=lines or (line(),))
    offered_now = among if among is not None else catalogue()
    return PlacementRequest(command, quote(command.guest, command.lines, offered_now), offered_now, PAY_WITHIN)


def pending_reply(number: int = 1) -> PendingReply:
    return PendingReply(reply_to=f"amq.rabbitmq.reply-to.{number}", correlation_id=f"request-{number}")


def starting(
    who: PendingReply | None = None,
    *,
    guest_id: str = "guest-anna",
    property_id: str = "alpenhof",
    sealed_receipt_email: str | None = None,
) -> PaymentStart:
    command = StartPayment(
        order_id=ORDER_ID,
        guest_id=GuestId(guest_id),
        property_id=PropertyId(property_id),
        sealed_receipt_email=sealed_receipt_email,
    )
    return PaymentStart(command, who)


# Payment facts


def session_created(sealed: str = SEALED, request_no: int | None = None) -> PaymentSessionCreated:
    return PaymentSessionCreated(
        order_id=ORDER_ID, payment_id=PAYMENT_ID, amount=TOTAL, sealed_client_secret=sealed, request_no=request_no
    )


def session_failed(detail: str = "The payment provider did not accept this payment.") -> PaymentSessionFailed:
    return PaymentSessionFailed(order_id=ORDER_ID, payment_id=PAYMENT_ID, detail=detail)


def session_closed(request_no: int | None = None) -> PaymentSessionClosed:
    return PaymentSessionClosed(order_id=ORDER_ID, payment_id=PAYMENT_ID, request_no=request_no)


def instructions_issued(days: int = 3) -> PaymentInstructionsIssued:
    return PaymentInstructionsIssued(order_id=ORDER_ID, payment_id=PAYMENT_ID, payable_until=NOW + timedelta(days=days))


def processing() -> PaymentProcessing:
    return PaymentProcessing(order_id=ORDER_ID, payment_id=PAYMENT_ID)


def failed(detail: str = "Your card was declined.") -> PaymentFailed:
    return PaymentFailed(order_id=ORDER_ID, payment_id=PAYMENT_ID, code="card_declined", detail=detail)


def succeeded(amount: Money = TOTAL) -> PaymentSucceeded:
    return PaymentSucceeded(order_id=ORDER_ID, payment_id=PAYMENT_ID, amount=amount)


LAPSES_AT = NOW + timedelta(days=7)


def authorised(lapses_at: datetime = LAPSES_AT, request_no: int | None = None) -> PaymentAuthorised:
    return PaymentAuthorised(
        order_id=ORDER_ID, payment_id=PAYMENT_ID, amount=TOTAL, capture_before=lapses_at, request_no=request_no
    )


def mismatched(detail: str = "livemode differs") -> PaymentMismatched:
    return PaymentMismatched(order_id=ORDER_ID, payment_id=PAYMENT_ID, detail=detail)


def unresolved() -> PaymentUnresolved:
    return PaymentUnresolved(order_id=ORDER_ID, payment_id=PAYMENT_ID, detail="the PSP has not answered for a week")


REFUND_ID = RefundId("ref_" + "a" * 26)


def refund_unanswered(amount: int = 1200, *, is_second_charge: bool = False) -> PaymentUnresolved:
    return PaymentUnresolved(
        order_id=ORDER_ID,
        payment_id=PAYMENT_ID,
        detail="the PSP has not said whether it made this refund",
        refund_id=REFUND_ID,
        amount=Money(amount=amount, currency="EUR"),
        is_second_charge=is_second_charge,
    )


def refunded(amount: int = 4800, *, fact_no: int = 1, refund_id: RefundId = REFUND_ID) -> PaymentRefunded:
    return PaymentRefunded(
        order_id=ORDER_ID,
        payment_id=PAYMENT_ID,
        fact_no=fact_no,
        refund_id=refund_id,
        refunded=Money(amount=amount, currency="EUR"),
        pending=Money.zero("EUR"),
    )


def refund_failed(left: int = 0, *, fact_no: int = 1, refund_id: RefundId = REFUND_ID) -> PaymentRefundFailed:
    return PaymentRefundFailed(
        order_id=ORDER_ID,
        payment_id=PAYMENT_ID,
        fact_no=fact_no,
        refund_id=refund_id,
        refunded=Money(amount=left, currency="EUR"),
        pending=Money.zero("EUR"),
        detail="expired_or_canceled_card",
    )


def disputed(
    dispute_id: str = "dp_1",
    *,
    amount: Money = TOTAL,
    fact_no: int = 1,
    inquiry: bool = False,
    reported_at: datetime | None = None,
) -> PaymentDisputed:
    return PaymentDisputed(
        order_id=ORDER_ID,
        payment_id=PAYMENT_ID,
        fact_no=fact_no,
        dispute_id=dispute_id,
        amount=amount,
        inquiry=inquiry,
        reported_at=reported_at,
    )


def dispute_closed(
    *, won: bool, dispute_id: str = "dp_1", amount: Money = TOTAL, fact_no: int = 2, is_second_charge: bool = False
) -> PaymentDisputeClosed:
    return PaymentDisputeClosed(
        order_id=ORDER_ID,
        payment_id=PAYMENT_ID,
        fact_no=fact_no,
        dispute_id=dispute_id,
        amount=amount,
        won=won,
        is_second_charge=is_second_charge,
    )


# What guests and staff ask


def staff(property_id: str = "alpenhof") -> Staff:
    return Staff(staff_id="reception", property_id=PropertyId(property_id))


def cancelling_by_guest(guest_id: str = "guest-anna") -> CancelOrder:
    return CancelOrder(order_id=ORDER_ID, property_id=PropertyId("alpenhof"), guest_id=GuestId(guest_id))


def cancelling_by_staff(property_id: str = "alpenhof") -> CancelOrder:
    who = staff(property_id)
    return CancelOrder(order_id=ORDER_ID, property_id=who.property_id, staff=who, reason="the guest is ill")


def erasing(property_id: str = "alpenhof", pseudonym: str = PSEUDONYM) -> EraseOrder:
    return EraseOrder(order_id=ORDER_ID, property_id=PropertyId(property_id), pseudonym=pseudonym)


def approving(property_id: str = "alpenhof") -> ApproveOrder:
    return ApproveOrder(order_id=ORDER_ID, staff=staff(property_id))


NOT_THAT_DAY = "The next guest arrives early that day."


def approving_without(*lines: int, reason: str = NOT_THAT_DAY) -> ApproveOrder:
    return ApproveOrder(order_id=ORDER_ID, staff=staff(), without_lines=lines, reason=reason)


def declining(reason: str = "The room is needed at ten.") -> DeclineOrder:
    return DeclineOrder(order_id=ORDER_ID, staff=staff(), reason=reason)


def fulfilling(property_id: str = "alpenhof") -> FulfilOrder:
    return FulfilOrder(order_id=ORDER_ID, staff=staff(property_id))


def fulfilling_lines(*lines: int) -> FulfilLines:
    return FulfilLines(order_id=ORDER_ID, staff=staff(), lines=lines)


def refunding(amount: int | None = None, *, refund_id: RefundId = REFUND_ID, currency: str = "EUR") -> RefundOrder:
    return RefundOrder(
        order_id=ORDER_ID,
        staff=staff(),
        refund_id=refund_id,
        amount=None if amount is None else Money(amount=amount, currency=currency),
        reason="the spa was closed",
    )


def retrying(refund_id: RefundId = REFUND_ID) -> RetryRefund:
    return RetryRefund(order_id=ORDER_ID, staff=staff(), refund_id=refund_id, reason="the first one failed")


def settling_outside(amount: int = 1200, *, refund_id: RefundId = REFUND_ID) -> SettleRefundOutside:
    money = Money(amount=amount, currency="EUR")
    return SettleRefundOutside(
        order_id=ORDER_ID, staff=staff(), refund_id=refund_id, amount=money, reason="given in cash"
    )


def resolving(
    resolution: ReviewResolution, amount: int | None = None, *, review_no: int = 1, no_places: Refused | None = None
) -> ReviewDecision:
    """A decision about the order's first review, unless it says otherwise."""
    command = ResolveReview(
        order_id=ORDER_ID,
        staff=staff(),
        resolution=resolution,
        reason="talked to the guest",
        amount=None if amount is None else Money(amount=amount, currency="EUR"),
    )
    return ReviewDecision(command, review_no, no_places)


# Orders


def after(order: Order | None, *messages: OrderInput, now: datetime = NOW) -> Order:
    """The order after these messages, each of which must apply."""
    for message in messages:
        decision = decide(order, message, now)
        assert isinstance(decision, Applied), f"{message} ended as {decision}"
        order = decision.state
    assert order is not None
    return order


def placed() -> Order:
    """Pending, without a request to pay."""
    return after(None, placing())


def asked(*waiters: PendingReply) -> Order:
    """Pending, its payment session is being opened."""
    return after(placed(), *(starting(who) for who in waiters or (pending_reply(),)))


def payable() -> Order:
    """Pending, with an open payment session."""
    return after(asked(), session_created())


def settling() -> Order:
    """Pending, paid with a method that settles later."""
    return after(payable(), processing())


def expiring() -> Order:
    return after(payable(), DeadlinePassed(), now=DEADLINE)


def expired() -> Order:
    return after(expiring(), session_closed(), now=DEADLINE)


def confirmed() -> Order:
    return after(payable(), succeeded())


def needs_review() -> Order:
    return after(payable(), mismatched())


def cancelling() -> Order:
    return after(payable(), cancelling_by_guest())


def cancelled() -> Order:
    return after(cancelling(), session_closed())


def fulfilled() -> Order:
    return after(confirmed(), fulfilling())


def needing_approval() -> Order:
    """Payable, and the hotel approves it before the guest is charged."""
    order = payable()
    return order.model_copy(update={"lines": tuple(_needing_approval(line) for line in order.lines)})


def _needing_approval(line: OrderLine) -> OrderLine:
    return line.model_copy(update={"needs_approval": True})


def awaiting_approval_of_two_lines() -> Order:
    """Breakfast for `TOTAL`, and a late check-out for as much as `LATE` that day."""
    order = awaiting_approval()
    late = order.lines[0].model_copy(update={"extra_id": LATE_CHECKOUT, "quantity": 1, "line_total": LATE})
    return order.model_copy(update={"lines": (*order.lines, late), "total": order.total + LATE})


LATE = Money(amount=5000, currency="EUR")


def awaiting_approval() -> Order:
    return after(needing_approval(), authorised())


def capturing() -> Order:
    return after(awaiting_approval(), approving())


def declined() -> Order:
    return after(awaiting_approval(), declining(), session_closed())


def in_status(status: OrderStatus) -> Order:
    """An order in this status, led there by messages."""
    match status:
        case OrderStatus.PENDING_PAYMENT:
            return payable()
        case OrderStatus.AWAITING_APPROVAL:
            return awaiting_approval()
        case OrderStatus.CAPTURING:
            return capturing()
        case OrderStatus.DECLINED:
            return declined()
        case OrderStatus.EXPIRING:
            return expiring()
        case OrderStatus.EXPIRED:
            return expired()
        case OrderStatus.CONFIRMED:
            return confirmed()
        case OrderStatus.NEEDS_REVIEW:
            return needs_review()
        case OrderStatus.CANCELLING:
            return cancelling()
        case OrderStatus.CANCELLED:
            return cancelled()
        case OrderStatus.FULFILLED:
            return fulfilled()
