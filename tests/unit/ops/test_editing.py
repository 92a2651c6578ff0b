"""Correcting the body of a dead letter."""

import json
from datetime import UTC, datetime

import pytest

from ops.dead.editing import EditError, edited, with_fields
from ops.dead.letters import DeadLetter, Stage
from ops.messages import Seen
from tests.contracts.stored import sample

PLACE = sample("orders.place-order.v1")
BROKEN = PLACE.to_wire().replace(b'"quantity":', b'"quantity":"many","was":', 1)


def letter(body: bytes = BROKEN) -> DeadLetter:
    headers = {"origin_queue": "extras.commands", "last_failed_at": datetime(2026, 11, 24, tzinfo=UTC).isoformat()}
    return DeadLetter.of("extras.dead", Seen(message_id="m-1", kind=PLACE.kind, body=body, headers=headers))


def test_fields_are_set_by_their_place_in_the_body() -> None:
    body = with_fields(b'{"a": {"b": 1}, "lines": [{"n": 1}, {"n": 2}]}', ["a.b=2", "lines.1.n=null", "new=some text"])

    assert json.loads(body) == {"a": {"b": 2}, "lines": [{"n": 1}, {"n": None}], "new": "some text"}


@pytest.mark.parametrize(
    ("body", "assignment"), [(b"{}", "a.b=1"), (b'{"l": []}', "l.0=1"), (b"{}", "a"), (b"{}", "=1"), (b"{", "a=1")]
)
def test_what_cannot_be_set_is_refused_in_words(body: bytes, assignment: str) -> None:
    with pytest.raises(EditError, match=r"there is no|assigns nothing|no JSON"):
        with_fields(body, [assignment])


def test_an_edited_message_has_an_id_of_its_own_and_knows_where_it_came_from() -> None:
    old = letter()

    new = edited(old, with_fields(old.message.body, ["lines.0.quantity=1"]))

    assert new.edited_from == old.letter_id
    assert new.letter_id != old.letter_id
    assert new.message.message_id.startswith("m-1.edited.")
    assert new.message.headers["edited_from"] == "m-1"
    assert (new.stage, new.queue) == (Stage.WAITING, "extras.commands")


def test_what_the_contract_does_not_know_is_refused() -> None:
    with pytest.raises(EditError, match="lines"):
        edited(letter(), with_fields(BROKEN, ["lines.0.quantity=few"]))
    with pytest.raises(EditError, match=r"orders\.dance"):
        edited(letter(), PLACE.to_wire(), kind="orders.dance.v1")


def test_an_edit_that_changes_nothing_is_refused() -> None:
    with pytest.raises(EditError, match="nothing was changed"):
        edited(letter(PLACE.to_wire()), PLACE.to_wire())


def test_the_same_delivery_has_the_same_id_and_another_failure_another() -> None:
    again = {**letter().message.headers, "last_failed_at": datetime(2026, 11, 25, tzinfo=UTC).isoformat()}

    assert letter().letter_id == letter().letter_id
    assert DeadLetter.of("extras.dead", letter().message.model_copy(update={"headers": again})) != letter()
