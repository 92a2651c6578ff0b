"""A refund that the PSP refused, and has made after all: by a repeated command, once nothing was in its way."""

from contracts.payments import PaymentRefunded, PaymentRefundFailed, RefundStage
from contracts.psp import PspRefundState, PspRefundUpdated
from payment_service.payment.state import Payment
from tests.support import payments as given
from tests.unit.payment_service.test_polling import applied


def refused() -> Payment:
    return given.after(given.payable(), given.succeeded(), given.refund(), given.refund_refused())


def made(state: PspRefundState = PspRefundState.SUCCEEDED) -> PspRefundUpdated:
    return given.refund_updated(state).model_copy(update={"psp_refund_id": "re_1"})


def test_its_order_hears_that_money_was_refunded_under_the_id_of_a_refund_that_failed() -> None:
    decision = applied(refused(), made())

    (event,) = decision.messages
    assert isinstance(event, PaymentRefunded)
    assert (event.refund_id, event.doubles) == ("ref_psp_re_1", given.REFUND_ID)
    assert event.refunded.amount == 4800
    assert [refund.stage for refund in decision.state.refunds] == [RefundStage.FAILED, RefundStage.SUCCEEDED]


def test_it_may_still_fail() -> None:
    payment = given.after(refused(), made(PspRefundState.PENDING))

    (event,) = applied(payment, made(PspRefundState.FAILED)).messages

    assert isinstance(event, PaymentRefundFailed)
    assert (event.refund_id, event.refunded.amount) == ("ref_psp_re_1", 0)
