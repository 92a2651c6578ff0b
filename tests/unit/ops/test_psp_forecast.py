"""What a command to the PSP would come to now, as a forecast says it."""

import time

import pytest

from chassis.storage.stored_document import Stored
from contracts.psp import CapturePspSession, ClosePspSession, CreatePspSession, PspCommand, RetrievePspSession
from ops.core.psp_forecast import forecast_of
from payment_service.collections import PaymentStore
from payment_service.payment.state import Payment, PaymentStage
from psp_adapter.accounts import AccountNotConfiguredError, Accounts
from tests.support import payments as given
from tests.support.fake_store import FakeStore
from tests.support.fake_stripe import FakeStripe, answering, error, intent

_IDS = {"order_id": given.ORDER_ID, "payment_id": given.PAYMENT_ID}
CREATE = CreatePspSession.model_validate({**_IDS, "session_no": 1, "amount": given.AMOUNT})
CLOSE = ClosePspSession.model_validate({**_IDS, "session_no": 1, "psp_reference": given.REFERENCE})
CAPTURE = CapturePspSession.model_validate(
    {**_IDS, "session_no": 1, "psp_reference": given.REFERENCE, "amount": given.AMOUNT}
)
RETRIEVE = RetrievePspSession.model_validate({**_IDS, "psp_reference": given.REFERENCE})
A_DAY = 24 * 3600
PART = given.AMOUNT.model_copy(update={"amount": 1200})
CAPTURING_A_PART = given.after(given.in_status(PaymentStage.AUTHORISED), given.capture(PART))


def at_psp(status: str = "requires_payment_method", *, age: int = 0) -> FakeStripe:
    return answering(200, {**intent(status), "created": int(time.time()) - age})


UNKNOWN = error(404, code="resource_missing")


@pytest.mark.parametrize(
    ("command", "payment", "stripe", "says"),
    [
        (CREATE, given.created(), at_psp(), "opens a session, for which the payment waits"),
        (CREATE, given.after(given.created(), given.close()), at_psp(), "no use for"),
        (CREATE, given.payable(), at_psp(age=60), "changes nothing: the PSP answers with pi_1 again"),
        (CREATE, given.payable(), at_psp(age=A_DAY + 60), "no use for"),
        (CREATE, given.in_status(PaymentStage.SUCCEEDED), UNKNOWN, "no use for"),
        (CLOSE, given.payable(), at_psp(), "cancels pi_first"),
        (CLOSE, given.payable(), at_psp("succeeded"), "changes nothing: pi_first is succeeded"),
        (CLOSE, given.payable(), at_psp("requires_capture"), "cancels pi_first"),
        (CAPTURE, given.in_status(PaymentStage.CAPTURING), at_psp("requires_capture"), "captures €48.00 of pi_first"),
        (CAPTURE, given.payable(), at_psp("requires_capture"), "although the payment does not ask for it"),
        (CAPTURE, CAPTURING_A_PART, at_psp("requires_capture"), "although the payment asks for €12.00"),
        (CAPTURE, given.payable(), at_psp("canceled"), "changes nothing: pi_first is canceled"),
        (CLOSE, given.payable(), UNKNOWN, "changes nothing: pi_first is not known to the account"),
        (RETRIEVE, given.payable(), at_psp("canceled"), "only asks: pi_first is canceled"),
        (RETRIEVE, given.payable(), error(401), "could not be asked for this forecast"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_forecast_for_a_command_to_the_psp_says_what_a_read_of_the_psp_and_the_payment_finds(
    command: PspCommand, payment: Payment, stripe: FakeStripe, says: str
) -> None:
    payments = PaymentStore(FakeStore().as_store()).payments
    await payments.write(Stored(given.PAYMENT_ID, 1, payment), now=given.NOW, due_at=None)

    forecast = await forecast_of(command, Accounts.only(stripe.api), payments)

    assert says in forecast
    assert {request.method for request in stripe.requests} <= {"GET"}


async def test_a_command_for_an_account_that_is_not_configured_would_fail() -> None:
    command = CLOSE.model_copy(update={"psp_account": "elsewhere"})

    with pytest.raises(AccountNotConfiguredError):
        await forecast_of(command, Accounts.only(UNKNOWN.api), PaymentStore(FakeStore().as_store()).payments)
