"""An example of every status of each state machine, and of every message that meets them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from chassis.decision import Applied, Decision, Refused, State
from contracts.approvals import ApproveOrder, DeclineOrder
from contracts.catalogue import ChangeExtra, DefineExtra, RetireExtra
from contracts.erasure import EraseOrder, ErasePayment
from contracts.ids import ExtraId, GuestId, OrderId, PropertyId, RefundId, ReservationId, payment_id_of
from contracts.money import Money
from contracts.offers import ExtraDefinition
from contracts.order_actions import ReviewResolution
from contracts.orders import (
    CancelOrder,
    FulfilLines,
    FulfilOrder,
    Guest,
    OrderLine,
    PlaceOrder,
    Reason,
    RefundOrder,
    RequestedLine,
    ResolveReview,
    RetryRefund,
    SettleRefundOutside,
    Staff,
    StartPayment,
)
from contracts.payments import (
    CapturePayment,
    ClosePaymentSession,
    CreatePaymentSession,
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
    RefundPayment,
)
from contracts.properties import ChangeProperty, DefineProperty, PropertyDefinition
from contracts.psp import (
    CreatePspSession,
    PspDisputeState,
    PspDisputeUpdated,
    PspOutcomeUnknown,
    PspPaymentActionRequired,
    PspPaymentCanceled,
    PspPaymentFailed,
    PspPaymentHeld,
    PspPaymentProcessing,
    PspPaymentSucceeded,
    PspRefundRefused,
    PspRefundState,
    PspRefundUpdated,
    PspSessionCreated,
    PspSessionFailed,
    PspSessionOpen,
)
from extras_service.catalogue.decide import decide as decide_extra
from extras_service.catalogue.extra import Catalogue, Extra
from extras_service.catalogue.inputs import ExtraChange, ExtraDefining, MoveExtra
from extras_service.catalogue.quote import quote
from extras_service.catalogue.state import CatalogueExtra
from extras_service.order.decide import decide as decide_order
from extras_service.order.inputs import (
    DeadlinePassed,
    HoldsConfirmed,
    HoldsLost,
    PaymentStart,
    PlacementRequest,
    RetentionPassed,
    ReviewDecision,
)
from extras_service.order.state import Order
from extras_service.property.decide import decide as decide_property
from payment_service.payment.decide import decide as decide_payment
from payment_service.payment.inputs import PollDue
from payment_service.payment.state import Payment

NOW = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
TOTAL = Money(amount=4800, currency="EUR")
LESS = Money(amount=100, currency="EUR")
NOTHING = Money.zero("EUR")
GUEST = Guest(
    guest_id=GuestId("guest-anna"),
    property_id=PropertyId("alpenhof"),
    reservation_id=ReservationId("res-1"),
    stay_from=date(2026, 7, 8),
    stay_to=date(2026, 7, 10),
)
STAFF = Staff(staff_id="staff-rosa", property_id=GUEST.property_id)
ORDER_ID = OrderId("ord_example")
IDS: dict[str, Any] = {"order_id": ORDER_ID, "payment_id": payment_id_of(ORDER_ID)}
REFUND_ID = RefundId("ref_example")
EXTRA_ID = ExtraId("alm-breakfast")
PROPERTY = PropertyDefinition(name={"en": "Alpenhof"})
FACT: dict[str, Any] = {**IDS, "psp_reference": "pi_example", "livemode": False, "occurred_at": NOW}


@dataclass(frozen=True, slots=True)
class Machine:
    """One state machine: an example of each status, of each message, and the function that decides."""

    title: str
    examples: Mapping[str, State]
    messages: Mapping[str, Any]
    decide: Callable[[Any, Any, datetime], Decision[Any]]
    first: tuple[str, str]
    """The message that creates the document, and the status it creates it in."""


# Orders


def _order_examples() -> dict[str, Order]:
    unconfirmed = _after(decide_order, None, replace(_placing(), needs_holds=True))
    placed = _after(decide_order, None, _placing())
    payable = _after(decide_order, placed, _starting(), _session_created())
    confirmed = _after(decide_order, payable, PaymentSucceeded(**IDS, amount=TOTAL))
    cancel = CancelOrder(order_id=ORDER_ID, property_id=GUEST.property_id, guest_id=GUEST.guest_id)
    expiring = _after(decide_order, payable, DeadlinePassed())
    cancelling = _after(decide_order, payable, cancel)
    closed = PaymentSessionClosed(**IDS)
    asking = placed.model_copy(update={"lines": tuple(_asking_first(placed.lines[0]))})
    awaiting = _after(decide_order, asking, _starting(), _session_created(), _authorised())
    return {
        "pending_payment, its places not confirmed": unconfirmed,
        "pending_payment, no payment requested yet": placed,
        "pending_payment": payable,
        "pending_payment, needs approval": _after(decide_order, asking, _starting(), _session_created()),
        "awaiting_approval": awaiting,
        "capturing": _after(decide_order, awaiting, ApproveOrder(order_id=ORDER_ID, staff=STAFF)),
        "capturing, a line taken out": _after(decide_order, awaiting, _without_a_line()),
        "expiring": expiring,
        "cancelling": cancelling,
        "confirmed": confirmed,
        "confirmed, a refund failed": _after(
            decide_order,
            confirmed,
            RefundOrder(order_id=ORDER_ID, staff=STAFF, refund_id=REFUND_ID, amount=LESS, reason="sorry"),
            PaymentRefundFailed(
                **IDS, fact_no=1, refund_id=REFUND_ID, refunded=NOTHING, pending=NOTHING, detail="closed"
            ),
        ),
        "confirmed, to be erased": _after(decide_order, confirmed, _erasing()),
        "fulfilled, erased": _after(decide_order, confirmed, FulfilOrder(order_id=ORDER_ID, staff=STAFF), _erasing()),
        "fulfilled": _after(decide_order, confirmed, FulfilOrder(order_id=ORDER_ID, staff=STAFF)),
        "expired": _after(decide_order, expiring, closed),
        "cancelled": _after(decide_order, cancelling, closed),
        "declined": _after(
            decide_order, awaiting, DeclineOrder(order_id=ORDER_ID, staff=STAFF, reason="fully booked"), closed
        ),
        "cancelled, refund on its way": _after(decide_order, confirmed, cancel),
        "needs_review": _after(decide_order, payable, PaymentSucceeded(**IDS, amount=LESS)),
        "needs_review, expired before": _after(
            decide_order, expiring, closed, PaymentMismatched(**IDS, detail="livemode differs", received=TOTAL)
        ),
    }


def _order_messages() -> dict[str, Any]:
    fact: dict[str, Any] = {**IDS, "fact_no": 1}
    refund: dict[str, Any] = {**fact, "refund_id": REFUND_ID, "pending": NOTHING}
    dispute: dict[str, Any] = {**fact, "dispute_id": "dp_example", "amount": TOTAL}
    return {
        "PlaceOrder (again)": _placing(),
        "holds confirmed": HoldsConfirmed(),
        "holds lost": HoldsLost(),
        "StartPayment": _starting(),
        "PaymentSessionCreated": _session_created(),
        "PaymentSessionFailed": PaymentSessionFailed(**IDS, detail="refused"),
        "PaymentInstructionsIssued": PaymentInstructionsIssued(**IDS, payable_until=NOW + timedelta(days=3)),
        "PaymentProcessing": PaymentProcessing(**IDS),
        "PaymentFailed": PaymentFailed(**IDS, code="card_declined", detail="Your card was declined."),
        "PaymentAuthorised": _authorised(),
        "PaymentSucceeded (in full)": PaymentSucceeded(**IDS, amount=TOTAL),
        "PaymentSucceeded (another amount)": PaymentSucceeded(**IDS, amount=LESS),
        "PaymentMismatched": PaymentMismatched(**IDS, detail="livemode differs", received=TOTAL),
        "PaymentUnresolved": PaymentUnresolved(**IDS, detail="the PSP has not answered"),
        "deadline": DeadlinePassed(),
        "CancelOrder": CancelOrder(order_id=ORDER_ID, property_id=GUEST.property_id, guest_id=GUEST.guest_id),
        "PaymentSessionClosed": PaymentSessionClosed(**IDS),
        "ApproveOrder": ApproveOrder(order_id=ORDER_ID, staff=STAFF),
        "ApproveOrder (without a line)": _without_a_line(),
        "DeclineOrder": DeclineOrder(order_id=ORDER_ID, staff=STAFF, reason="fully booked"),
        "FulfilOrder": FulfilOrder(order_id=ORDER_ID, staff=STAFF),
        "FulfilLines": FulfilLines(order_id=ORDER_ID, staff=STAFF, lines=(0,)),
        "RefundOrder": RefundOrder(order_id=ORDER_ID, staff=STAFF, refund_id=REFUND_ID, reason="sorry"),
        "RetryRefund": RetryRefund(order_id=ORDER_ID, staff=STAFF, refund_id=REFUND_ID, reason="it failed"),
        "SettleRefundOutside": SettleRefundOutside(
            order_id=ORDER_ID, staff=STAFF, refund_id=REFUND_ID, amount=LESS, reason="in cash"
        ),
        "PaymentRefunded": PaymentRefunded(**refund, refunded=TOTAL),
        "PaymentRefundFailed": PaymentRefundFailed(**refund, refunded=NOTHING, detail="the account is closed"),
        "PaymentUnresolved (a refund)": PaymentUnresolved(
            **IDS, detail="the PSP has not answered", refund_id=REFUND_ID, amount=LESS
        ),
        "PaymentDisputed": PaymentDisputed(**dispute, inquiry=False),
        "PaymentDisputeClosed (lost)": PaymentDisputeClosed(**dispute, won=False),
        "EraseOrder": _erasing(),
        "retention passed": RetentionPassed(),
        "ResolveReview (accept)": _resolving(ReviewResolution.ACCEPT),
        "ResolveReview (accept, no place left)": replace(
            _resolving(ReviewResolution.ACCEPT), no_places=Refused(Reason.OUT_OF_STOCK, "Massage: sold out.")
        ),
        "ResolveReview (refund)": _resolving(ReviewResolution.REFUND),
        "ResolveReview (settled outside)": _resolving(ReviewResolution.SETTLED_OUTSIDE),
    }


def _placing() -> PlacementRequest:
    breakfast = Extra(
        extra_id=ExtraId("alm-breakfast"),
        property_id=GUEST.property_id,
        name={"en": "Breakfast"},
        category="breakfast",
        unit_price=TOTAL,
        max_quantity=1,
    )
    lines = (RequestedLine(extra_id=breakfast.extra_id, quantity=1),)
    command = PlaceOrder(order_id=ORDER_ID, guest=GUEST, lines=lines)
    catalogue: Catalogue = {breakfast.extra_id: breakfast}
    return PlacementRequest(command, quote(GUEST, lines, catalogue), catalogue, timedelta(minutes=30))


def _asking_first(line: OrderLine) -> Iterator[OrderLine]:
    """Two lines that the hotel approves first, for as much as this one."""
    for part in (LESS, TOTAL - LESS):
        yield line.model_copy(update={"line_total": part, "needs_approval": True})


def _without_a_line() -> ApproveOrder:
    return ApproveOrder(order_id=ORDER_ID, staff=STAFF, without_lines=(1,), reason="fully booked")


def _resolving(resolution: ReviewResolution) -> ReviewDecision:
    command = ResolveReview(order_id=ORDER_ID, staff=STAFF, resolution=resolution, reason="looked at it")
    return ReviewDecision(command, review_no=1)


def _erasing() -> EraseOrder:
    return EraseOrder(order_id=ORDER_ID, property_id=GUEST.property_id, pseudonym="erased-example")


def _authorised() -> PaymentAuthorised:
    return PaymentAuthorised(**IDS, amount=TOTAL, capture_before=NOW + timedelta(days=7))


def _starting() -> PaymentStart:
    command = StartPayment(order_id=ORDER_ID, guest_id=GUEST.guest_id, property_id=GUEST.property_id)
    return PaymentStart(command, None)


def _session_created() -> PaymentSessionCreated:
    return PaymentSessionCreated(**IDS, amount=TOTAL, sealed_client_secret="sealed")  # noqa: S106  not a secret


# Payments


def _payment_examples() -> dict[str, Payment]:
    created = _after(decide_payment, None, _create())
    opened = _after(decide_payment, created, _psp_session_created())
    closing = _after(decide_payment, opened, ClosePaymentSession(**IDS))
    later = opened.model_copy(update={"is_captured_later": True})
    paid = _after(decide_payment, opened, PspPaymentSucceeded(**FACT, amount_received=TOTAL))
    return {
        "created": created,
        "session_open": opened,
        "action_required": _after(decide_payment, opened, PspPaymentActionRequired(**FACT)),
        "processing": _after(decide_payment, opened, PspPaymentProcessing(**FACT)),
        "session_open, captured later": later,
        "authorised": _after(decide_payment, later, _authorisation()),
        "capturing": _after(decide_payment, later, _authorisation(), CapturePayment(**IDS, amount=TOTAL)),
        "capturing, a part": _after(decide_payment, later, _authorisation(), CapturePayment(**IDS, amount=LESS)),
        "succeeded": paid,
        "succeeded, a refund asked for": _after(decide_payment, paid, _refund_payment()),
        "closing": closing,
        "closed": _after(decide_payment, closing, PspPaymentCanceled(**FACT)),
        "failed": _after(decide_payment, created, _psp_session_failed()),
        "unknown": _after(decide_payment, created, _silent()),
        "mismatched": _after(decide_payment, opened, PspPaymentSucceeded(**FACT, amount_received=LESS)),
    }


def _payment_messages() -> dict[str, Any]:
    refund: dict[str, Any] = {**FACT, "refund_id": REFUND_ID, "amount": TOTAL}
    dispute: dict[str, Any] = {**FACT, "dispute_id": "dp_example", "amount": TOTAL}
    return {
        "CreatePaymentSession": _create(),
        "CapturePayment": CapturePayment(**IDS, amount=TOTAL),
        "CapturePayment (a part)": CapturePayment(**IDS, amount=LESS),
        "ClosePaymentSession": ClosePaymentSession(**IDS),
        "RefundPayment": _refund_payment(),
        "ErasePayment": ErasePayment(**IDS, pseudonym="erased-example"),
        "poll": PollDue(),
        "PspSessionCreated": _psp_session_created(),
        "PspSessionFailed": _psp_session_failed(),
        "PspSessionOpen": PspSessionOpen(**FACT),
        "PspPaymentActionRequired": PspPaymentActionRequired(**FACT),
        "PspPaymentActionRequired (a voucher)": PspPaymentActionRequired(**FACT, payable_until=NOW + timedelta(days=3)),
        "PspPaymentHeld (paid in part)": PspPaymentHeld(**FACT, is_authorised_only=False, detail="a part is missing"),
        "PspPaymentHeld (authorised only)": _authorisation(),
        "PspPaymentProcessing": PspPaymentProcessing(**FACT),
        "PspPaymentFailed": PspPaymentFailed(**FACT, code="card_declined", detail="Your card was declined."),
        "PspPaymentSucceeded (in full)": PspPaymentSucceeded(**FACT, amount_received=TOTAL),
        "PspPaymentSucceeded (another amount)": PspPaymentSucceeded(**FACT, amount_received=LESS),
        "PspPaymentSucceeded (a second charge)": PspPaymentSucceeded(
            **{**FACT, "psp_reference": "pi_another"}, amount_received=TOTAL
        ),
        "PspPaymentCanceled": PspPaymentCanceled(**FACT),
        "PspOutcomeUnknown": _silent(),
        "PspRefundUpdated (pending)": PspRefundUpdated(**refund, state=PspRefundState.PENDING),
        "PspRefundUpdated (succeeded)": PspRefundUpdated(**refund, state=PspRefundState.SUCCEEDED),
        "PspRefundUpdated (failed)": PspRefundUpdated(**refund, state=PspRefundState.FAILED),
        "PspRefundRefused": PspRefundRefused(**IDS, refund_id=REFUND_ID, detail="charge_disputed"),
        "PspDisputeUpdated (open)": PspDisputeUpdated(**dispute, state=PspDisputeState.OPEN),
        "PspDisputeUpdated (lost)": PspDisputeUpdated(**dispute, state=PspDisputeState.LOST),
    }


def _create() -> CreatePaymentSession:
    return CreatePaymentSession(**IDS, amount=TOTAL)


def _authorisation() -> PspPaymentHeld:
    return PspPaymentHeld(**FACT, is_authorised_only=True, detail="authorised", authorised=TOTAL)


def _refund_payment() -> RefundPayment:
    return RefundPayment(**IDS, refund_id=REFUND_ID, amount=TOTAL, reason="sorry")


def _psp_session_created() -> PspSessionCreated:
    return PspSessionCreated(
        **IDS,
        session_no=1,
        psp_reference="pi_example",
        amount=TOTAL,
        livemode=False,
        sealed_client_secret="sealed",  # noqa: S106  not a secret
    )


def _psp_session_failed() -> PspSessionFailed:
    return PspSessionFailed(**IDS, session_no=1, code="api_key_expired", detail="refused")


def _silent() -> PspOutcomeUnknown:
    return PspOutcomeUnknown(**IDS, asked=CreatePspSession.wire_kind(), detail="no answer")


# Catalogue and properties


def _catalogue_examples() -> dict[str, CatalogueExtra]:
    offered = _after(decide_extra, None, _defining())
    return {"offered": offered, "retired": _after(decide_extra, offered, _retiring())}


def _catalogue_messages() -> dict[str, Any]:
    other = _definition(LESS)
    elsewhere = STAFF.model_copy(update={"property_id": PropertyId("kamogawa")})
    return {
        "DefineExtra": _defining(),
        "DefineExtra (another definition)": _defining(other),
        "ChangeExtra": ExtraChange(_changing(other), PROPERTY),
        "ChangeExtra (to what it is)": ExtraChange(_changing(_definition()), PROPERTY),
        "ChangeExtra (of an older version)": ExtraChange(_changing(other, version=0), PROPERTY),
        "ChangeExtra (with mistakes)": ExtraChange(_changing(_definition(NOTHING)), PROPERTY),
        "ChangeExtra (by another property)": ExtraChange(
            _changing(other).model_copy(update={"staff": elsewhere}), PROPERTY
        ),
        "RetireExtra": _retiring(),
        "ReorderExtras": MoveExtra(STAFF, 7),
    }


def _definition(price: Money = TOTAL) -> ExtraDefinition:
    return ExtraDefinition(name={"en": "Breakfast"}, category="breakfast", unit_price=price, max_quantity=1)


def _defining(definition: ExtraDefinition | None = None) -> ExtraDefining:
    command = DefineExtra(extra_id=EXTRA_ID, staff=STAFF, definition=definition or _definition())
    return ExtraDefining(command, PROPERTY)


def _changing(definition: ExtraDefinition, *, version: int = 1) -> ChangeExtra:
    return ChangeExtra(extra_id=EXTRA_ID, staff=STAFF, version=version, definition=definition)


def _retiring() -> RetireExtra:
    return RetireExtra(extra_id=EXTRA_ID, staff=STAFF, version=1)


def _property_messages() -> dict[str, Any]:
    moved = PROPERTY.model_copy(update={"time_zone": "Europe/Vienna"})
    nowhere = PROPERTY.model_copy(update={"time_zone": "Mars/Olympus"})
    common: dict[str, Any] = {"property_id": GUEST.property_id, "staff": STAFF}
    return {
        "DefineProperty": DefineProperty(**common, definition=PROPERTY),
        "DefineProperty (another definition)": DefineProperty(**common, definition=moved),
        "ChangeProperty": ChangeProperty(**common, definition=moved, version=1),
        "ChangeProperty (of an older version)": ChangeProperty(**common, definition=moved, version=0),
        "ChangeProperty (with mistakes)": ChangeProperty(**common, definition=nowhere, version=1),
        "ChangeProperty (by another property)": ChangeProperty(
            property_id=PropertyId("kamogawa"), staff=STAFF, definition=moved, version=1
        ),
    }


def machines() -> tuple[Machine, ...]:
    """The order's, the payment's, the catalogue's and the property's, each with an example of everything."""
    properties = _property_messages()
    return (
        Machine("Orders", _order_examples(), _order_messages(), decide_order, ("PlaceOrder", "pending_payment")),
        Machine(
            "Payments",
            _payment_examples(),
            _payment_messages(),
            decide_payment,
            ("CreatePaymentSession", "created"),
        ),
        Machine(
            "Extras of the catalogue",
            _catalogue_examples(),
            _catalogue_messages(),
            decide_extra,
            ("DefineExtra", "offered"),
        ),
        Machine(
            "Properties",
            {"defined": _after(decide_property, None, properties["DefineProperty"])},
            properties,
            decide_property,
            ("DefineProperty", "defined"),
        ),
    )


def _after(decide: Callable[[Any, Any, datetime], Decision[Any]], state: Any, *messages: Any) -> Any:
    """The state after these messages, each of which must apply."""
    for message in messages:
        decision = decide(state, message, when(state, message))
        if not isinstance(decision, Applied):
            raise AssertionError(
                f"an example of tools/state_machine_examples.py no longer holds: {message} ended as {decision}"
            )
        state = decision.state
    return state


def when(state: State | None, message: Any) -> datetime:
    is_clock = isinstance(message, DeadlinePassed | PollDue)
    return state.due_at if is_clock and state is not None and state.due_at is not None else NOW
