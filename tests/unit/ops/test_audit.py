"""The money audit: what it lets pass, and what it names."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from contracts.ids import GuestId, OrderId, PaymentId, PropertyId, RefundId, ReservationId, payment_id_of
from contracts.money import Money
from contracts.orders import Guest, OrderStatus, PaymentStatus
from contracts.psp import PspDisputeState
from extras_service.order import Order
from ops.audit import compare
from payment_service.payment import Dispute, Payment, PaymentStage, Refund, RefundStage
from psp_adapter.translate import Books

NOW = datetime(2026, 7, 1, 9, tzinfo=UTC)
ORDER_ID = OrderId("ord_" + "a" * 26)
PAYMENT_ID = payment_id_of(ORDER_ID)
OTHER = OrderId("ord_" + "b" * 26)


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


def books(captured: int = 0, refunded: int = 0, pending: int = 0, *, order_id: OrderId = ORDER_ID) -> Books:
    return Books("pi_1", order_id, PaymentId("pay_1"), "succeeded", euros(captured), euros(refunded), euros(pending))


@pytest.mark.parametrize(
    ("kept", "line"),
    [
        (order(OrderStatus.CONFIRMED), books(4800)),
        (order(OrderStatus.FULFILLED, refunded=1000), books(4800, 1000)),
        (order(OrderStatus.CONFIRMED), books(4800, 0, 1000)),
        (order(OrderStatus.CONFIRMED, accepted=True), books(4000)),
        (order(OrderStatus.CANCELLED), books(4800, 4800)),
        (order(OrderStatus.CANCELLED), books(4800, 0, 4800)),
        (order(OrderStatus.EXPIRED), books()),
        (order(OrderStatus.PENDING_PAYMENT), books()),
        (order(OrderStatus.NEEDS_REVIEW), books(4000)),
    ],
)
def test_money_that_is_accounted_for_is_no_finding(kept: Order, line: Books) -> None:
    assert compare({ORDER_ID: kept}, {PAYMENT_ID: payment()}, [line]) == ()


@pytest.mark.parametrize(
    ("kept", "line", "said"),
    [
        (order(OrderStatus.CONFIRMED), books(), "holds 0, the order owes 4800"),
        (order(OrderStatus.CONFIRMED), books(4000), "holds 4000"),
        (order(OrderStatus.CONFIRMED), books(4800, 1000), "holds 3800"),
        (order(OrderStatus.CANCELLED), books(4800), "still holds 4800"),
        (order(OrderStatus.EXPIRED), books(4800, 800), "still holds 4000"),
        (order(OrderStatus.PENDING_PAYMENT), books(4800), "bellhop reconcile"),
    ],
)
def test_money_that_is_not_accounted_for_is_named_with_its_ids(kept: Order, line: Books, said: str) -> None:
    findings = compare({ORDER_ID: kept}, {PAYMENT_ID: payment()}, [line])

    assert [(found.order_id, found.payment_id, found.psp_references) for found in findings] == [
        (ORDER_ID, PAYMENT_ID, ("pi_1",))
    ]
    assert said in findings[0].problem


def test_a_refund_that_was_asked_for_and_not_yet_answered_is_open() -> None:
    asked = Refund(refund_id=RefundId("ref_1"), psp_reference="pi_1", amount=euros(4800), stage=RefundStage.REQUESTED)

    findings = compare({ORDER_ID: order(OrderStatus.CANCELLED)}, {PAYMENT_ID: payment(asked)}, [books(4800)])

    assert findings == ()


def test_two_charges_for_one_order_are_found() -> None:
    findings = compare({ORDER_ID: order(OrderStatus.CONFIRMED)}, {}, [books(4800), books(4800)])

    assert "holds 9600" in findings[0].problem


def test_a_charge_for_an_order_nobody_took_is_found() -> None:
    findings = compare({}, {}, [books(4800, order_id=OTHER)])

    assert [found.order_id for found in findings] == [OTHER]


def test_a_charge_in_another_currency_is_found() -> None:
    line = Books("pi_1", ORDER_ID, PAYMENT_ID, "succeeded", Money(amount=4800, currency="CHF"), euros(0), euros(0))

    findings = compare({ORDER_ID: order(OrderStatus.CONFIRMED)}, {}, [line])

    assert "another currency" in findings[0].problem


def test_money_the_bank_has_taken_back_is_not_held_for_a_cancelled_order() -> None:
    lost = Dispute(dispute_id="dp_1", amount=euros(4800), state=PspDisputeState.LOST)

    findings = compare({ORDER_ID: order(OrderStatus.CANCELLED)}, {PAYMENT_ID: payment(disputes=(lost,))}, [books(4800)])

    assert findings == ()


def test_a_charged_back_order_is_known_and_no_finding() -> None:
    charged_back = order(OrderStatus.CONFIRMED).model_copy(update={"payment_status": PaymentStatus.CHARGED_BACK})

    assert compare({ORDER_ID: charged_back}, {PAYMENT_ID: payment()}, [books(4800, 4800)]) == ()


def test_two_refunds_under_one_id_are_found_until_a_person_has_seen_them() -> None:
    paid = replace(books(4800, 2000), doubled_refunds=("ref_1",))
    seen = {"doubled_refunds": (RefundId("ref_1"),), "accepted": True}

    unseen = compare({ORDER_ID: order(OrderStatus.CONFIRMED, refunded=2000)}, {PAYMENT_ID: payment()}, [paid])
    accepted = order(OrderStatus.CONFIRMED, refunded=2000).model_copy(update=seen)

    assert [finding.problem for finding in unseen] == ["the PSP has made more than one refund under ref_1"]
    assert compare({ORDER_ID: accepted}, {PAYMENT_ID: payment()}, [paid]) == ()
