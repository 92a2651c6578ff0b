"""The money audit: what it lets pass, and what it names."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.ids import GuestId, OrderId, PropertyId, RefundId, ReservationId, payment_id_of
from contracts.money import Money
from contracts.order_actions import Direction, SettledOutside
from contracts.orders import Guest, OrderStatus, PaymentStatus
from contracts.payments import RefundStage
from contracts.psp import PspDisputeState, PspRefundState
from extras_service.order.refund import RequestedRefund
from extras_service.order.state import Order
from ops.core.audit import Books, Kind, examine
from payment_service.payment.state import Dispute, Payment, PaymentStage, Refund
from psp_adapter.ledger import LedgerDispute, LedgerEntry, LedgerRefund
from psp_adapter.translate import dispute_state

NOW = datetime(2026, 7, 1, 9, tzinfo=UTC)
ORDER_ID = OrderId("ord_" + "a" * 26)
PAYMENT_ID = payment_id_of(ORDER_ID)


def euros(amount: int) -> Money:
    return Money(amount=amount, currency="EUR")


def order(status: OrderStatus, *, refunded: int | None = None, accepted: bool = False) -> Order:
    return Order(
        order_id=ORDER_ID,
        guest=Guest(
            guest_id=GuestId("anna"),
            property_id=PropertyId("alpenhof"),
            reservation_id=ReservationId("R-1"),
            stay_from=date(2026, 7, 3),
            stay_to=date(2026, 7, 5),
        ),
        guest_key="alpenhof/anna",
        requested=(),
        lines=(),
        total=euros(4800),
        status=status,
        payment_status=PaymentStatus.PAID,
        created_at=NOW,
        pay_within=timedelta(minutes=30),
        payment_id=PAYMENT_ID,
        refunded=None if refunded is None else euros(refunded),
        accepted=accepted,
    )


def payment(*refunds: Refund, disputes: tuple[Dispute, ...] = ()) -> Payment:
    return Payment(
        payment_id=PAYMENT_ID,
        order_id=ORDER_ID,
        amount=euros(4800),
        status=PaymentStage.SUCCEEDED,
        refunds=refunds,
        disputes=disputes,
    )


def refund(stage: RefundStage, amount: int = 4800) -> Refund:
    return Refund(refund_id=RefundId("ref_1"), psp_reference="pi_1", amount=euros(amount), stage=stage, detail="closed")


def entry(
    captured: int = 0,
    refunded: int = 0,
    pending: int = 0,
    *,
    ids: tuple[str, ...] = ("ref_1", "ref_2"),
    disputes: Mapping[str, int] | None = None,
    currency: str = "EUR",
) -> LedgerEntry:
    """The PSP's side, in cents. `disputes`: amounts by the PSP's word for where each stands."""
    moved = ((refunded, PspRefundState.SUCCEEDED), (pending, PspRefundState.PENDING))
    return LedgerEntry(
        psp_reference="pi_1",
        order_id=ORDER_ID,
        currency=currency,
        captured=Decimal(captured) / 100,
        refunds=tuple(
            LedgerRefund(
                psp_refund_id=f"re_{refund_id}",
                refund_id=refund_id,
                amount=Decimal(amount) / 100,
                state=state,
                created=NOW,
            )
            for (amount, state), refund_id in zip(moved, ids, strict=True)
            if amount
        ),
        disputes=tuple(
            LedgerDispute(
                dispute_id="dp_1",
                amount=Decimal(amount) / 100,
                state=dispute_state(status),
                status=status,
                created=NOW - timedelta(days=3),
            )
            for status, amount in (disputes or {}).items()
        ),
    )


def books(kept: Order | None, *entries: LedgerEntry, paid: Payment | None = None, **more: Any) -> Books:
    return Books(ORDER_ID, kept, payment() if paid is None else paid, entries, **more)


def found(given: Books) -> list[tuple[Kind, str]]:
    return [(finding.kind, finding.problem) for finding in examine(given, NOW)]


@pytest.mark.parametrize(
    ("kept", "line"),
    [
        (order(OrderStatus.CONFIRMED), entry(4800)),
        (order(OrderStatus.FULFILLED, refunded=1000), entry(4800, 1000)),
        (order(OrderStatus.CONFIRMED), entry(4800, 0, 1000)),
        (order(OrderStatus.CONFIRMED, accepted=True), entry(4000)),
        (order(OrderStatus.CANCELLED), entry(4800, 4800)),
        (order(OrderStatus.CANCELLED), entry(4800, 0, 4800)),
        (order(OrderStatus.EXPIRED), entry()),
        (order(OrderStatus.PENDING_PAYMENT), entry()),
    ],
)
def test_money_that_is_accounted_for_is_no_finding(kept: Order, line: LedgerEntry) -> None:
    assert found(books(kept, line)) == []


@pytest.mark.parametrize(
    ("kept", "line", "kind", "said"),
    [
        (order(OrderStatus.CONFIRMED), entry(), Kind.UNBALANCED, "holds €0.00, the order is worth €48.00"),
        (order(OrderStatus.CONFIRMED), entry(4000), Kind.UNBALANCED, "holds €40.00"),
        (order(OrderStatus.CONFIRMED), entry(4800, 1000), Kind.UNBALANCED, "holds €38.00"),
        (order(OrderStatus.CANCELLED), entry(4800), Kind.UNBALANCED, "still holds €48.00"),
        (order(OrderStatus.EXPIRED), entry(4800, 800), Kind.UNBALANCED, "still holds €40.00"),
        (order(OrderStatus.PENDING_PAYMENT), entry(4800), Kind.UNSETTLED, "bellhop reconcile"),
        (order(OrderStatus.CONFIRMED), entry(4800, currency="CHF"), Kind.CURRENCY, "another currency"),
    ],
)
def test_money_that_is_not_accounted_for_is_named_with_its_ids(
    kept: Order, line: LedgerEntry, kind: Kind, said: str
) -> None:
    (finding,) = examine(books(kept, line), NOW)

    assert (finding.order_id, finding.payment_id, finding.psp_references) == (ORDER_ID, PAYMENT_ID, ("pi_1",))
    assert finding.kind is kind
    assert said in finding.problem


def test_a_refund_that_was_asked_for_and_not_yet_answered_is_open() -> None:
    asked = payment(refund(RefundStage.REQUESTED))

    assert found(books(order(OrderStatus.CANCELLED), entry(4800), paid=asked)) == []


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_refund_asked_for_more_than_a_day_ago_is_found(is_kept: bool) -> None:
    long_ago = NOW - timedelta(days=1, seconds=1)
    asked = refund(RefundStage.PENDING).model_copy(update={"asked_at": long_ago if is_kept else None})
    line, since = entry(4800, 0, 4800), None if is_kept else long_ago

    (finding,) = examine(books(order(OrderStatus.CANCELLED), line, paid=payment(asked), refund_since=since), NOW)

    assert (finding.kind, finding.amount, finding.since) == (Kind.WAITING_REFUND, Decimal(48), long_ago)


def test_a_refund_asked_for_today_is_none_though_another_has_waited_for_days() -> None:
    asked = refund(RefundStage.PENDING).model_copy(update={"asked_at": NOW - timedelta(hours=1)})
    line, since = entry(4800, 0, 4800), NOW - timedelta(days=3)

    assert found(books(order(OrderStatus.CANCELLED), line, paid=payment(asked), refund_since=since)) == []


@pytest.mark.parametrize(("age", "is_found"), [(timedelta(minutes=9), False), (timedelta(minutes=11), True)])
def test_a_refund_that_the_payment_service_has_never_heard_of_is_found(age: timedelta, is_found: bool) -> None:
    asked = RequestedRefund(
        refund_id=RefundId("ref_2"), amount=euros(1000), reason="cold", asked_by="stf_1", asked_at=NOW - age
    )
    confirmed = order(OrderStatus.CONFIRMED).model_copy(update={"refunds": (asked,)})

    problem = "the payment service does not know the refund ref_2 that the order asked for"
    assert found(books(confirmed, entry(4800), paid=payment())) == [(Kind.LOST_REFUND, problem)] * is_found


def test_a_refund_that_failed_on_a_confirmed_order_is_found() -> None:
    failed = payment(refund(RefundStage.FAILED, 1000))

    assert found(books(order(OrderStatus.CONFIRMED), entry(4800), paid=failed)) == [
        (Kind.FAILED_REFUND, "the refund ref_1 failed: closed")
    ]


def test_a_refund_that_failed_is_no_finding_once_everything_is_refunded() -> None:
    failed = payment(refund(RefundStage.FAILED, 1000))

    assert found(books(order(OrderStatus.CANCELLED), entry(4800, 4800), paid=failed)) == []


def test_two_charges_for_one_order_are_found() -> None:
    ((_, problem),) = found(books(order(OrderStatus.CONFIRMED), entry(4800), entry(4800)))

    assert "holds €96.00" in problem


def test_a_charge_for_an_order_that_was_never_taken_is_found() -> None:
    ((kind, _),) = found(books(None, entry(4800)))

    assert kind is Kind.UNKNOWN_CHARGE


def test_an_amount_finer_than_our_units_is_carried_to_the_last_digit() -> None:
    half = entry(4800).model_copy(update={"captured": Decimal("48.005")})

    ((_, problem),) = found(books(order(OrderStatus.CONFIRMED), half))

    assert "holds €48.005" in problem


def test_a_review_is_an_open_question_with_its_age_and_sum() -> None:
    since = NOW - timedelta(days=2)
    review = order(OrderStatus.NEEDS_REVIEW).model_copy(update={"review": "paid €40.00, owed €48.00"})

    (question,) = examine(books(review, entry(4000), review_since=since), NOW)

    assert (question.kind, question.amount, question.since) == (Kind.REVIEW, Decimal(40), since)
    assert question.kind.is_open_question
    assert "owed €48.00" in question.problem


def test_an_open_dispute_is_an_open_question_about_its_money() -> None:
    known = payment(disputes=(Dispute(dispute_id="dp_1", amount=euros(2000), state=PspDisputeState.OPEN),))

    (question,) = examine(
        books(order(OrderStatus.CONFIRMED), entry(4800, disputes={"needs_response": 2000}), paid=known), NOW
    )

    assert (question.kind, question.amount) == (Kind.DISPUTE, Decimal(20))


def test_a_guest_who_was_refunded_and_won_a_dispute_is_found_until_a_person_has_seen_it() -> None:
    lost = payment(disputes=(Dispute(dispute_id="dp_1", amount=euros(4800), state=PspDisputeState.LOST),))
    twice = entry(4800, refunded=4800, disputes={"lost": 4800})
    cancelled = order(OrderStatus.CANCELLED)

    ((kind, _),) = found(books(cancelled, twice, paid=lost))
    seen = found(books(cancelled.model_copy(update={"accepted": True}), twice, paid=lost))

    assert (kind, seen) == (Kind.UNBALANCED, [])


def test_a_lost_dispute_in_another_currency_counts_as_all_of_the_payment() -> None:
    dollars = LedgerDispute(
        dispute_id="dp_1",
        amount=Decimal(53),
        currency="USD",
        state=PspDisputeState.LOST,
        status="lost",
        created=NOW,
    )
    lost = payment(
        disputes=(Dispute(dispute_id="dp_1", amount=Money(amount=5300, currency="USD"), state=PspDisputeState.LOST),)
    )
    cancelled = books(order(OrderStatus.CANCELLED), entry(4800).model_copy(update={"disputes": (dollars,)}), paid=lost)

    assert found(cancelled) == []


def test_a_dispute_that_the_payment_does_not_know_is_found() -> None:
    ((kind, problem),) = found(books(order(OrderStatus.CONFIRMED), entry(4800, disputes={"lost": 4800})))

    assert kind is Kind.UNKNOWN_DISPUTE
    assert "dp_1 is lost" in problem


@pytest.mark.parametrize("known_as", [PspDisputeState.OPEN, PspDisputeState.INQUIRY, PspDisputeState.LOST])
def test_a_dispute_that_is_won_and_that_the_payment_still_takes_for_something_else_is_found(
    known_as: PspDisputeState,
) -> None:
    known = payment(disputes=(Dispute(dispute_id="dp_1", amount=euros(4800), state=known_as),))

    ((kind, problem),) = found(books(order(OrderStatus.CONFIRMED), entry(4800, disputes={"won": 4800}), paid=known))

    assert kind is Kind.UNKNOWN_DISPUTE
    assert "dp_1 is won" in problem


def test_a_dispute_that_was_won_before_the_payment_heard_of_it_is_no_finding() -> None:
    assert found(books(order(OrderStatus.CONFIRMED), entry(4800, disputes={"won": 4800}))) == []


def test_money_the_bank_has_taken_back_is_not_held_for_a_cancelled_order() -> None:
    lost = payment(disputes=(Dispute(dispute_id="dp_1", amount=euros(4800), state=PspDisputeState.LOST),))

    assert found(books(order(OrderStatus.CANCELLED), entry(4800, disputes={"lost": 4800}), paid=lost)) == []


def test_of_a_part_that_was_lost_the_rest_is_still_held_for_a_cancelled_order() -> None:
    lost = payment(disputes=(Dispute(dispute_id="dp_1", amount=euros(2000), state=PspDisputeState.LOST),))

    ((_, problem),) = found(books(order(OrderStatus.CANCELLED), entry(4800, disputes={"lost": 2000}), paid=lost))

    assert "still holds €28.00" in problem


def test_a_charged_back_order_is_known_and_no_finding() -> None:
    charged_back = order(OrderStatus.CONFIRMED).model_copy(update={"payment_status": PaymentStatus.CHARGED_BACK})

    assert found(books(charged_back, entry(4800, 4800))) == []


def test_two_refunds_under_one_id_are_found_until_a_person_has_seen_them() -> None:
    doubled = entry(4800, 1000, 1000, ids=("ref_1", "ref_1"))
    kept = order(OrderStatus.CONFIRMED, refunded=1000)
    seen = kept.model_copy(update={"doubled_refunds": (RefundId("ref_1"),), "accepted": True})

    assert found(books(kept, doubled)) == [(Kind.DOUBLE_REFUND, "the PSP has made more than one refund under ref_1")]
    assert found(books(seen, doubled)) == []


def test_what_staff_settled_outside_is_part_of_what_adds_up() -> None:
    paid_back = {"by": "reception", "reason": "paid back in cash", "at": NOW, "direction": Direction.TO_GUEST}
    whole = SettledOutside.model_validate({"amount": euros(4800), **paid_back})
    part = whole.model_copy(update={"amount": euros(3000)})
    cancelled = order(OrderStatus.CANCELLED, accepted=True)

    assert found(books(cancelled.model_copy(update={"settled_outside": (whole,)}), entry(4800))) == []
    [(kind, problem)] = found(books(cancelled.model_copy(update={"settled_outside": (part,)}), entry(4800)))
    assert kind is Kind.UNBALANCED
    assert "€18.00" in problem


def test_money_at_another_account_than_the_payments_is_found() -> None:
    elsewhere = entry(4800).model_copy(update={"psp_account": "seaside"})

    [(kind, problem)] = found(books(order(OrderStatus.CONFIRMED), elsewhere, paid=payment()))

    assert (kind, "holds money at the account seaside, not default" in problem) == (Kind.OTHER_ACCOUNT, True)
