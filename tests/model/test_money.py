"""Explore, and find nothing broken; plant a bug, and find it."""

import os
import sys
from datetime import datetime

import pytest

from chassis.decision import Applied, Decision, Stale
from contracts.payments import PaymentSucceeded, RefundPayment
from contracts.psp import ClosePspSession, PspPaymentSucceeded, PspSessionCreated
from extras_service import saga
from extras_service.order import Order, OrderInput
from payment_service import lifecycle
from payment_service.payment import Payment, PaymentInput
from tests.model.bounds import DEEP, PAYS, SHORT, Bounds, Left
from tests.model.explore import NEVER_FINAL, explore
from tests.model.rules import Rules

BOUNDS = DEEP if os.environ.get("BELLHOP_MODEL_DEPTH") == "deep" else SHORT


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
def test_no_law_is_broken_within_these_bounds(bounds: Bounds) -> None:
    found = explore(bounds)

    sys.stdout.write(f"{found}\n")
    assert not found.violations, "\n".join(str(each) for each in found.violations.values())
    assert found.final > 0


PAYS_LATE = Bounds("pays late", Left(guest=3))
PAYS_LESS = Bounds("pays another amount", Left(guest=2), cards=("odd",))


def test_a_late_success_that_is_not_refunded_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        decision = saga.decide(order, message, now)
        if isinstance(message, PaymentSucceeded) and isinstance(decision, Applied):
            kept = tuple(each for each in decision.messages if not isinstance(each, RefundPayment))
            return Applied(decision.state, kept)
        return decision

    found = explore(PAYS_LATE, Rules(order=forgets), stop_at_first=True)

    assert set(found.violations) == {"a closed order keeps no money, unless a refund or review is open"}


def test_a_payment_that_is_not_compared_with_what_was_asked_is_found() -> None:
    def trusts(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if payment is not None and isinstance(message, PspPaymentSucceeded):
            message = message.model_copy(update={"amount_received": payment.amount})
        return lifecycle.decide(payment, message, now)

    found = explore(PAYS_LESS, Rules(payment=trusts), stop_at_first=True)

    assert set(found.violations) == {"never confirmed without the full amount captured"}


def test_a_session_that_is_never_closed_is_found() -> None:
    def forgets(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        decision = lifecycle.decide(payment, message, now)
        if isinstance(decision, Applied):
            kept = tuple(each for each in decision.messages if not isinstance(each, ClosePspSession))
            return Applied(decision.state, kept)
        return decision

    found = explore(PAYS_LATE, Rules(payment=forgets))

    assert any(law.startswith(NEVER_FINAL) for law in found.violations)


def test_an_adapter_that_does_not_look_before_it_refunds_is_found() -> None:
    hasty = Bounds("a part is refunded", Left(staff=1, twice=1, forgets=1), begin=PAYS, looks_first=False)

    found = explore(hasty, stop_at_first=True)

    assert "no refund is made twice" in found.violations


def test_a_session_opened_again_that_is_left_open_is_found() -> None:
    def forgets(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if isinstance(message, PspSessionCreated) and payment is not None and payment.session is not None:
            return Stale("a session is open already")
        return lifecycle.decide(payment, message, now)

    again = Bounds("the key is forgotten", Left(guest=2, twice=1, forgets=1))
    found = explore(again, Rules(payment=forgets), stop_at_first=True)

    assert "no session is left open" in found.violations


def test_a_violation_is_told_step_by_step() -> None:
    def trusts(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if payment is not None and isinstance(message, PspPaymentSucceeded):
            message = message.model_copy(update={"amount_received": payment.amount})
        return lifecycle.decide(payment, message, now)

    found = explore(PAYS_LESS, Rules(payment=trusts), stop_at_first=True)
    (violation,) = found.violations.values()

    assert "the guest pays another amount" in str(violation)
    assert "order: pending_payment/unpaid -> confirmed/paid" in violation.trace[-1]
