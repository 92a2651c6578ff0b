"""What Bellhop relies on at the store, as scenarios over chassis/storage/store.py."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from chassis.decision import State
from chassis.errors import PublishRefusedError
from chassis.messaging.envelope import Envelope
from chassis.storage.documents import Documents
from chassis.storage.folding import FOLDED_FROM, LEFT_OPEN
from chassis.storage.history import Transition
from chassis.storage.parked_outbox import Refusal
from chassis.storage.store import Store
from chassis.storage.stored_document import Stored, with_old_folded
from contracts.ids import GuestId, OrderId, PropertyId
from contracts.orders import OrderExpired

NOW = datetime(2026, 11, 25, 12, 0, 0, 123456, UTC)
SECOND = timedelta(seconds=1)

Scenario = Callable[[Store], Coroutine[Any, Any, None]]


class Thing(State):
    colour: str = "red"
    created_at: datetime = NOW


class Note(BaseModel):
    text: str = ""
    author: str = ""


def things(store: Store) -> Documents[Thing]:
    return store.documents("things", Thing, indexed=("colour",))


def envelope(number: int) -> Envelope:
    return Envelope(
        OrderExpired(order_id=OrderId("ord_1"), guest_id=GuestId("g1"), property_id=PropertyId("p1")), f"m{number}", "c"
    )


async def written(documents: Documents[Thing], new: Stored[Thing], due_at: datetime | None = None) -> bool:
    return await documents.write(new, now=NOW, due_at=due_at)


async def a_document_comes_back_as_it_was_written(store: Store) -> None:
    documents = things(store)
    new = Stored("t1", 1, Thing(colour="blue"), ("m0",), (envelope(1),), attention_since=NOW, life="abc")

    assert await written(documents, new)

    known = await documents.load("t1")
    assert known is not None
    assert (known.version, known.state, known.handled, known.life) == (1, new.state, ("m0",), "abc")
    assert known.attention_since == NOW.replace(microsecond=123000)
    assert [each.message_id for each in known.outbox] == ["m1"]
    assert await documents.load("t2") is None


async def folded_history_comes_back_as_it_was_written(store: Store) -> None:
    documents, at = things(store), NOW.replace(microsecond=123000)
    history = tuple(Transition(number, at, f"m{number}", "test.v1", "red") for number in range(1, FOLDED_FROM + 1))
    new = with_old_folded(Stored("t1", 1, Thing(), tuple(change.message_id for change in history), history=history))

    assert await written(documents, new)

    known = await documents.load("t1")
    assert known is not None
    assert (known.whole_history, known.history, known.origin) == (history, history[-LEFT_OPEN:], None)
    assert known.has_handled("m1")
    assert not known.has_handled("m0")


async def of_two_writers_of_one_version_one_wins(store: Store) -> None:
    documents = things(store)
    await written(documents, Stored("t1", 1, Thing()))

    assert await written(documents, Stored("t1", 2, Thing(colour="blue")))
    assert not await written(documents, Stored("t1", 2, Thing(colour="green")))

    known = await documents.load("t1")
    assert known is not None
    assert known.state.colour == "blue"


async def of_two_that_insert_one_wins(store: Store) -> None:
    documents = things(store)

    assert await written(documents, Stored("t1", 1, Thing(colour="blue")))
    assert not await written(documents, Stored("t1", 1, Thing(colour="green")))


async def writes_made_together_keep_their_own_guards(store: Store) -> None:
    documents = things(store)
    for number in range(4):
        await written(documents, Stored(f"t{number}", 1, Thing()))
    await written(documents, Stored("t1", 2, Thing(colour="green")))

    outcomes = await asyncio.gather(
        *(written(documents, Stored(f"t{number}", 2, Thing(colour="blue"))) for number in range(4)),
        *(written(documents, Stored(f"t{number}", 1, Thing(colour="new"))) for number in (3, 4, 5)),
        written(documents, Stored("t6", 2, Thing())),
    )

    assert outcomes == [True, False, True, True, False, True, True, False]
    assert {state.colour for _, state in await documents.load_many(["t0", "t2", "t3"])} == {"blue"}
    kept = [await documents.load(name) for name in ("t1", "t4", "t6")]
    assert [stored.state.colour if stored else None for stored in kept] == ["green", "new", None]


async def writes_made_together_all_succeed_or_all_fail(store: Store) -> None:
    documents = things(store)

    for version, outcome in ((1, True), (1, False), (2, True), (2, False)):
        new = [Stored(f"t{number}", version, Thing()) for number in range(60)]
        assert set(await asyncio.gather(*(written(documents, each) for each in new))) == {outcome}


async def outboxes_are_cleared_at_the_version_that_was_sent_and_at_no_other(store: Store) -> None:
    documents = things(store)
    for name in ("t1", "t2"):
        await written(documents, Stored(name, 1, Thing(), outbox=(envelope(1),)))
    await written(documents, Stored("t2", 2, Thing(), outbox=(envelope(2),)))

    await documents.clear_outboxes({"t1": 1, "t2": 1})

    assert await documents.unsent_since(NOW + SECOND) == (1, NOW.replace(microsecond=123000))
    assert await documents.ids_unsent_since(NOW + SECOND, 10) == ["t2"]
    assert await documents.ids_unsent_since(NOW - SECOND, 10) == []


async def a_document_is_deleted_as_it_was_read_and_not_before_its_messages_have_left(store: Store) -> None:
    documents = things(store)
    first, second = Stored("t1", 1, Thing(), life="a"), Stored("t1", 2, Thing(), life="a")
    unsent = Stored("t2", 1, Thing(), outbox=(envelope(1),), life="b")
    of_old = Stored("t3", 1, Thing())  # as 0.1.0 wrote them
    for new in (first, second, unsent, of_old):
        assert await written(documents, new)

    assert not await documents.remove(first)
    assert not await documents.remove(replace(second, life="b"))
    assert not await documents.remove(unsent)
    assert await documents.remove(second)
    assert not await documents.remove(second)
    assert await documents.remove(of_old)
    assert await documents.load("t1") is None
    assert await documents.load("t2") is not None


async def sweeps_find_what_is_due_the_most_overdue_first(store: Store) -> None:
    documents = things(store)
    await documents.prepare()
    for number in range(4):
        await written(documents, Stored(f"t{number}", 1, Thing()), NOW - number * SECOND if number else None)

    assert await documents.due(NOW, 2) == {"t3": 1, "t2": 1}
    assert list(await documents.due(NOW - 1.5 * SECOND, 10)) == ["t3", "t2"]


async def searches_find_the_newest_first(store: Store) -> None:
    documents = things(store)
    await documents.prepare()
    for number in range(4):
        colour = "red" if number else "blue"
        state = Thing(colour=colour, created_at=NOW + number * SECOND)
        await written(documents, Stored(f"t{number}", 1, state), NOW if number == 2 else None)

    found = await documents.find(2, colour="red")

    assert [state.created_at for state in found] == [NOW + 3 * SECOND, NOW + 2 * SECOND]
    assert await documents.newest(2, colour="red") == found
    assert [state.colour for state in await documents.newest(9, NOW + 3 * SECOND, colour="red")] == ["red"]
    assert await documents.ids_of(9, colour="blue") == ["t0"]
    assert sorted([each async for each in documents.ids(colour="red")]) == ["t1", "t2", "t3"]
    assert [each async for each in documents.ids(NOW, NOW + SECOND)] == ["t0"]
    assert sorted(state.colour for _, state in await documents.load_many(["t0", "t1", "t9"])) == ["blue", "red"]
    assert [each async for each in documents.all_ids(NOW, colour="blue")] == ["t0"]
    assert [each async for each in documents.ids(scheduled=True, colour="red")] == ["t2"]


async def what_needs_attention_is_counted(store: Store) -> None:
    documents = things(store)
    await documents.prepare()
    await written(documents, Stored("t1", 1, Thing(), attention_since=NOW))
    await written(documents, Stored("t2", 1, Thing(colour="blue")))

    await documents.mark_attention(NOW + SECOND, colour="blue")

    assert (await documents.attention_since(NOW + 2 * SECOND))[0] == 2
    assert await documents.attention_since(NOW + 2 * SECOND, colour="red") == (1, NOW.replace(microsecond=123000))
    assert (await documents.attention_since(NOW + 2 * SECOND, colour={"$ne": "red"}))[0] == 1
    assert [state.colour for _, state in await documents.needing_attention(9, colour="blue")] == ["blue"]


async def a_refused_message_is_parked_removed_and_put_back(store: Store) -> None:
    documents = things(store)
    await documents.prepare()
    await written(documents, Stored("t1", 1, Thing(), outbox=(envelope(1), envelope(2))))
    refusal = Refusal(envelope(1), PublishRefusedError("kind", "there", ValueError("no")), NOW)

    assert not await documents.parked.park("t1", 9, [refusal], ["m2"], NOW)
    assert await documents.parked.park("t1", 1, [refusal], ["m2"], NOW)

    (parked,) = await documents.parked.all()
    assert (parked.document_id, parked.envelope.message_id) == ("t1", "m1")
    assert (await documents.parked_since(NOW + SECOND))[0] == 1
    assert await documents.parked.remove(parked)
    assert not await documents.parked.remove(parked)
    assert await documents.parked.put_back("t1", parked.envelope, NOW)
    known = await documents.load("t1")
    assert known is not None
    assert [each.message_id for each in known.outbox] == ["m2", "m1"]
    assert not await written(documents, replace(known, version=2))


async def records_are_added_once_and_changed_on_condition(store: Store) -> None:
    records = store.records("notes", Note, indexed=("author",))

    assert await records.add("n1", Note(text="first", author="a"))
    assert not await records.add("n1", Note(text="second", author="b"))
    assert await records.change("n1", {"text": "third"}, author="a")
    assert not await records.change("n1", {"text": "fourth"}, author="b")

    assert await records.get(["n1", "n9"]) == {"n1": Note(text="third", author="a")}


async def records_are_found_replaced_and_removed(store: Store) -> None:
    records = store.records("notes", Note, indexed=("author",))
    await records.put({f"n{number}": Note(text=str(number), author="a") for number in range(3)})
    await records.put({"n1": Note(text="1", author="b")})

    assert sorted(await records.find(author="a")) == ["n0", "n2"]
    assert sorted(await records.between("text", "1")) == ["n1", "n2"]
    assert sorted(await records.between("text", "0", "2")) == ["n0", "n1"]
    assert await records.oldest("text", author="a") == (2, Note(text="0", author="a"))
    assert await records.ids_below("text", "2", 10) == ["n0", "n1"]
    assert await records.ids_below("text", "2", 1) == ["n0"]
    assert await records.count(author="a") == 2
    assert await records.remove(["n0", "n9"]) == 1
    assert not await records.remove_if("n2", text="1")
    assert sorted(await records.find()) == ["n1", "n2"]
    assert await records.remove_if("n2", text="2")
    assert sorted(await records.find()) == ["n1"]


async def the_server_says_that_it_is_there_and_what_time_it_is(store: Store) -> None:
    await store.sync_clock()
    await store.require_writes()

    assert await store.is_available()
    assert store.clock.age < 60


SCENARIOS: tuple[Scenario, ...] = (
    a_document_comes_back_as_it_was_written,
    folded_history_comes_back_as_it_was_written,
    of_two_writers_of_one_version_one_wins,
    of_two_that_insert_one_wins,
    writes_made_together_keep_their_own_guards,
    writes_made_together_all_succeed_or_all_fail,
    outboxes_are_cleared_at_the_version_that_was_sent_and_at_no_other,
    a_document_is_deleted_as_it_was_read_and_not_before_its_messages_have_left,
    sweeps_find_what_is_due_the_most_overdue_first,
    searches_find_the_newest_first,
    what_needs_attention_is_counted,
    a_refused_message_is_parked_removed_and_put_back,
    records_are_added_once_and_changed_on_condition,
    records_are_found_replaced_and_removed,
    the_server_says_that_it_is_there_and_what_time_it_is,
)
