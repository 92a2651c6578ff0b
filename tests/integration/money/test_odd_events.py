"""Events of the PSP that cannot be translated: each waits alone for an operator, and the others reach their orders."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.support.desk import intent_of, is_clean, paid_order
from tests.support.guest import body
from tests.support.system import WEBHOOK_SECRET, System
from tests.support.waiting import until

NO_WEBHOOKS = {"drop": {"probability": 1}}
LETTER = "psp.translate-psp-event.v1"


async def _is_parked(system: System, letters: int) -> bool:
    parked = await system.parked()
    return parked["psp.dead"] == letters


async def test_one_bad_event_keeps_neither_refund_nor_dispute_from_their_order(own_system: Callable[..., Any]) -> None:
    system: System = await own_system(psp_sweep_every=timedelta(seconds=1))
    guest = system.guest()
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)

    async with system.faults(webhooks=NO_WEBHOOKS):
        bad = {"id": "re_bad", "object": "refund", "payment_intent": "pi_" + "G" * 24, "amount": 1, "currency": "eur"}
        await system.switch("events", {"type": "refund.created", "object": bad})
        await system.switch(f"payment_intents/{intent['id']}/refund", {"amount": 1200})
        await system.switch(f"payment_intents/{intent['id']}/dispute", {"amount": 3600})
        disputed = await guest.sees(order_id, status="confirmed", payment_status="disputed")

    assert disputed["refunded"] == {"amount": 1200, "currency": "EUR"}
    await until(lambda: _is_parked(system, 1), "the one event is parked, once")


async def test_a_refund_without_metadata_reaches_its_order_by_webhook_and_the_audit_reads_it(
    own_system: Callable[..., Any],
) -> None:
    system: System = await own_system()
    guest = system.guest()
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)

    refund = await system.switch(f"payment_intents/{intent['id']}/refund", {"amount": 1200, "metadata": None})

    assert refund["metadata"] is None
    await guest.sees(order_id, payment_status="partially_refunded")
    await is_clean(system)


async def test_a_webhook_that_cannot_be_translated_is_answered_once_and_waits_for_an_operator(
    own_system: Callable[..., Any],
) -> None:
    system: System = await own_system()
    intent = await intent_of(system, await paid_order(system, system.guest()))
    event = {"id": "evt_odd", "object": "event", "type": "refund.created", "created": 1_782_896_400}
    event |= {"data": {"object": {"id": "re_odd", "payment_intent": intent["id"]}}}

    first, again = body(await system.post_event(event), 200), body(await system.post_event(event), 200)

    assert (first["outcome"], again["outcome"]) == ("parked", "parked")
    letter = await system.take("psp.dead")
    assert (letter.type, letter.headers["origin_queue"]) == (LETTER, "psp.commands")
    assert (await system.parked())["psp.dead"] == 0


async def test_thin_events_bring_a_payment_and_its_refund_to_their_order(own_system: Callable[..., Any]) -> None:
    system: System = await own_system()
    await system.switch("webhook-endpoint", {"url": system.webhook_url, "secret": WEBHOOK_SECRET, "payload": "thin"})
    guest = system.guest()

    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)
    await system.switch(f"payment_intents/{intent['id']}/refund", {"amount": 1200})

    await guest.sees(order_id, payment_status="partially_refunded")
    await is_clean(system)
