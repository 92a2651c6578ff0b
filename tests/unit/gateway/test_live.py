"""Live views: what a guest sees of the bus, and only of the order being watched."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chassis.messaging.provenance import original_of
from contracts.message import Event, Message
from contracts.topology import LIVE_KINDS
from deploy.local.patience import patient
from gateway.live import LiveFeed, LiveUpdate, update_of
from tests.support.examples import sample, samples

SAMPLE_ORDER = "ord_k3v7q2mxa5tz4bnw6ehcj2yd5p"

LEFT: dict[str, Any] = {
    "total": {"amount": 4800, "currency": "EUR"},
    "taken_out": {
        "lines": [1],
        "amount": {"amount": 5000, "currency": "EUR"},
        "reason": "The room is needed at ten that day.",
    },
}
SEEN: dict[str, dict[str, Any]] = {
    "orders.order-pending-payment.v1": {"status": "pending_payment", "payment_status": "unpaid"},
    "orders.order-confirmed.v1": {"status": "confirmed", "payment_status": "paid", **LEFT},
    "orders.order-approval-needed.v1": {"status": "awaiting_approval", "payment_status": "authorised"},
    "orders.order-approved.v1": {"status": "capturing", **LEFT},
    "orders.order-declined.v1": {
        "status": "declined",
        "payment_status": "unpaid",
        "declined_because": "The room is needed at ten that day.",
    },
    "orders.order-expired.v1": {"status": "expired"},
    "orders.order-cancelled.v1": {"status": "cancelled", "payment_status": "paid"},
    "orders.order-fulfilled.v1": {"status": "fulfilled"},
    "orders.order-payment-changed.v1": {"status": "confirmed", "payment_status": "partially_refunded"},
    "orders.order-needs-review.v1": {"status": "needs_review"},
    "payments.payment-processing.v1": {"payment_status": "processing"},
    "payments.payment-failed.v1": {"code": "insufficient_funds", "detail": "Your card has insufficient funds."},
}


@pytest.mark.parametrize(("kind", "seen"), SEEN.items())
def test_a_guest_sees_of_an_event_what_concerns_guests(kind: str, seen: dict[str, Any]) -> None:
    update = update_of(sample(kind))

    assert update is not None
    assert update.model_dump(mode="json", exclude_none=True) == {
        "event": kind.removesuffix(".v1"),
        "order_id": SAMPLE_ORDER,
        **seen,
    }


@pytest.mark.parametrize("message", [m for m in samples() if m.kind not in SEEN], ids=lambda message: message.kind)
def test_everything_else_is_nothing_to_a_guest(message: Message) -> None:
    assert update_of(message) is None


def test_everything_a_gateway_follows_is_shown() -> None:
    followed = {original_of(binding.exchange, binding.routing_key) for binding in LIVE_KINDS}

    assert followed == {("events", kind) for kind in (*SEEN, FOR_STAFF, "orders.order-lines-fulfilled.v1")}


def test_what_a_hotel_must_look_at_is_not_explained_to_the_guest() -> None:
    update = update_of(sample("orders.order-needs-review.v1"))

    assert update is not None
    assert update.detail is None


FOR_STAFF = "orders.order-refund-failed.v1"
"""No guest sees it; the staff of the property learn that the order has changed."""

# The feed


def _confirmed(order_id: str = SAMPLE_ORDER) -> Event:
    message = sample("orders.order-confirmed.v1")
    assert isinstance(message, Event)
    return message.model_copy(update={"order_id": order_id})


async def _read(updates: AsyncIterator[LiveUpdate]) -> list[str]:
    """Everything until the stream ends."""
    async with asyncio.timeout(patient(5)):
        return [update.order_id async for update in updates]


async def test_every_watcher_of_an_order_sees_what_happens_to_it_and_nothing_else() -> None:
    feed = LiveFeed()

    with feed.watching("ord_1") as first, feed.watching("ord_1") as second, feed.watching("ord_2") as other:
        for order_id in ("ord_1", "ord_2", "ord_1", "ord_3"):
            await feed.on_event(_confirmed(order_id))
        feed.close()

        assert await _read(first) == ["ord_1", "ord_1"]
        assert await _read(second) == ["ord_1", "ord_1"]
        assert await _read(other) == ["ord_2"]


async def test_a_client_that_does_not_read_loses_its_stream_and_no_other_client_does() -> None:
    feed = LiveFeed()

    with feed.watching("ord_1") as slow, feed.watching("ord_2") as other:
        for _ in range(65):
            await feed.on_event(_confirmed("ord_1"))
        await feed.on_event(_confirmed("ord_2"))

        assert len(await _read(slow)) < 65
        assert (await anext(other)).order_id == "ord_2"


async def test_after_the_end_a_stream_shows_nothing_and_later_ones_end_at_once() -> None:
    feed = LiveFeed()
    with feed.watching("ord_1"):
        pass

    feed.close()

    with feed.watching("ord_1") as late:
        assert await _read(late) == []


async def test_a_stream_ends_after_its_time_so_that_an_old_token_is_not_watched_with_for_ever() -> None:
    feed = LiveFeed(longest=0.05)

    with feed.watching("ord_1") as updates:
        await feed.on_event(_confirmed("ord_1"))

        assert await _read(updates) == ["ord_1"]


async def test_no_watcher_is_remembered_after_leaving() -> None:
    feed = LiveFeed()

    with feed.watching("ord_1"), feed.watching("ord_1"):
        assert set(feed._watching) == {(LiveUpdate, "ord_1")}

    assert feed._watching == {}


async def test_staff_learn_which_orders_of_their_property_change_also_what_no_guest_sees() -> None:
    feed = LiveFeed()

    with feed.watching_property("alpenhof") as here, feed.watching_property("kamogawa") as elsewhere:
        for kind in ("orders.order-confirmed.v1", FOR_STAFF, "payments.payment-failed.v1"):
            message = sample(kind)
            changes = {"property_id": "alpenhof"} if "property_id" in type(message).model_fields else {}
            await feed.on_event(message.model_copy(update=changes))
        feed.close()

        assert [update.event async for update in here] == ["orders.order-confirmed", "orders.order-refund-failed"]
        assert [update async for update in elsewhere] == []
