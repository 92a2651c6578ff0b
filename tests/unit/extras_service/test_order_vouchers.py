"""An order's deadline follows the voucher its guest holds."""

from datetime import timedelta

from chassis.decision import Ignored, Stale
from contracts.order_actions import ReviewResolution
from contracts.orders import OrderStatus
from contracts.payments import ClosePaymentSession
from extras_service.order.decide import decide
from extras_service.order.inputs import DeadlinePassed
from extras_service.order.payment import REPORTED_WITHIN
from tests.support import orders as given
from tests.unit.extras_service.test_order_after_paying import applied

LATER = given.NOW + timedelta(hours=5)


def test_an_order_waits_as_long_as_its_guests_voucher_can_be_paid_and_reported() -> None:
    order = given.after(given.payable(), given.instructions_issued(days=3))

    too_early = decide(order, DeadlinePassed(), given.DEADLINE)
    in_time = given.after(order, given.succeeded(), now=given.NOW + timedelta(days=3))

    assert order.due_at == given.NOW + timedelta(days=3) + REPORTED_WITHIN
    assert isinstance(too_early, Stale)
    assert in_time.status is OrderStatus.CONFIRMED


def test_a_code_that_expires_before_the_order_does_moves_nothing() -> None:
    assert isinstance(decide(given.payable(), given.instructions_issued(days=0), given.NOW), Ignored)


def test_the_same_voucher_reported_again_moves_nothing() -> None:
    order = given.after(given.payable(), given.instructions_issued())

    assert isinstance(decide(order, given.instructions_issued(), LATER), Ignored)


def test_the_usual_deadline_runs_again_when_the_voucher_has_failed() -> None:
    order = given.after(given.payable(), given.instructions_issued())

    failed = given.after(order, given.failed(), now=LATER)

    assert failed.due_at == LATER + given.PAY_WITHIN


def test_the_usual_deadline_runs_again_when_the_vouchers_session_was_cancelled_at_the_psp() -> None:
    order = given.after(given.payable(), given.instructions_issued())

    lost = given.after(order, given.session_closed(), now=LATER)

    assert lost.due_at == LATER + given.PAY_WITHIN


def test_an_order_without_a_voucher_keeps_its_deadline_when_its_session_was_cancelled_at_the_psp() -> None:
    lost = given.after(given.payable(), given.session_closed(), now=given.NOW + timedelta(minutes=5))

    assert lost.due_at == given.DEADLINE


def test_a_deadline_that_was_suspended_while_a_payment_settled_follows_the_voucher() -> None:
    order = given.after(given.payable(), given.processing(), given.instructions_issued(days=3))

    assert order.due_at == given.NOW + timedelta(days=3) + REPORTED_WITHIN


def test_a_review_that_ends_without_money_closes_the_payment() -> None:
    held = given.after(given.payable(), given.mismatched("a part is missing").model_copy(update={"received": None}))

    decision = applied(held, given.resolving(ReviewResolution.REFUND))

    assert decision.state.status is OrderStatus.CANCELLED
    assert any(isinstance(message, ClosePaymentSession) for message in decision.messages)
