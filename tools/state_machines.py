"""docs/state-machines.md, made from the code by asking it. `python -m tools.state_machines --write`; `--check`.

Every status meets every message: the page says what the services' own `decide` functions answered.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, assert_never

from chassis.decision import Applied, Decision, DeferredReply, Duplicate, Ignored, Refused, Stale, State
from chassis.errors import PermanentError, TransientError
from contracts.ids import ExtraId, GuestId, OrderId, PropertyId, RefundId, ReservationId, payment_id_of
from contracts.message import Message
from contracts.money import Money
from contracts.order_actions import ReviewResolution
from contracts.orders import (
    CancelOrder,
    FulfilOrder,
    Guest,
    OrderStatus,
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
    ClosePaymentSession,
    CreatePaymentSession,
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
from extras_service.catalogue import Catalogue, Extra, quote
from extras_service.order.decide import decide as decide_order
from extras_service.order.inputs import (
    DeadlinePassed,
    HoldsConfirmed,
    HoldsLost,
    PaymentStart,
    PlacementRequest,
    ReviewDecision,
)
from extras_service.order.state import Order
from payment_service.payment.decide import decide as decide_payment
from payment_service.payment.inputs import PollDue
from payment_service.payment.state import Payment, PaymentStage
from tools.generated_file import ROOT, generated_file_command

PAGE = ROOT / "docs" / "state-machines.md"

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


@dataclass(frozen=True, slots=True)
class Row:
    """How one status answers one message."""

    status: str
    message: str
    becomes: str | None
    outcome: str
    sends: tuple[str, ...] = ()


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
    return {
        "pending_payment, its places not confirmed": unconfirmed,
        "pending_payment, no payment requested yet": placed,
        "pending_payment": payable,
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
        "fulfilled": _after(decide_order, confirmed, FulfilOrder(order_id=ORDER_ID, staff=STAFF)),
        "expired": _after(decide_order, expiring, closed),
        "cancelled": _after(decide_order, cancelling, closed),
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
        "PaymentSucceeded (in full)": PaymentSucceeded(**IDS, amount=TOTAL),
        "PaymentSucceeded (another amount)": PaymentSucceeded(**IDS, amount=LESS),
        "PaymentMismatched": PaymentMismatched(**IDS, detail="livemode differs", received=TOTAL),
        "PaymentUnresolved": PaymentUnresolved(**IDS, detail="the PSP has not answered"),
        "deadline": DeadlinePassed(),
        "CancelOrder": CancelOrder(order_id=ORDER_ID, property_id=GUEST.property_id, guest_id=GUEST.guest_id),
        "PaymentSessionClosed": PaymentSessionClosed(**IDS),
        "FulfilOrder": FulfilOrder(order_id=ORDER_ID, staff=STAFF),
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


def _resolving(resolution: ReviewResolution) -> ReviewDecision:
    command = ResolveReview(order_id=ORDER_ID, staff=STAFF, resolution=resolution, reason="looked at it")
    return ReviewDecision(command, review_no=1)


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
    paid = _after(decide_payment, opened, PspPaymentSucceeded(**FACT, amount_received=TOTAL))
    return {
        "created": created,
        "session_open": opened,
        "action_required": _after(decide_payment, opened, PspPaymentActionRequired(**FACT)),
        "processing": _after(decide_payment, opened, PspPaymentProcessing(**FACT)),
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
        "ClosePaymentSession": ClosePaymentSession(**IDS),
        "RefundPayment": _refund_payment(),
        "poll": PollDue(),
        "PspSessionCreated": _psp_session_created(),
        "PspSessionFailed": _psp_session_failed(),
        "PspSessionOpen": PspSessionOpen(**FACT),
        "PspPaymentActionRequired": PspPaymentActionRequired(**FACT),
        "PspPaymentActionRequired (a voucher)": PspPaymentActionRequired(**FACT, payable_until=NOW + timedelta(days=3)),
        "PspPaymentHeld (paid in part)": PspPaymentHeld(**FACT, is_authorised_only=False, detail="a part is missing"),
        "PspPaymentHeld (authorised only)": PspPaymentHeld(**FACT, is_authorised_only=True, detail="not captured"),
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


def machines() -> tuple[Machine, Machine]:
    """The order's and the payment's, each with an example of everything."""
    return (
        Machine("Orders", _order_examples(), _order_messages(), decide_order, ("PlaceOrder", "pending_payment")),
        Machine(
            "Payments",
            _payment_examples(),
            _payment_messages(),
            decide_payment,
            ("CreatePaymentSession", "created"),
        ),
    )


# Asking


def _after(decide: Callable[[Any, Any, datetime], Decision[Any]], state: Any, *messages: Any) -> Any:
    """The state after these messages, each of which must apply."""
    for message in messages:
        decision = decide(state, message, _when(state, message))
        if not isinstance(decision, Applied):
            raise AssertionError(
                f"an example of tools/state_machines.py no longer holds: {message} ended as {decision}"
            )
        state = decision.state
    return state


def _when(state: State | None, message: Any) -> datetime:
    is_clock = isinstance(message, DeadlinePassed | PollDue)
    return state.due_at if is_clock and state is not None and state.due_at is not None else NOW


def rows(machine: Machine) -> Iterator[Row]:
    """Every status meets every message."""
    for status, state in machine.examples.items():
        for name, message in machine.messages.items():
            yield _row(machine, status, state, name, message)


def _row(machine: Machine, status: str, state: State, name: str, message: Any) -> Row:
    try:
        decision = machine.decide(state, message, _when(state, message))
    except TransientError as error:
        return Row(status, name, None, f"tried again later: {error}")
    except PermanentError as error:
        return Row(status, name, None, f"parked: {error}")
    match decision:
        case Applied(state=after, messages=messages):
            sent = tuple(_name(each) for each in messages if not isinstance(each, DeferredReply))
            return Row(status, name, _summary(after), "applied", sent)
        case Refused(detail=detail):
            return Row(status, name, None, f"refused: {detail}")
        case Duplicate():
            return Row(status, name, None, "duplicate")
        case Stale(reason=reason) | Ignored(reason=reason):
            return Row(status, name, None, f"{decision.name}: {reason}")
        case _:
            assert_never(decision)


def _name(message: Message) -> str:
    return type(message).__name__


def _summary(state: Any) -> str:
    paid = getattr(state, "payment_status", None)
    return f"{state.status}, {paid}" if paid else str(state.status)


# Writing


def page() -> str:
    """The whole page, as the code is now."""
    return "\n".join((INTRODUCTION, *(line for machine in machines() for line in _section(machine)), MODEL_CHECK))


def _section(machine: Machine) -> Iterator[str]:
    found = list(rows(machine))
    yield f"## {machine.title}\n"
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {machine.first[1]}: {machine.first[0]}"
    yield from (f"    {line}" for line in dict.fromkeys(_arrows(found)))
    yield "```\n"
    for status in machine.examples:
        yield f"### {status}\n"
        yield "| message | becomes | sends |"
        yield "|---|---|---|"
        here = [row for row in found if row.status == status]
        yield from (_applied(row) for row in here if row.becomes is not None)
        yield from _unchanged([row for row in here if row.becomes is None])
        yield ""


def _arrows(found: Iterable[Row]) -> Iterator[str]:
    """One arrow between two statuses, with everything that leads along it."""
    ways: dict[tuple[str, str], list[str]] = {}
    for row in found:
        source, target = row.status.split(",")[0], (row.becomes or "").split(",")[0]
        if target and target != source:
            ways.setdefault((source, target), []).append(row.message)
    for (source, target), messages in ways.items():
        yield f"{source} --> {target}: {' / '.join(dict.fromkeys(messages))}"


def _applied(row: Row) -> str:
    return f"| {row.message} | {row.becomes} | {', '.join(row.sends) or '-'} |"


def _unchanged(found: list[Row]) -> Iterator[str]:
    """Rows without a change, grouped by reason."""
    why: dict[str, list[str]] = {}
    for row in found:
        why.setdefault(row.outcome, []).append(row.message)
    for outcome, messages in why.items():
        yield f"| {', '.join(messages)} | unchanged; {outcome} | - |"


INTRODUCTION = """# State machines

