"""Operators look at dead letters while the document store is unavailable: looking costs the letters nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from chassis.errors import StoreUnavailableError
from chassis.metrics import Metrics
from chassis.store import Store
from ops.dead.letters import DeadLetter, DeadLetters
from ops.messages import Filter
from tests.contracts.stored import sample
from tests.integration.ops.conftest import places_of
from tests.integration.ops.operator import Operator

PLACE = sample("orders.place-order.v1")
LOOKS = 30
"""More than the twenty deliveries after which RabbitMQ 4 drops a message by default."""


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system())


@pytest.fixture
async def unavailable() -> AsyncIterator[Store]:
    store = Store("mongodb://127.0.0.1:1/", "none", Metrics("tests"), timeout=0.05)
    yield store
    store.close()


async def test_looking_while_the_store_is_down_costs_a_dead_letter_no_delivery(
    operator: Operator, unavailable: Store
) -> None:
    await operator.park(b"{", PLACE.kind, "extras.commands", "m-1", "MalformedMessageError")
    async with places_of(operator.system).connection() as connection:
        letters = DeadLetters(unavailable, connection)

        for _look in range(LOOKS):
            with pytest.raises(StoreUnavailableError):
                await letters.take_in()

    async with operator.system.channel() as channel:
        message = await (await channel.get_queue("extras.dead", ensure=False)).get()
        assert message is not None
        assert (message.redelivered, message.headers.get("x-delivery-count", 0)) == (False, 0)
        await message.nack(requeue=True)
    listed = await operator.json("dead", "list", code=1)
    assert [letter["message_id"] for letter in listed] == ["m-1"]


async def test_the_first_failure_of_the_store_leaves_all_other_letters_untouched(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await operator.park(b"{", PLACE.kind, "extras.commands", f"m-{number}", "MalformedMessageError")
    places = places_of(operator.system)
    store = places.store(Metrics("tests"))
    async with places.connection() as connection:
        failing, fetched = DeadLetters(store, connection), []

        async def refused(letter_id: str, _letter: DeadLetter) -> bool:
            fetched.append(letter_id)
            raise StoreUnavailableError("adding a record", ConnectionError("reset"))

        monkeypatch.setattr(failing.records, "add", refused)
        with pytest.raises(StoreUnavailableError):
            await failing.take_in()

        assert len(fetched) == 1
        await asyncio.wait_for(DeadLetters(store, connection).take_in(), 30)
        found = await DeadLetters(store, connection).matching(Filter())
    store.close()
    assert sorted(letter.message.message_id for letter in found) == ["m-0", "m-1", "m-2"]
