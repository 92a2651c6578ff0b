"""An extra with six places a day: never a seventh, and every place that is not paid for comes back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import aio_pika
import pytest

from chassis.runtime.metrics import Metrics
from chassis.storage.store import Store as DocumentStore
from chassis.storage.stored_document import Stored
from contracts.ids import OrderId
from deploy.local.broker import Broker
from deploy.local.store import Store
from extras_service.collections import ExtrasStore
from extras_service.stock.state import Hold, StockDay, stock_id
from tests.support.desk import Desk, cancel, intent_of, paid_order
from tests.support.guest import Guest, body, problem
from tests.support.situations import MASSAGE, PLACES, massage, taken
from tests.support.system import PROCESSING_CARD, System, system_on
from tests.support.waiting import until

GUESTS = 15
PLACE_ORDER = "orders.place-order.v1"


async def test_guests_who_come_at_once_never_get_more_than_there_is(system: System) -> None:
    day = "2038-02-01"
    guests = [system.guest() for _ in range(GUESTS)]

    answers = await asyncio.gather(*(guest.place(massage(day)) for guest in guests))

    refused = [answer for answer in answers if not answer.is_success]
    assert len(answers) - len(refused) == PLACES
    for answer in refused:
        problem(answer, 422, "out-of-stock")
    assert await taken(system, day) == PLACES


async def test_places_are_counted_and_not_orders(system: System) -> None:
    day = "2038-02-02"
    guests = [system.guest() for _ in range(5)]

    answers = await asyncio.gather(*(guest.place(massage(day, 2)) for guest in guests))

    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [422] * 2
    assert await taken(system, day) == PLACES


async def test_a_repeated_order_takes_its_place_once(system: System, guest: Guest) -> None:
    day = "2038-02-03"

    answers = await asyncio.gather(*(guest.place(massage(day), key="twice") for _ in range(4)))

    assert len({body(answer, 201)["order_id"] for answer in answers}) == 1
    assert await taken(system, day) == 1


async def test_an_order_that_cannot_have_all_of_it_holds_none_of_it(system: System, guest: Guest) -> None:
    full, free = "2038-02-04", "2038-02-05"
    for _ in range(3):
        await system.guest().order(massage(full, 2))

    problem(await guest.place(massage(free), massage(full)), 422, "out-of-stock")

    assert (await taken(system, free), await taken(system, full)) == (0, PLACES)


async def test_cancelling_gives_the_place_back_whether_it_was_paid_or_not(system: System) -> None:
    day = "2038-02-06"
    buyer, browser = system.guest(), system.guest()
    paid = await paid_order(system, buyer, massage(day, 2))
    unpaid = (await browser.order(massage(day, 2)))["order_id"]
    await browser.session(unpaid)
    assert await taken(system, day) == 4

    body(await cancel(buyer, paid), 200)
    body(await cancel(browser, unpaid), 200)

    await until(lambda: taken_is(system, day, 0), "both places are free again")


async def test_a_paid_place_stays_taken_when_money_goes_back(system: System, guest: Guest, desk: Desk) -> None:
    day = "2038-02-07"
    order_id = await paid_order(system, guest, massage(day))

    body(await desk.refund(order_id), 200)
    await guest.sees(order_id, status="confirmed", payment_status="refunded")

    assert await taken(system, day) == 1


async def test_an_order_that_is_delivered_again_after_its_refusal_holds_all_it_needs(
    system: System, guest: Guest
) -> None:
    full, free = "2038-02-06", "2038-02-07"
    others = [system.guest() for _ in range(3)]
    orders = [(await other.order(massage(full, 2)))["order_id"] for other in others]
    before = await taken(system, free)
    problem(await guest.place(massage(free), massage(full), key="unlucky"), 422, "out-of-stock")
    [refused] = [m for m in await system.log() if m.type == PLACE_ORDER and guest.guest_id.encode() in m.body]
    body(await cancel(others[0], orders[0]), 200)
    await until(lambda: taken_is(system, full, 4), "there is room again")

    # As a broker does when the acknowledgement was lost.
    async with system.channel() as channel:
        commands = await channel.get_exchange("commands", ensure=False)
        again = aio_pika.Message(
            refused.body,
            message_id=refused.message_id,
            type=refused.type,
            correlation_id=refused.correlation_id,
            user_id=system.login,
        )
        await commands.publish(again, PLACE_ORDER)

    await until(lambda: taken_is(system, full, 5), "the order holds its place on the day that was full")
    assert await taken(system, free) == before + 1


@pytest.fixture(scope="module")
async def hasty(broker: Broker, store: Store) -> AsyncIterator[System]:
    """A system whose guests have two seconds to pay."""
    async with system_on(broker, store, pay_within=timedelta(seconds=2)) as system:
        yield system


async def test_an_order_that_expires_gives_its_place_to_the_next_guest(hasty: System) -> None:
    day = "2038-02-03"
    first = [hasty.guest() for _ in range(PLACES)]
    orders = [(await guest.order(massage(day)))["order_id"] for guest in first]
    problem(await hasty.guest().place(massage(day)), 422, "out-of-stock")

    for guest, order_id in zip(first, orders, strict=True):
        await guest.sees(order_id, status="expired")

    await until(lambda: taken_is(hasty, day, 0), "all places are free again")
    await hasty.guest().order(massage(day))


async def test_a_place_held_for_an_order_that_was_never_made_lapses(hasty: System) -> None:
    day = date(2038, 2, 8)
    # What a crash between holding and ordering leaves behind.
    lapses = datetime.now(UTC) + timedelta(seconds=1)
    holds = (Hold(order_id=OrderId("ord_never"), quantity=PLACES, until=lapses),)
    left = StockDay(extra_id=MASSAGE, day=day, holds=holds, due_at=lapses)
    documents = DocumentStore(hasty.setup.mongodb_url, hasty.setup.database, Metrics("tests"), timeout=5.0)
    try:
        new = Stored(id=stock_id(MASSAGE, day), version=1, state=left)
        assert await ExtrasStore(documents).stock.write(new, now=datetime.now(UTC), due_at=lapses)
    finally:
        documents.close()
    assert await taken(hasty, day.isoformat()) == PLACES

    await until(lambda: taken_is(hasty, day.isoformat(), 0), "the hold has lapsed")

    await hasty.guest().order(massage(day.isoformat()))


async def test_a_place_is_held_while_its_payment_settles_and_kept_once_it_has(hasty: System) -> None:
    day = "2038-02-04"
    guest = hasty.guest()
    order_id = (await guest.order(massage(day)))["order_id"]
    body(await hasty.pay(await guest.session(order_id), PROCESSING_CARD), 200)
    await guest.sees(order_id, payment_status="processing")
    first = await let_lapse(hasty, day)

    second = await until(lambda: held_beyond(hasty, day, first), "the order was looked at, and its hold extended")
    await until(lambda: held_beyond(hasty, day, second), "and so again")
    intent = await intent_of(hasty, order_id)
    await hasty.switch(f"payment_intents/{intent['id']}/settle", {"outcome": "succeed"})
    await guest.sees(order_id, status="confirmed")

    await until(lambda: is_kept(hasty, day), "the place is the guest's")


async def let_lapse(system: System, day: str) -> datetime:
    """Let the only hold of a day lapse now, as if its minutes had passed."""
    now = datetime.now(UTC)
    changes = {"$set": {"state.holds.0.until": now.isoformat(), "due_at": now}, "$inc": {"version": 1}}
    await system.documents["stock"].update_one({"_id": stock_id(MASSAGE, date.fromisoformat(day))}, changes)
    return now


async def held_until(system: System, day: str) -> str | None:
    stock = await system.documents["stock"].find_one({"_id": stock_id(MASSAGE, date.fromisoformat(day))})
    assert stock is not None
    [hold] = stock["state"]["holds"]
    return str(hold["until"]) if hold["until"] else None


async def held_beyond(system: System, day: str, last: datetime) -> datetime | None:
    held = await held_until(system, day)
    until_then = datetime.fromisoformat(held) if held else None
    return until_then if until_then and until_then > last else None


async def is_kept(system: System, day: str) -> bool:
    return await held_until(system, day) is None


async def taken_is(system: System, day: str, expected: int) -> bool:
    return await taken(system, day) == expected
