"""Refunds that `bellhop reconcile` asks for again: those of which order and payment know different things."""

import pytest

from contracts.ids import RefundId
from contracts.orders import OrderStatus
from contracts.payments import RefundStage
from extras_service.order.refund import RequestedRefund
from ops.core.lost_payments import refunds_to_repeat
from tests.unit.ops.test_audit import euros, order, payment, refund

ASKED, SENT, DONE, FAILED = RefundStage.REQUESTED, RefundStage.PENDING, RefundStage.SUCCEEDED, RefundStage.FAILED


@pytest.mark.parametrize(
    ("at_order", "at_payment", "is_repeated"),
    [
        (ASKED, None, True),  # the command was lost
        (ASKED, DONE, True),  # the event was lost
        (ASKED, FAILED, True),
        (SENT, DONE, True),
        (DONE, FAILED, True),
        (None, DONE, True),  # made in the dashboard, and the event was lost
        (None, ASKED, False),  # on its way
        (ASKED, ASKED, False),
        (DONE, DONE, False),
        (DONE, SENT, False),  # the payment was restored: the PSP is asked about its refund anyway
        (SENT, None, False),  # the payment was restored: the PSP's report brings it
        (FAILED, None, False),
    ],
)
def test_what_one_side_has_lost_is_asked_for_again(
    at_order: RefundStage | None, at_payment: RefundStage | None, is_repeated: bool
) -> None:
    asked = () if at_order is None else (known_to_the_order(at_order),)
    made = () if at_payment is None else (refund(at_payment),)
    paid = payment(*made).model_copy(update={"paid_reference": "pi_1"})

    repeated = refunds_to_repeat(order(OrderStatus.CONFIRMED).model_copy(update={"refunds": asked}), paid)

    assert [command.refund_id for command in repeated] == ["ref_1"] * is_repeated


def test_a_refund_of_an_order_without_any_payment_is_asked_for() -> None:
    asked = order(OrderStatus.CANCELLED).model_copy(update={"refunds": (known_to_the_order(ASKED),)})

    (command,) = refunds_to_repeat(asked, None)

    assert (command.refund_id, command.amount, command.reason) == ("ref_1", euros(4800), "cold")


def known_to_the_order(stage: RefundStage) -> RequestedRefund:
    return RequestedRefund(refund_id=RefundId("ref_1"), amount=euros(4800), reason="cold", stage=stage)