What every message does to an order and to a payment in every status. This page is generated from the services' own
`decide` functions (`python -m tools.state_machines --write`), and CI fails if it is not current. The diagrams show only
changes of status; the tables show everything.

*Stale* means overtaken by something newer, *ignored* means without effect in this status, *refused* is a reply to the
requester; none of the three changes anything. Statuses with a remark (`cancelled, refund on its way`) are the same
status with other money facts. In the order tables, *becomes* names the status and the payment status.
"""

MODEL_CHECK = """## The model check

The tables have one message at a time. `tests/model/` explores messages that come late, twice, in any order or, for
webhooks about a payment, never: every reachable combination of order, payment, PSP and pending messages for one order,
with the services' own `decide` functions, and the payment service's handlers to find the payment of an event. A crash
between write and publish is a message that comes late. Deliveries, deadlines and polls are not bounded.

**Bounded** are the acts of people, and faults:

- actions of guest and staff;
- events at the PSP: refunds in the dashboard, disputes, failing refunds, changed metadata, lost sessions, a second
  session that is paid, vouchers that are paid for days or expire;
- redeliveries and lost webhooks;
- requests that the PSP leaves unanswered (a refund for weeks) or refuses (a wrong key, a missing permission, an unknown
  id, this object: the adapter's own handlers decide what follows), failures that it stores and repeats, idempotency
  keys that it has forgotten;
- messages of any age that an operator replays in any state, after their ids were forgotten;
- one store that is restored from a backup, and then gets its part of the log or, if the log is lost, the corrections
  of `bellhop reconcile`.

Longer random walks through the same model (`test_money_stateful.py`) exceed these bounds.

**In every state**: no order is confirmed without the full amount captured, unless staff accepted it; refunds never
exceed the captures; no refund is made twice; no message is parked; deciding on a handled message again changes
nothing.

**At rest**: a closed order keeps no money without a refund or review; no guest pays twice; no order is stuck; order
and PSP agree about the money; no refund is forgotten, and none is made without a request; a refund that failed or was
made twice is shown on the order (to staff, until it is requested again or settled outside); no refund fails because
our key is refused; no session stays open; no order goes to review because the PSP repeats a failure; a refund that
staff settled outside and the PSP makes later is found; a restored store reaches the same end.

**While no message is pending**: a voucher keeps its order open, and a refund without an outcome for two weeks is shown.
From every state, deliveries, clocks and the PSP alone lead to a final one. Bugs planted in the decisions, in the
adapter and in the restoring of a store are found, and the real code breaks no law within the same bounds
(`test_planted_bugs.py`).

CI explores 46 bounds, 1,451,000 states when this was written, in about a minute of processor time; with
`BELLHOP_MODEL_DEPTH=deep`, 15 wider ones after them. `python -m tests.model` prints each bound with its number of
states ([figures](testing.md#the-model-of-money)); the bounds are in `tests/model/bounds.py`. The random walks
are the same 500 each time in CI; the deep run takes 5,000 others.
"""


def missing() -> list[str]:
    """Statuses without an example: the page must show all of them."""
    orders, payments = machines()
    shown = {name.split(",")[0] for machine in (orders, payments) for name in machine.examples}
    return [str(status) for status in (*OrderStatus, *PaymentStage) if status not in shown]


if __name__ == "__main__":
    generated_file_command(PAGE, page, "tools.state_machines")
