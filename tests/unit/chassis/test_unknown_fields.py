"""A version keeps what it does not know, wherever in a document a newer one has put it."""

import copy
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from hypothesis import given as each
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from chassis.decision import State
from chassis.errors import NewerDocumentError
from chassis.messaging.envelope import Envelope, Failure
from chassis.storage.folding import FOLDED_FROM, LEFT_OPEN
from chassis.storage.history import Transition
from chassis.storage.stored_document import Stored, document_of, stored_of, with_old_folded
from tests.support import orders as given
from tests.support.examples import sample

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PENDING = sample("orders.order-pending-payment.v1")

Json = dict[str, Any]


class Price(BaseModel):
    model_config = ConfigDict(frozen=True)
    amount: int


class Refund(BaseModel):
    model_config = ConfigDict(frozen=True)
    refund_id: str
    price: Price
    stage: str = "asked"


class Attempt(BaseModel):
    model_config = ConfigDict(frozen=True)
    code: str


class Thing(State):
    status: str = "new"
    paid_reference: str | None = None
    price: Price = Price(amount=1)
    refunds: tuple[Refund, ...] = ()
    attempts: tuple[Attempt, ...] = ()


THING = Thing(
    refunds=(Refund(refund_id="r1", price=Price(amount=1)), Refund(refund_id="r2", price=Price(amount=2))),
    attempts=(Attempt(code="a"), Attempt(code="a")),
)
STORED = Stored(
    "t1",
    3,
    THING,
    handled=("m-1", "m-2"),
    outbox=(Envelope(PENDING, "t1.3.0", "c-1"), Envelope(PENDING, "t1.3.1", "c-1", to="gateway.replies.1")),
    history=(
        Transition(2, NOW, "m-1", "test.v1", "new"),
        Transition(3, NOW, "m-2", "test.v1", "new", 2, Failure("E", "why", NOW.isoformat())),
    ),
    life="one",
)


def paid(thing: Thing) -> Thing:
    return thing.model_copy(update={"status": "paid", "paid_reference": "pi_1"})


def paid_again(thing: Thing) -> Thing:
    return thing.model_copy(update={"paid_reference": "pi_2"})


def dearer(thing: Thing) -> Thing:
    return thing.model_copy(update={"price": Price(amount=2)})


def refunded(thing: Thing) -> Thing:
    """As transitions do it: the item is made again from its fields, others move."""
    new = Refund(refund_id="r0", price=Price(amount=3))
    first, second = thing.refunds
    return thing.model_copy(update={"refunds": (new, second, Refund(**{**dict(first), "stage": "done"}))})


def tried_again(thing: Thing) -> Thing:
    return thing.model_copy(update={"attempts": (*thing.attempts, Attempt(code="b"))})


CHANGES = (paid, paid_again, dearer, refunded, tried_again)


@each(data=st.data(), changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3, unique=True))
def test_an_unknown_field_survives_every_write_at_every_level(
    data: st.DataObject, changes: list[Callable[[Thing], Thing]]
) -> None:
    raw = document_of(STORED, NOW, NOW)
    of_document = list(objects(raw))
    places = data.draw(st.sets(st.sampled_from(range(len(of_document))), min_size=1))
    for place in places:
        of_document[place][f"new_{place}"] = {"any": ["thing", place]}

    stored = stored_of(copy.deepcopy(raw), Thing)
    for number, change in enumerate(changes, 4):
        stored = Stored(
            stored.id,
            number,
            change(stored.state),
            (*stored.handled, f"m-{number}"),
            stored.outbox,
            (*stored.history, Transition(number, NOW, f"m-{number}", "test.v1", "changed")),
            life=stored.life,
            origin=stored.origin,
        )
        written = document_of(stored, NOW, None)

    kept = {name: value for found in objects(written) for name, value in found.items() if name.startswith("new_")}
    assert kept == {f"new_{place}": {"any": ["thing", place]} for place in places}
    assert stored_of(written, Thing).state == stored.state


def test_a_newer_versions_transitions_are_folded_with_the_fields_that_only_it_knows() -> None:
    history = tuple(Transition(number, NOW, f"m-{number}", "test.v1", "new") for number in range(1, FOLDED_FROM))
    raw = document_of(replace(STORED, history=history, handled=()), NOW, None)
    raw["history"][3]["by"] = "Anna"

    stored = stored_of(raw, Thing)
    new = with_old_folded(replace(stored, history=(*stored.history, replace(history[0], version=FOLDED_FROM))))
    written = document_of(new, NOW, None)

    assert len(written["history"]) == LEFT_OPEN
    assert bson.decode(zlib.decompress(written["folded"][0]))["history"][3]["by"] == "Anna"
    assert stored_of(written, Thing).whole_history == (*history, new.history[-1])


def test_fields_of_another_thing_in_the_same_place_are_not_passed_on() -> None:
    raw = document_of(STORED, NOW, None)
    raw["state"]["refunds"][0]["new"] = "about r1"

    stored = stored_of(raw, Thing)
    others = (Refund(refund_id="r3", price=Price(amount=1)), Refund(refund_id="r4", price=Price(amount=2)))
    changed = stored.state.model_copy(update={"refunds": others})
    written = document_of(Stored("t1", 4, changed, origin=stored.origin), NOW, None)

    assert "about r1" not in str(written)


def test_a_document_without_unknown_fields_is_written_as_it_is() -> None:
    raw = document_of(STORED, NOW, NOW + timedelta(minutes=1))

    stored = stored_of(raw, Thing)

    assert stored.origin is None
    assert document_of(stored, NOW, NOW + timedelta(minutes=1)) == raw


def test_a_real_order_is_read_without_anything_unknown_in_it() -> None:
    raw = document_of(Stored("ord_1", 1, given.asked(given.pending_reply(1))), NOW, NOW)

    assert stored_of(raw, type(given.asked())).origin is None


def test_what_was_due_or_unsent_is_not_taken_for_unknown() -> None:
    raw = document_of(STORED, NOW, NOW)
    raw["new"] = True

    stored = stored_of(raw, Thing)
    written = document_of(Stored("t1", 4, stored.state, origin=stored.origin), NOW, None)

    assert written["new"] is True
    assert "due_at" not in written
    assert "unsent_since" not in written


def test_a_document_of_a_newer_schema_is_not_read() -> None:
    raw = document_of(STORED, NOW, NOW) | {"schema": 2}

    with pytest.raises(NewerDocumentError, match=r"t1 .*schema 2, this version knows 1"):
        stored_of(raw, Thing)


def test_a_document_from_before_there_were_schemas_is_read() -> None:
    raw = document_of(STORED, NOW, NOW)
    del raw["schema"], raw["life"], raw["history"]

    stored = stored_of(raw, Thing)

    assert (stored.state, stored.life, stored.history) == (THING, "", ())
    assert document_of(stored, NOW, None)["schema"] == 1


def objects(value: Any) -> Iterator[Json]:
    """Every object in a document, the document first."""
    if isinstance(value, dict):
        yield value
        for inner in list(value.values()):
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)
