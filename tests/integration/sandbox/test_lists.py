"""Lists, their pages, and the events that a reconciliation reads."""

import pytest
import stripe

from tests.integration.sandbox.conftest import Bench, bench_of


async def test_pages_follow_each_other_newest_first_in_both_directions(bench: Bench) -> None:
    ids = [(await bench.intent()).id for _ in range(5)]
    newest_first = ids[::-1]
    intents = bench.sdk.v1.payment_intents

    first = await intents.list_async({"limit": 2})
    second = await intents.list_async({"limit": 2, "starting_after": first.data[-1].id})
    last = await intents.list_async({"limit": 2, "starting_after": second.data[-1].id})
    back = await intents.list_async({"limit": 2, "ending_before": last.data[0].id})

    assert [page.has_more for page in (first, second, last, back)] == [True, True, False, True]
    assert [intent.id for page in (first, second, last) for intent in page.data] == newest_first
    assert [intent.id for intent in back.data] == [intent.id for intent in second.data]


async def test_the_sdk_pages_through_all_events_by_itself(bench: Bench) -> None:
    for _ in range(4):
        await bench.paid()

    page = await bench.sdk.v1.events.list_async({"limit": 5})
    seen = [event.id async for event in page.auto_paging_iter()]

    assert len(seen) == len(set(seen)) == 12


async def test_events_are_filtered_by_type_and_time(bench: Bench) -> None:
    clock = [1_800_000_000.0]
    async with bench_of(bench.inbox, now=lambda: clock[0]) as own:
        await own.paid()
        clock[0] += 100
        late = await own.paid()
        events = own.sdk.v1.events

        one = await events.list_async({"type": "payment_intent.succeeded"})
        two = await events.list_async({"types": ["charge.succeeded", "payment_intent.created"]})
        family = await events.list_async({"type": "charge.*"})
        recent = await events.list_async({"created": {"gte": 1_800_000_100}, "type": "payment_intent.succeeded"})

    assert len(one.data) == 2
    assert {event.type for event in two.data} == {"charge.succeeded", "payment_intent.created"}
    assert len(family.data) == 2
    assert [event.data.object["id"] for event in recent.data] == [late.id]


async def test_an_event_is_retrieved_by_its_id(bench: Bench) -> None:
    await bench.intent()
    [event] = (await bench.sdk.v1.events.list_async()).data

    retrieved = await bench.sdk.v1.events.retrieve_async(event.id)

    assert retrieved.type == "payment_intent.created"


async def test_a_list_expands_what_its_items_name(bench: Bench) -> None:
    await bench.paid()

    listed = await bench.sdk.v1.payment_intents.list_async({"expand": ["data.latest_charge"]})

    assert isinstance(listed.data[0].latest_charge, stripe.Charge)
    with pytest.raises(stripe.InvalidRequestError):
        await bench.sdk.v1.payment_intents.list_async({"expand": ["data.nothing"]})


async def test_a_limit_beyond_a_hundred_is_refused(bench: Bench) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await bench.sdk.v1.events.list_async({"limit": 101})

    assert caught.value.param == "limit"
