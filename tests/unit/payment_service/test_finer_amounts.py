"""Amounts that the PSP reports in units finer than ours: kept exactly, to the last of them."""

import pytest

from contracts.ids import RefundId
from contracts.money import Money
from contracts.payments import PaymentRefunded, PaymentRefundFailed
from contracts.psp import CreatePspRefund, PspRefundUpdated
from payment_service.payment.state import Payment
from tests.support import payments as given
from tests.unit.payment_service.test_polling import applied

PRICE = Money(amount=1500, currency="RSD")
HALF_A_DINAR_MORE = Money.of_hundredths(50_050, "RSD")


def _paid(amount: Money = PRICE) -> Payment:
    return given.after(None, given.create(amount), given.session_created(amount=amount), given.succeeded(amount=amount))


def _refunded(refund_id: str, amount: Money) -> PspRefundUpdated:
    return given.refund_updated(refund_id=RefundId(refund_id)).model_copy(update={"amount": amount})


def test_two_refunds_with_half_a_dinar_each_add_up_to_a_whole_one() -> None:
    paid = given.after(_paid(), _refunded("ref_1", HALF_A_DINAR_MORE))

    decision = applied(paid, _refunded("ref_2", HALF_A_DINAR_MORE))

    (emitted,) = decision.messages
    assert isinstance(emitted, PaymentRefunded)
    assert emitted.refunded == Money(amount=1001, currency="RSD")
    assert decision.state.refundable == Money(amount=499, currency="RSD")


def test_what_is_left_with_half_a_dinar_can_be_refunded_to_the_last_of_it() -> None:
    paid = given.after(_paid(), _refunded("ref_1", HALF_A_DINAR_MORE))
    rest = given.refund(refund_id=RefundId("ref_2")).model_copy(update={"amount": paid.refundable})

    (asked,) = applied(paid, rest).messages

    assert isinstance(asked, CreatePspRefund)
    assert asked.amount == Money(amount=999, hundredths=50, currency="RSD")


@pytest.mark.parametrize("amount", [5, 1233, 0, -10])
def test_a_refund_that_the_psp_cannot_move_fails_at_once_and_is_not_asked_of_it(amount: int) -> None:
    paid = _paid(Money(amount=4800, currency="KWD"))

    (emitted,) = applied(paid, given.refund(amount, currency="KWD")).messages

    assert isinstance(emitted, PaymentRefundFailed)
    assert "KWD" in emitted.detail
