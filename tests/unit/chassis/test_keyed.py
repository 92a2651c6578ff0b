"""What a process keeps by document."""

import asyncio

from chassis.storage.keyed import KeyedLocks, RecentValues


def test_the_oldest_value_is_forgotten_when_another_has_no_room() -> None:
    recent: RecentValues[int] = RecentValues(2)

    for number, key in enumerate(("a", "b", "c")):
        recent.put(key, number)

    assert [recent.get(key) for key in ("a", "b", "c")] == [None, 1, 2]


def test_a_value_that_is_put_again_is_among_the_newest() -> None:
    recent: RecentValues[int] = RecentValues(2)
    recent.put("a", 1)
    recent.put("b", 2)

    recent.put("a", 3)
    recent.put("c", 4)

    assert [recent.get(key) for key in ("a", "b", "c")] == [3, None, 4]


def test_a_value_that_is_not_there_can_be_taken_out() -> None:
    recent: RecentValues[int] = RecentValues(1)

    recent.pop("a")

    assert recent.get("a") is None


async def test_a_key_is_held_by_one_at_a_time_and_another_key_is_free() -> None:
    locks, order = KeyedLocks(), list[str]()
    first_may_end = asyncio.Event()

    async def holding(key: str, name: str, until: asyncio.Event | None = None) -> None:
        async with locks.holding(key):
            order.append(f"{name} begins")
            if until is not None:
                await until.wait()
            order.append(f"{name} ends")

    async with asyncio.TaskGroup() as group:
        group.create_task(holding("a", "first", first_may_end))
        group.create_task(holding("a", "second"))
        await group.create_task(holding("b", "other"))
        first_may_end.set()

    of_a = [event for event in order if not event.startswith("other")]
    assert of_a == ["first begins", "first ends", "second begins", "second ends"]
    assert order.index("other ends") < order.index("first ends")


async def test_a_lock_that_no_task_uses_is_not_kept() -> None:
    locks = KeyedLocks()

    async with locks.holding("a"):
        assert list(locks._locks) == ["a"]

    assert list(locks._locks) == []
