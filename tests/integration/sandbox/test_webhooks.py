"""Webhooks: signed, repeated until answered, and unreliable on demand."""

import asyncio
import hashlib
import hmac

import pytest
import stripe

from deploy.local.patience import patient
from tests.integration.sandbox.conftest import SECRET, Bench, eventually


async def test_an_event_arrives_signed_and_carries_what_caused_it(bench: Bench) -> None:
    intent = await bench.sdk.v1.payment_intents.create_async(
        {"amount": 2500, "currency": "eur"}, {"idempotency_key": "create:1"}
    )

    await bench.inbox.gets("payment_intent.created")

    [event] = bench.inbox.events
    assert event.data.object["id"] == intent.id
    assert event.api_version == stripe.api_version
    assert event.livemode is False
    assert event.request is not None
    assert event.request.idempotency_key == "create:1"
    assert str(event.request.id).startswith("req_")


async def test_a_body_changed_on_the_way_does_not_verify(bench: Bench) -> None:
    await bench.intent(2500)
    await bench.inbox.gets("payment_intent.created")
    [(body, header)] = bench.inbox.received

    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body.replace(b"2500", b"2501"), header, SECRET)


async def test_an_event_is_a_snapshot_of_its_moment(bench: Bench) -> None:
    intent = await bench.intent()

    await bench.sdk.v1.payment_intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})

    listed = await bench.sdk.v1.events.list_async({"types": ["payment_intent.created", "payment_intent.succeeded"]})
    statuses = [event.data.object["status"] for event in listed.data]
    assert statuses == ["succeeded", "requires_payment_method"]


async def test_a_refused_webhook_is_sent_again_with_a_new_signature_until_it_is_taken(bench: Bench) -> None:
    bench.inbox.answers = [503, 500, 302]

    await bench.intent()

    await eventually(lambda: len(bench.inbox.received) == 4)
    assert len({event.id for event in bench.inbox.events}) == 1
    for body, header in bench.inbox.received:
        at, signature = (part.partition("=")[2] for part in header.split(","))
        assert hmac.new(SECRET.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest() == signature
    await eventually(lambda: _webhooks(bench, sent=1, retried=3, pending=0))


async def test_later_events_of_a_payment_wait_for_the_one_being_repeated(bench: Bench) -> None:
    bench.inbox.answers = [500, 500]

    await bench.paid()

    await bench.inbox.gets("payment_intent.succeeded")
    assert bench.inbox.types == ["payment_intent.created"] * 3 + ["charge.succeeded", "payment_intent.succeeded"]


async def test_an_endpoint_that_never_answers_well_is_given_up_on(bench: Bench) -> None:
    bench.inbox.answers = [500] * 100

    await bench.intent()

    await eventually(lambda: _webhooks(bench, sent=0, failed=1, retried=19, pending=0))


async def test_an_unreachable_endpoint_is_tried_again_at_its_new_address(bench: Bench) -> None:
    await bench.switch("webhook-endpoint", {"url": "http://127.0.0.1:9/unused", "secret": SECRET})
    await bench.intent()

    await bench.switch("webhook-endpoint", {"url": bench.inbox.url, "secret": SECRET})

    await bench.inbox.gets("payment_intent.created")


async def test_a_slow_endpoint_never_holds_up_the_api(bench: Bench) -> None:
    bench.inbox.before_answer = asyncio.Event()

    async with asyncio.timeout(patient(5)):
        paid = [await bench.paid() for _ in range(5)]

    assert {intent.status for intent in paid} == {"succeeded"}
    assert (await bench.state())["webhooks"]["sent"] == 0
    bench.inbox.before_answer.set()
    await eventually(lambda: _webhooks(bench, sent=15, pending=0))


async def test_without_an_endpoint_nothing_is_sent(bench: Bench) -> None:
    await bench.switch("webhook-endpoint", {"url": None})

    await bench.intent()

    state = await bench.state()
    assert (state["events"], state["webhooks"]["pending"], state["webhooks"]["sent"]) == (1, 0, 0)


async def test_a_duplicated_webhook_arrives_twice_with_one_event_id(bench: Bench) -> None:
    await bench.faults(webhooks={"duplicate": {"next": 1}})

    await bench.paid()

    await bench.inbox.gets("payment_intent.succeeded")
    assert bench.inbox.types[:2] == ["payment_intent.created"] * 2
    assert len(bench.inbox.received) == 4
    assert len({event.id for event in bench.inbox.events}) == 3


async def test_a_dropped_webhook_never_arrives_but_its_event_is_listed(bench: Bench) -> None:
    await bench.faults(webhooks={"drop": {"probability": 1, "match": "payment_intent.succeeded"}})

    await bench.paid()

    await eventually(lambda: _webhooks(bench, sent=2, dropped=1, pending=0))
    assert "payment_intent.succeeded" not in bench.inbox.types
    listed = await bench.sdk.v1.events.list_async({"type": "payment_intent.succeeded"})
    assert len(listed.data) == 1
    await bench.switch(f"events/{listed.data[0].id}/resend")
    await bench.inbox.gets("payment_intent.succeeded")


async def test_a_reordered_webhook_is_overtaken_by_the_next_one_of_its_payment(bench: Bench) -> None:
    await bench.faults(webhooks={"reorder": {"next": 1, "match": "charge.succeeded"}})

    await bench.paid()

    await bench.inbox.gets("charge.succeeded", "payment_intent.succeeded")
    assert bench.inbox.types == ["payment_intent.created", "payment_intent.succeeded", "charge.succeeded"]


async def test_a_delayed_webhook_lets_other_payments_pass(bench: Bench) -> None:
    await bench.faults(webhooks={"delay": {"next": 1, "seconds": 0.3}})

    late, early = await bench.intent(), await bench.intent()

    await eventually(lambda: len(bench.inbox.received) == 2)
    assert [event.data.object["id"] for event in bench.inbox.events] == [early.id, late.id]


async def _webhooks(bench: Bench, **counts: int) -> bool:
    webhooks = (await bench.state())["webhooks"]
    return bool({name: webhooks[name] for name in counts} == counts)
