"""Test mode and live mode: what every object and event says of itself, also when it contradicts the key."""

import stripe

from tests.integration.sandbox.conftest import Bench, Inbox, bench_of, client_for


async def test_a_live_account_says_so_in_every_object_and_event(inbox: Inbox) -> None:
    async with (
        bench_of(inbox, api_key="sk_live_sandbox", livemode=True) as bench,
        client_for(bench.url, key="sk_live_sandbox") as sdk,
    ):
        paid = await sdk.v1.payment_intents.create_async(
            {"amount": 2500, "currency": "eur", "confirm": True, "payment_method": "pm_card_createDispute"}
        )
        await inbox.gets("charge.dispute.created")

        assert {event.livemode for event in inbox.events} == {True}
        for obj in (
            paid,
            await sdk.v1.charges.retrieve_async(str(paid.latest_charge)),
            (await sdk.v1.disputes.list_async()).data[0],
            (await sdk.v1.webhook_endpoints.list_async()).data[0],
            (await sdk.v1.events.list_async()).data[0],
        ):
            assert obj.livemode, obj


async def test_an_account_that_is_switched_to_live_says_so_of_what_it_had_already(bench: Bench) -> None:
    before = await bench.paid()
    old_event = (await bench.sdk.v1.events.list_async()).data[0]

    await bench.says_livemode(True)
    await bench.intent()

    again = await bench.sdk.v1.payment_intents.retrieve_async(before.id)
    events = (await bench.sdk.v1.events.list_async()).data
    assert (before.livemode, again.livemode) == (False, True)
    assert [events[0].livemode, (await bench.sdk.v1.events.retrieve_async(old_event.id)).livemode] == [True, False]


async def test_a_mode_is_switched_back_and_by_a_reset(bench: Bench) -> None:
    modes = []

    for change in (bench.says_livemode(True), bench.says_livemode(False), bench.says_livemode(True), _reset(bench)):
        await change
        modes.append((await bench.intent()).livemode)

    assert modes == [True, False, True, False]


async def test_a_closing_answer_may_be_of_another_mode_than_the_opening_one(bench: Bench) -> None:
    intent = await bench.intent()
    await bench.says_livemode(True)

    closed: stripe.PaymentIntent = await bench.sdk.v1.payment_intents.cancel_async(intent.id)

    assert (intent.livemode, closed.livemode) == (False, True)


async def _reset(bench: Bench) -> None:
    await bench.switch("reset")
