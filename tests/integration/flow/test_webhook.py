"""The webhook endpoint: what it believes, what it refuses, and what it puts on the bus."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

import psp_adapter.app
from psp_adapter.settings import AdapterSettings
from stripe_sandbox.webhooks import sign
from tests.support.guest import Guest, Json, body
from tests.support.serving import Served
from tests.support.system import ADAPTER, WEBHOOK_SECRET, System
from tests.support.waiting import until

LIMIT = 256 * 1024


def event_about(order_id: str, kind: str = "payment_intent.succeeded", **intent: Any) -> Json:
    """A webhook event as Stripe sends them, about an intent of ours."""
    payment_id = "pay_" + order_id.removeprefix("ord_")
    usual: Json = {
        "id": "pi_made_up",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": 4800,
        "amount_received": 4800,
        "currency": "eur",
        "livemode": False,
        "metadata": {"order_id": order_id, "payment_id": payment_id},
    }
    event_id = f"evt_{order_id}_{kind}"
    return {
        "id": event_id,
        "object": "event",
        "type": kind,
        "created": int(time.time()),
        "data": {"object": usual | intent},
    }


def signature(content: bytes, *, secret: str = WEBHOOK_SECRET, age: int = 0) -> dict[str, str]:
    return {"Stripe-Signature": sign(content, secret, int(time.time()) - age)}


def adapter_settings(system: System, webhook_secret: str) -> AdapterSettings:
    """Those of the system's adapter, but for the secret: for a second adapter beside it."""
    return system.adapter_settings().model_copy(update={"stripe_webhook_secret": SecretStr(webhook_secret)})


async def still_unpaid(system: System, guest: Guest, order_id: str) -> bool:
    order = await guest.see(order_id)
    return bool(order["status"] == "pending_payment" and order["payment_status"] == "unpaid")


async def reported(system: System, order_id: str) -> int:
    """How many PSP facts about an order have reached the bus."""
    log = await system.log_of(order_id)
    return sum(times for kind, times in log.items() if kind.startswith("psp.psp-payment"))


async def test_a_webhook_with_a_wrong_signature_is_refused(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    content = json.dumps(event_about(order_id)).encode()

    answer = await system.post_webhook(content, signature(content, secret="whsec_of_another_account"))

    body(answer, 400)
    assert await reported(system, order_id) == 0
    assert await still_unpaid(system, guest, order_id)


async def test_a_webhook_whose_body_was_changed_after_signing_is_refused(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    signed = json.dumps(event_about(order_id, amount_received=1)).encode()
    changed = json.dumps(event_about(order_id)).encode()

    answer = await system.post_webhook(changed, signature(signed))

    body(answer, 400)
    assert await reported(system, order_id) == 0


async def test_a_webhook_without_a_signature_is_refused(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]

    answer = await system.post_webhook(json.dumps(event_about(order_id)).encode())

    body(answer, 400)
    assert await reported(system, order_id) == 0


async def test_a_webhook_signed_long_ago_is_refused(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    content = json.dumps(event_about(order_id)).encode()

    answer = await system.post_webhook(content, signature(content, age=303))

    body(answer, 400)
    assert await reported(system, order_id) == 0


async def test_a_webhook_delayed_within_the_tolerance_is_taken(system: System, guest: Guest) -> None:
    content = json.dumps(event_about("ord_x", "payment_intent.created")).encode()

    answer = await system.post_webhook(content, signature(content, age=280))

    assert body(answer, 200)["outcome"] == "ignored"


async def test_a_webhook_that_announces_too_many_bytes_is_refused(system: System) -> None:
    content = b" " * (LIMIT + 1)

    answer = await system.post_webhook(content, signature(content))

    body(answer, 413)


async def test_a_webhook_that_sends_too_many_bytes_without_announcing_them_is_refused(system: System) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b" " * (LIMIT // 8)

    answer = await system.post_webhook(endless(), signature(b"something else"))

    body(answer, 413)


@pytest.mark.parametrize("content", [b"[]", b"{}", b"no json", b'{"type": 5}', b'{"id": "evt_1"}', b"\xff"])
async def test_a_signed_body_that_is_no_event_is_refused(system: System, content: bytes) -> None:
    answer = await system.post_webhook(content, signature(content))

    body(answer, 400)


async def test_an_event_of_an_unknown_type_is_taken_and_ignored(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    await until(system.webhooks_delivered, "no webhook of another test is on its way")
    before = await system.counted(ADAPTER, "bellhop_messages_handled", kind="webhook", outcome="ignored")

    answer = await system.post_event(event_about(order_id, "climate.order.delivered"))

    assert body(answer, 200)["outcome"] == "ignored"
    assert await system.counted(ADAPTER, "bellhop_messages_handled", kind="webhook", outcome="ignored") == before + 1
    assert await reported(system, order_id) == 0


async def test_a_payment_of_another_system_on_the_account_is_taken_and_changes_nothing(
    system: System, guest: Guest
) -> None:
    order_id = (await guest.order())["order_id"]

    answer = await system.post_event(event_about(order_id, metadata={"shop_order": "17"}))

    body(answer, 200)
    assert await reported(system, order_id) == 0
    assert set((await system.parked()).values()) == {0}
    assert await still_unpaid(system, guest, order_id)


async def test_a_success_over_another_amount_sends_the_order_to_a_person(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    await guest.session(order_id)
    [intent] = await system.intents(order_id)

    answer = await system.post_event(event_about(order_id, id=intent["id"], amount_received=1))

    assert body(answer, 200)["outcome"] == "done"
    await guest.sees(order_id, status="needs_review", payment_status="mismatched")


async def test_during_rotation_the_old_secret_and_the_new_are_both_believed(system: System) -> None:
    settings = adapter_settings(system, "whsec_new, whsec_old")
    content = json.dumps(event_about("ord_x", "payment_intent.created")).encode()
    adapter = Served("rotating adapter", lambda: psp_adapter.app.create_app(settings))
    await adapter.start()

    try:
        answers = [
            await system.post_webhook(content, signature(content, secret=secret), url=adapter.url)
            for secret in ("whsec_new", "whsec_old", "whsec_older")
        ]
    finally:
        await adapter.stop()

    assert [answer.status_code for answer in answers] == [200, 200, 400]


async def test_without_a_secret_the_endpoint_is_off(system: System) -> None:
    settings = adapter_settings(system, "")
    content = json.dumps(event_about("ord_x")).encode()
    adapter = Served("adapter without a secret", lambda: psp_adapter.app.create_app(settings))
    await adapter.start()

    try:
        answer = await system.post_webhook(content, signature(content, secret=""), url=adapter.url)
    finally:
        await adapter.stop()

    assert body(answer, 404)["outcome"] == "off"
