"""Operators look at dead letters while the document store is unavailable: looking costs the letters nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from chassis.errors import StoreUnavailableError
from chassis.runtime.metrics import Metrics
from chassis.storage.store import Store
from ops.core import dead_letter_actions as actions
from ops.core.dead_letters.letters import DeadLetter, DeadLetters
from ops.core.messages import Filter
from ops.core.session import OperatorSession
from tests.support.examples import sample
from tests.support.operator import Operator, target_of

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
    async with target_of(operator.system).connection() as connection:
        letters = DeadLetters(unavailable, connection)

        for _look in range(LOOKS):
            with pytest.raises(StoreUnavailableError):
                await letters.drain()

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
    target = target_of(operator.system)
    store = target.store(Metrics("tests"))
    async with target.connection() as connection:
        failing, fetched = DeadLetters(store, connection), []

        async def refused(letter_id: str, _letter: DeadLetter) -> bool:
            fetched.append(letter_id)
            raise StoreUnavailableError("adding a record", ConnectionError("reset"))

        monkeypatch.setattr(failing.records, "add", refused)
        with pytest.raises(StoreUnavailableError):
            await failing.drain()

        assert len(fetched) == 1
        await asyncio.wait_for(DeadLetters(store, connection).drain(), 30)
        found = await DeadLetters(store, connection).matching(Filter())
    store.close()
    assert sorted(letter.message.message_id for letter in found) == ["m-0", "m-1", "m-2"]


@pytest.mark.parametrize("writes_before_the_failure", [0, 1])
async def test_an_edit_during_which_the_store_fails_leaves_exactly_one_letter_that_waits(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, writes_before_the_failure: int
) -> None:
    await operator.park(PLACE, PLACE.kind, "extras.commands", "m-1", "Oops")
    target = target_of(operator.system)
    store = target.store(Metrics("tests"))
    async with target.connection() as connection:
        desk = OperatorSession(target, store, connection)
        [old] = await actions.find(desk, Filter())
        change, changed = desk.letters.records.change, list[str]()

        async def fails(letter_id: str, changes: dict[str, Any], **only_if: str) -> bool:
            if len(changed) == writes_before_the_failure:
                raise StoreUnavailableError("changing a record", ConnectionError("reset"))
            changed.append(letter_id)
            return await change(letter_id, changes, **only_if)

        with monkeypatch.context() as failing:
            failing.setattr(desk.letters.records, "change", fails)
            with pytest.raises(StoreUnavailableError):
                await actions.edit(desk, old.letter_id, who="olga", why="w", assignments=["lines.0.quantity=3"])
        waiting = await actions.find(desk, Filter())
    store.close()

    assert len(waiting) == 1
    is_edited = waiting[0].edited_from == old.letter_id
    assert is_edited == (writes_before_the_failure == 1)
