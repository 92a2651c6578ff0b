"""Several accounts in one sandbox: each has its own books, keys and webhooks, as at Stripe."""

from collections.abc import AsyncIterator

import httpx
import pytest
import stripe

from stripe_sandbox import Settings, create_app
from tests.integration.sandbox.conftest import SECRET, Inbox, client_for, serving
from tests.support.waiting import until

OTHERS = {
    "seaside": Settings(
        api_key="sk_test_seaside", publishable_key="pk_test_seaside", account="acct_seaside", webhook_secret="whsec_s"
    ),
    "harbour": Settings(account="acct_harbour", connected=True),
}
AMOUNT = {"amount": 4800, "currency": "eur"}


@pytest.fixture
async def address(inbox: Inbox) -> AsyncIterator[str]:
    app = create_app(Settings(webhook_url=inbox.url, webhook_secret=SECRET, retry_first=0.01), OTHERS)
    async with serving(app) as url:
        yield url


async def test_what_one_account_holds_is_unknown_to_the_key_of_another(address: str) -> None:
    async with client_for(address) as default, client_for(address, key="sk_test_seaside") as seaside:
        made = await default.v1.payment_intents.create_async(AMOUNT)  # type: ignore[arg-type]

        assert [each.id for each in (await default.v1.payment_intents.list_async()).data] == [made.id]
        assert (await seaside.v1.payment_intents.list_async()).data == []
        with pytest.raises(stripe.InvalidRequestError, match="No such payment_intent"):
            await seaside.v1.payment_intents.retrieve_async(made.id)


async def test_a_connected_account_is_called_with_the_platforms_key_and_its_own_id(address: str) -> None:
    at_harbour: stripe.RequestOptions = {"stripe_account": "acct_harbour"}
    async with client_for(address) as default, client_for(address, key="sk_test_seaside") as seaside:
        made = await default.v1.payment_intents.create_async(AMOUNT, at_harbour)  # type: ignore[arg-type]

        assert (await default.v1.payment_intents.list_async()).data == []
        found = await default.v1.payment_intents.retrieve_async(made.id, None, at_harbour)
        assert found.id == made.id
        for key, account in ((seaside, "acct_harbour"), (default, "acct_seaside"), (default, "acct_unknown")):
            with pytest.raises(stripe.PermissionError):
                await key.v1.payment_intents.list_async({}, {"stripe_account": account})


async def test_each_account_names_itself(address: str) -> None:
    async with httpx.AsyncClient(base_url=address, trust_env=False) as http:
        answers = [
            (await http.get("/v1/account", headers={"Authorization": f"Bearer {key}", **more})).json()["id"]
            for key, more in (
                ("sk_test_sandbox", {}),
                ("sk_test_seaside", {}),
                ("sk_test_sandbox", {"Stripe-Account": "acct_harbour"}),
            )
        ]

    assert answers == [Settings().account, "acct_seaside", "acct_harbour"]


async def test_an_event_of_a_connected_account_goes_to_the_platforms_endpoint_and_names_it(
    address: str, inbox: Inbox
) -> None:
    async with client_for(address) as default:
        made = await default.v1.payment_intents.create_async(AMOUNT, {"stripe_account": "acct_harbour"})  # type: ignore[arg-type]
        await default.v1.payment_intents.cancel_async(made.id, {}, {"stripe_account": "acct_harbour"})

    await until(lambda: len(inbox.received) >= 1, "the event has come")
    assert {event["account"] for event in inbox.events} == {"acct_harbour"}


async def test_a_switch_finds_the_account_of_its_object_and_all_go_by_one_clock(address: str) -> None:
    async with client_for(address, key="sk_test_seaside") as seaside:
        made = await seaside.v1.payment_intents.create_async(AMOUNT)  # type: ignore[arg-type]
    async with httpx.AsyncClient(base_url=address, trust_env=False) as http:
        assert (await http.delete(f"/_sandbox/payment_intents/{made.id}")).status_code == 200
        await http.post("/_sandbox/clock/advance", json={"seconds": 90_000})
        clocks = [
            (await http.get(path)).json()["now"] for path in ("/_sandbox/clock", "/_sandbox/accounts/seaside/clock")
        ]

    assert abs(clocks[0] - clocks[1]) < 60
