"""The account that the key must be of: compared until it is right, and nothing is asked of another one."""

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from psp_adapter.errors import Forbidden, PspForbiddenError, PspUnavailableError
from psp_adapter.expected_account import ExpectedAccount
from psp_adapter.settings import AdapterSettings
from tests.support.fake_stripe import FakeStripe, answering, error, unreachable

OURS = "acct_1Ours"


async def test_the_right_account_is_asked_for_once() -> None:
    fake = answering(200, {"id": OURS, "object": "account"})
    account = ExpectedAccount(fake.api, OURS)

    await account.check()
    await account.check()

    assert [request.url.path for request in fake.requests] == ["/v1/account"]


@pytest.mark.parametrize("expected", [None, ""])
async def test_without_an_expected_account_nothing_is_asked(expected: str | None) -> None:
    fake = answering(500, {})

    await ExpectedAccount(fake.api, expected).check()

    assert fake.requests == []


async def test_a_key_of_another_account_is_refused_with_both_names_until_it_is_right() -> None:
    accounts = iter(["acct_1Other", "acct_1Other", OURS])
    fake = FakeStripe(lambda _request: httpx.Response(200, json={"id": next(accounts), "object": "account"}))
    account = ExpectedAccount(fake.api, OURS)

    with pytest.raises(PspForbiddenError) as raised:
        await account.check()

    assert raised.value.forbidden is Forbidden.ACCOUNT
    assert not raised.value.forbidden.concerns_one_payment
    assert "the key is of acct_1Other, and acct_1Ours is expected" in str(raised.value)
    assert not await raised.value.is_over()
    assert await raised.value.is_over()
    await account.check()


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_key_that_may_not_read_its_account_is_refused(status: int) -> None:
    account = ExpectedAccount(error(status).api, OURS)

    with pytest.raises(PspForbiddenError):
        await account.check()


async def test_a_psp_that_cannot_be_asked_is_no_other_account() -> None:
    account = ExpectedAccount(unreachable(httpx.ConnectError).api, OURS)

    with pytest.raises(PspUnavailableError):
        await account.check()


@pytest.mark.parametrize("account", ["ours", "acct_", "acct_1 2", "sk_test_1"])
def test_what_is_no_account_stops_the_start(account: str) -> None:
    with pytest.raises(ValidationError):
        AdapterSettings(
            amqp_url=SecretStr("amqp://localhost"),
            stripe_api_key=SecretStr("sk_test_x"),
            seal_keys=SecretStr("7mOvJbOTk9pfOLWbQwWl1Yw1Vh5rqQzCqXQ0RZJ6r3E="),
            stripe_account=account,
        )
