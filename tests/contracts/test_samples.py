"""Old messages parse for ever: every kind has a stored sample, and the contract still reads and writes it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from contracts.message import MalformedMessageError, Message, UnknownKindError, parse
from tests.support.examples import FILES, OF_CONTRACTS, kind_of, raw

every_sample = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def _parse(kind: str, values: Mapping[str, Any]) -> Message:
    return parse(kind, json.dumps(values).encode())


def _required() -> list[tuple[Path, str]]:
    return [
        (file, name)
        for file in FILES
        for name, field in Message.kinds[kind_of(file)].model_fields.items()
        if field.is_required()
    ]


@pytest.mark.parametrize("kind", sorted(OF_CONTRACTS))
def test_every_kind_has_a_sample(kind: str) -> None:
    assert kind in {kind_of(file) for file in FILES}


@every_sample
def test_a_sample_parses_as_what_its_file_is_named(file: Path) -> None:
    kind = kind_of(file)

    message = parse(kind, file.read_bytes())

    assert type(message) is Message.kinds[kind]
    assert message.kind == kind


@every_sample
def test_a_sample_written_again_keeps_all_its_values(file: Path) -> None:
    written = json.loads(parse(kind_of(file), file.read_bytes()).to_wire())

    assert _kept(raw(file), written)
    assert parse(kind_of(file), json.dumps(written).encode()) == parse(kind_of(file), file.read_bytes())


@pytest.mark.parametrize("file", [file for file in FILES if "~" not in file.name], ids=lambda file: file.stem)
def test_a_sample_of_today_shows_every_field_its_message_has(file: Path) -> None:
    assert set(raw(file)) == set(Message.kinds[kind_of(file)].model_fields)


@every_sample
def test_fields_a_newer_sender_adds_are_tolerated(file: Path) -> None:
    message = _parse(kind_of(file), {**raw(file), "added_in_v2": {"deep": [1, 2]}})

    assert message == parse(kind_of(file), file.read_bytes())


@pytest.mark.parametrize(("file", "name"), _required(), ids=str)
def test_a_missing_required_field_is_named(file: Path, name: str) -> None:
    values = {key: value for key, value in raw(file).items() if key != name}

    with pytest.raises(MalformedMessageError, match=rf": {name}: ") as raised:
        _parse(kind_of(file), values)

    assert raised.value.kind == kind_of(file)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe"], ids=repr)
def test_a_body_that_is_no_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedMessageError, match=r"orders\.place-order\.v1: body"):
        parse("orders.place-order.v1", body)


def test_a_body_of_another_kind_is_malformed() -> None:
    file = next(file for file in FILES if kind_of(file) == "payments.payment-processing.v1")

    with pytest.raises(MalformedMessageError, match="kind"):
        parse("payments.payment-session-closed.v1", file.read_bytes())


@pytest.mark.parametrize("kind", ["", "orders.place-order", "orders.place-order.v9", "Orders.Place-Order.v1"])
def test_a_kind_no_contract_knows_is_unknown(kind: str) -> None:
    with pytest.raises(UnknownKindError) as raised:
        parse(kind, b"{}")

    assert raised.value.kind == kind


def test_a_malformed_message_does_not_repeat_what_was_in_it() -> None:
    with pytest.raises(MalformedMessageError) as raised:
        _parse("payments.payment-session-created.v1", {"sealed_client_secret": ["hush"]})

    assert "hush" not in str(raised.value)


def _kept(stored: Any, written: Any) -> bool:
    """Whether everything stored is in what was written; what was written may say more."""
    match stored, written:
        case dict(), dict():
            return all(key in written and _kept(value, written[key]) for key, value in stored.items())
        case list(), list():
            return len(stored) == len(written) and all(map(_kept, stored, written))
        case _:
            return bool(stored == written)
