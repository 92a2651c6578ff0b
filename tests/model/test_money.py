"""Explore, and find nothing broken; plant a bug, and find it."""

import os
import sys
from datetime import datetime

import pytest

from chassis.decision import Applied, Decision, Stale
from contracts.orders import RetryRefund
from contracts.payments import PaymentDisputeClosed, PaymentRefundFailed, PaymentSucceeded, RefundPayment
from contracts.psp import (
    ClosePspSession,
    PspDisputeState,
    PspDisputeUpdated,
    PspPaymentSucceeded,
    PspRefundUpdated,
    PspSessionCreated,
)
from extras_service.order import decide as saga
from extras_service.order.state import Order, OrderInput
from payment_service.payment import decide as lifecycle
from payment_service.payment.state import Payment, PaymentInput
from psp_adapter.errors import PspBrokenError, PspForbiddenError
from tests.model.bounds import DEEP, EXTRAS_BACKUP, KEY_REFUSED, PAYMENT_BACKUP, PAYS, SHORT, Bounds, Left
from tests.model.explore import NEVER_FINAL, explore
from tests.model.laws import BY_THE_KEY, NOT_MADE_GOOD
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

    assert "a closed order keeps no money, unless a refund or review is open" in found.violations


def test_a_payment_that_is_not_compared_with_what_was_asked_is_found() -> None:
    def trusts(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if payment is not None and isinstance(message, PspPaymentSucceeded):
            message = message.model_copy(update={"amount_received": payment.amount})
        return lifecycle.decide(payment, message, now)

    found = explore(PAYS_LESS, Rules(payment=trusts), stop_at_first=True)

    assert "never confirmed without the full amount captured" in found.violations


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


def test_a_refund_made_twice_that_nobody_hears_of_is_found() -> None:
    def ignores(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if isinstance(message, PspRefundUpdated):
            message = message.model_copy(update={"psp_refund_id": ""})
        return lifecycle.decide(payment, message, now)

    hasty = Bounds("a part is refunded", Left(staff=1, twice=1, forgets=1), begin=PAYS, looks_first=False)

    found = explore(hasty, Rules(payment=ignores))

    assert "a refund made twice is seen" in found.violations


def test_an_adapter_that_takes_a_refused_key_for_a_refused_refund_is_found() -> None:
    def every_4xx_is_final(error: Exception) -> Exception:
        return PspBrokenError("refunding", str(error), "401") if isinstance(error, PspForbiddenError) else error

    rolled = Bounds("the key is rolled", Left(staff=1, refuses=1), begin=PAYS, refusals=KEY_REFUSED)

    found = explore(rolled, Rules(refusal=every_4xx_is_final), stop_at_first=True)

    assert set(found.violations) == {BY_THE_KEY}


def test_a_failed_refund_that_nobody_sees_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        return Stale("it failed") if isinstance(message, PaymentRefundFailed) else saga.decide(order, message, now)

    fails = Bounds("the bank sends it back", Left(staff=1, psp=1), begin=PAYS, surprises=("fails",))

    found = explore(fails, Rules(order=forgets), stop_at_first=True)

    assert "a failed refund is seen" in found.violations


def test_a_retry_that_asks_the_payment_for_nothing_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        decision = saga.decide(order, message, now)
        if isinstance(message, RetryRefund) and isinstance(decision, Applied):
            return Applied(decision.state)
        return decision

    fails = Bounds("the bank sends it back", Left(staff=2, psp=1), begin=PAYS, surprises=("fails",))

    found = explore(fails, Rules(order=forgets), stop_at_first=True)

    assert "order and payment agree about each refund" in found.violations


def test_a_refund_that_is_made_again_when_it_is_asked_for_again_is_found() -> None:
    def forgets(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if payment is not None and isinstance(message, RefundPayment) and payment.refunds:
            message = message.model_copy(update={"refund_id": f"{message.refund_id}_{len(payment.refunds)}"})
        return lifecycle.decide(payment, message, now)

    again = Bounds("an old command comes again", Left(staff=1, replays=1), begin=PAYS)

    found = explore(again, Rules(payment=forgets))

    assert "only what was asked for is refunded" in found.violations


def test_a_store_that_went_back_and_was_not_sent_its_part_of_the_log_is_found() -> None:
    for backup in (EXTRAS_BACKUP, PAYMENT_BACKUP):
        forgets = Bounds(f"after {backup}", Left(staff=1, restores=1), begin=(backup, *PAYS), catches_up=False)

        found = explore(forgets)

        assert NOT_MADE_GOOD in found.violations


def test_a_refund_made_again_by_a_payment_that_went_back_is_found() -> None:
    hasty = Bounds(
        "the payment store goes back to before a refund",
        Left(staff=1, restores=1, forgets=1),
        begin=(PAYMENT_BACKUP, *PAYS),
        looks_first=False,
        surprises=(),
    )

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


def test_an_order_that_takes_a_part_dispute_for_all_of_it_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        if isinstance(message, PaymentDisputeClosed) and order is not None:
            message = message.model_copy(update={"amount": order.total})
        return saga.decide(order, message, now)

    part = Bounds("a part is lost", Left(psp=2), begin=PAYS, surprises=("dispute",), disputes=("part",))
    found = explore(part, Rules(order=forgets), stop_at_first=True)

    assert set(found.violations) == {"what the bank has not taken can be given back"}


def test_a_payment_that_takes_an_end_for_the_last_word_is_found() -> None:
    def forgets(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if payment is not None and isinstance(message, PspDisputeUpdated):
            ended = (PspDisputeState.WON, PspDisputeState.LOST)
            if any(dispute.state in ended for dispute in payment.disputes):
                return Stale("the dispute is closed already")
        return lifecycle.decide(payment, message, now)

    appeal = Bounds("an appeal", Left(psp=4), begin=PAYS, surprises=("dispute",), disputes=("whole", "appeals"))
    found = explore(appeal, Rules(payment=forgets), stop_at_first=True)

    assert set(found.violations) == {"what the bank has not taken can be given back"}


def test_an_order_that_does_not_see_that_the_guest_has_the_money_twice_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        decision = saga.decide(order, message, now)
        if isinstance(message, PaymentDisputeClosed) and order is not None and isinstance(decision, Applied):
            return Applied(decision.state.model_copy(update={"status": order.status, "review": None}))
        return decision

    twice = Bounds(
        "refunded and lost",
        Left(psp=2),
        begin=(*PAYS, "the guest cancels"),
        surprises=("dispute",),
    )
    found = explore(twice, Rules(order=forgets), stop_at_first=True)

    assert set(found.violations) == {"no guest has more than they paid, unseen"}


def test_a_violation_is_told_step_by_step() -> None:
    def trusts(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if payment is not None and isinstance(message, PspPaymentSucceeded):
            message = message.model_copy(update={"amount_received": payment.amount})
        return lifecycle.decide(payment, message, now)

    found = explore(PAYS_LESS, Rules(payment=trusts), stop_at_first=True)
    violation = found.violations["never confirmed without the full amount captured"]

    assert "the guest pays another amount" in str(violation)
    assert "order: pending_payment/unpaid -> confirmed/paid" in violation.trace[-1]
