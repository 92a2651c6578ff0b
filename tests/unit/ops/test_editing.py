"""Correcting the body of a dead letter."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.message import Command, Event, Message
from ops.core.dead_letters.editing import EditError, apply_assignments, edited
from ops.core.dead_letters.letters import DeadLetter, Stage
from ops.core.messages import RecordedMessage
from tests.support.examples import sample, samples

PLACE = sample("orders.place-order.v1")
BROKEN = PLACE.to_wire().replace(b'"quantity":', b'"quantity":"many","was":', 1)


def letter(body: bytes = BROKEN, kind: str = PLACE.kind) -> DeadLetter:
    headers = {"origin_queue": "extras.commands", "last_failed_at": datetime(2026, 11, 24, tzinfo=UTC).isoformat()}
    return DeadLetter.of("extras.dead", RecordedMessage(message_id="m-1", kind=kind, body=body, headers=headers))


def test_fields_are_set_by_their_place_in_the_body() -> None:
    body = apply_assignments(
        b'{"a": {"b": 1}, "lines": [{"n": 1}, {"n": 2}]}', ["a.b=2", "lines.1.n=null", "new=some text"]
    )

    assert json.loads(body) == {"a": {"b": 2}, "lines": [{"n": 1}, {"n": None}], "new": "some text"}


@pytest.mark.parametrize(
    ("body", "assignment"), [(b"{}", "a.b=1"), (b'{"l": []}', "l.0=1"), (b"{}", "a"), (b"{}", "=1"), (b"{", "a=1")]
)
def test_what_cannot_be_set_is_refused_in_words(body: bytes, assignment: str) -> None:
    with pytest.raises(EditError, match=r"there is no|is not an assignment|not valid JSON"):
        apply_assignments(body, [assignment])


def test_an_edited_message_has_an_id_of_its_own_and_knows_where_it_came_from() -> None:
    old = letter()

    new = edited(old, apply_assignments(old.message.body, ["lines.0.quantity=1"]))

    assert new.edited_from == old.letter_id
    assert new.letter_id != old.letter_id
    assert new.message.message_id.startswith("m-1.edited.")
    assert new.message.headers["edited_from"] == "m-1"
    assert (new.stage, new.queue) == (Stage.WAITING, "extras.commands")


def test_what_the_contract_does_not_know_is_refused() -> None:
    with pytest.raises(EditError, match="lines"):
        edited(letter(), apply_assignments(BROKEN, ["lines.0.quantity=few"]))
    with pytest.raises(EditError, match=r"orders\.dance"):
        edited(letter(), PLACE.to_wire(), kind="orders.dance.v1", may_change_identity=True)


def places_of_ids(value: Any, place: str = "") -> Iterator[str]:
    """Where a sample names orders, payments, guests and the like, found by the look of their values' names."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, dict | list):
            yield from places_of_ids(inner, f"{place}{name}.")
        elif re.search(r"_id$|_reference$", str(name)) and name != "extra_id":
            yield f"{place}{name}"


IDS = [
    (found, place)
    for found in samples()
    if isinstance(found, Command | Event)
    for place in places_of_ids(json.loads(found.to_wire()))
]


@pytest.mark.parametrize(("message", "place"), IDS, ids=[f"{message.kind} {place}" for message, place in IDS])
def test_an_edit_keeps_every_id_of_every_message(message: Message, place: str) -> None:
    old = letter(message.to_wire(), message.kind)
    other = apply_assignments(old.message.body, [f"{place}=pay_{'q' * 26}"])

    with pytest.raises(EditError, match=f"keeps what the message is about: {place}; BELLHOP_EDIT_IDENTITY"):
        edited(old, other)


@pytest.mark.parametrize(
    "failed", [sample(kind) for kind in ("payments.payment-failed.v1", "psp.psp-payment-failed.v1")]
)
def test_a_parked_report_cannot_become_a_success(failed: Message) -> None:
    old = letter(failed.to_wire(), failed.kind)
    success = sample(failed.kind.replace("failed", "succeeded"))

    with pytest.raises(EditError, match=f"keeps the kind, {failed.kind}; BELLHOP_EDIT_IDENTITY"):
        edited(old, success.to_wire(), kind=success.kind)

    allowed = edited(old, success.to_wire(), kind=success.kind, may_change_identity=True)
    assert allowed.message.kind == success.kind


def test_an_id_is_neither_added_nor_taken_away() -> None:
    known = sample("payments.payment-succeeded.v1")
    without = {name: value for name, value in json.loads(known.to_wire()).items() if name != "payment_id"}

    with pytest.raises(EditError, match="is about: payment_id"):
        edited(letter(json.dumps(without).encode(), known.kind), known.to_wire())
    with pytest.raises(EditError, match="is about: payment_id"):
        edited(letter(known.to_wire(), known.kind), json.dumps(without).encode())


def test_a_body_that_does_not_say_what_it_is_about_is_not_replaced() -> None:
    with pytest.raises(EditError, match="nothing shows which order"):
        edited(letter(b"{"), PLACE.to_wire())

    assert edited(letter(b"{"), PLACE.to_wire(), may_change_identity=True).message.body == PLACE.to_wire()


def test_an_edit_that_changes_nothing_is_refused() -> None:
    with pytest.raises(EditError, match="nothing was changed"):
        edited(letter(PLACE.to_wire()), PLACE.to_wire())


def test_the_same_delivery_has_the_same_id_and_another_failure_another() -> None:
    again = {**letter().message.headers, "last_failed_at": datetime(2026, 11, 25, tzinfo=UTC).isoformat()}

    assert letter().letter_id == letter().letter_id
    assert DeadLetter.of("extras.dead", letter().message.model_copy(update={"headers": again})) != letter()
