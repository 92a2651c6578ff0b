"""An old version of a message is read as the newest one, wherever it comes from."""

import json
from typing import Literal

import pytest

from chassis.messaging.envelope import Envelope
from contracts import upcasting
from contracts.message import Event, MalformedMessageError, Message, NewerKindError, parse
from contracts.topology import EVENTS, Binding, _kinds
from contracts.upcasting import Body, lifted, newest_of, upcaster, with_older

V1, V2, V3 = (f"test.guest-greeted.v{number}" for number in (1, 2, 3))
OF_V1 = b'{"kind": "test.guest-greeted.v1", "name": "Ada Byron", "added_later": 1}'


@pytest.fixture(autouse=True)
def greeted(monkeypatch: pytest.MonkeyPatch) -> type[Event]:
    """A message in its third version: v1 had one name, v2 has two, v3 says in which language."""
    monkeypatch.setattr(Message, "kinds", dict(Message.kinds))
    monkeypatch.setattr(upcasting, "_STEPS", dict(upcasting._STEPS))

    class GuestGreeted(Event):
        kind: Literal["test.guest-greeted.v3"] = "test.guest-greeted.v3"
        given_name: str
        family_name: str
        language: str

    @upcaster(V1, V2)
    def with_two_names(body: Body) -> Body:
        given_name, _, family_name = body.pop("name").partition(" ")
        return {**body, "given_name": given_name, "family_name": family_name}

    @upcaster(V2, V3)
    def with_a_language(body: Body) -> Body:
        return {**body, "language": "en"}

    return GuestGreeted


def test_a_message_of_the_first_version_is_read_as_the_newest(greeted: type[Event]) -> None:
    assert parse(V1, OF_V1) == greeted.model_validate(
        {"given_name": "Ada", "family_name": "Byron", "language": "en"},
    )


def test_a_message_in_between_is_lifted_from_there(greeted: type[Event]) -> None:
    message = parse(V2, json.dumps({"kind": V2, "given_name": "Ada", "family_name": "Byron"}).encode())

    assert message == parse(V1, OF_V1)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"{", b"null", b'{"name": 7}', b"\xff", b"[" * 100_000], ids=repr)
def test_an_old_body_that_cannot_be_lifted_is_malformed_and_not_repeated(body: bytes) -> None:
    with pytest.raises(MalformedMessageError, match=rf"{V1}: it cannot be upcast to {V3}"):
        parse(V1, body)


def test_a_version_beyond_all_known_ones_is_newer() -> None:
    with pytest.raises(NewerKindError):
        parse("test.guest-greeted.v4", b"{}")


def test_an_old_version_stays_bound() -> None:
    greeted = Message.kinds[V3]

    assert _kinds(EVENTS, greeted) == tuple(Binding("events", kind) for kind in (V3, V2, V1))


def test_a_stored_message_of_an_old_version_is_sent_as_it_was_stored() -> None:
    left_out = dict.fromkeys(("causation_id", "traceparent", "to"))

    envelope = Envelope.from_document(
        {"id": "ord_1.1.0", "kind": V1, "body": OF_V1.decode(), "correlation_id": "c-1", **left_out}
    )

    assert (envelope.kind, envelope.exchange, envelope.message.to_wire()) == (V1, "events", OF_V1)


def test_versions_are_followed_to_the_newest() -> None:
    assert newest_of(V1) == newest_of(V3) == V3
    assert with_older(V3) == (V3, V2, V1)
    assert lifted(V3, {"kind": V3}) == {"kind": V3}


@pytest.mark.parametrize(("old", "new"), [(V1, V3), (V3, V1), (V3, V3)])
def test_a_second_way_up_or_a_circle_is_refused(old: str, new: str) -> None:
    with pytest.raises(ValueError, match="never end"):
        upcaster(old, new)(dict)
