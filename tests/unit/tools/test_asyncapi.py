"""The AsyncAPI document of the bus: valid, complete, and what the messages really look like."""

import json
from collections import Counter
from typing import Any

import jsonschema_rs
import pytest
from asyncapi3 import AsyncAPI3  # type: ignore[import-untyped]

from contracts.message import Message, Reply
from contracts.topology import QUEUES
from tests.support.examples import FILES, kind_of
from tools.asyncapi import FILE, document, key, kinds, text

DOCUMENT = document()


def operations(**wanted: Any) -> set[str]:
    return {
        name
        for name, it in DOCUMENT["operations"].items()
        if all(it.get(field) == value for field, value in wanted.items())
    }


def test_it_is_a_valid_document_of_asyncapi_3() -> None:
    AsyncAPI3.model_validate_json(text())


def test_the_stored_one_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run `python -m tools.asyncapi --write`"


def test_every_reference_leads_somewhere() -> None:
    def references(value: Any) -> list[str]:
        match value:
            case {"$ref": str(target)}:
                return [target]
            case dict():
                return [found for inner in value.values() for found in references(inner)]
            case list():
                return [found for inner in value for found in references(inner)]
        return []

    for reference in set(references(DOCUMENT)):
        place: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_every_kind_is_a_message_and_every_queue_a_channel() -> None:
    names = {message["name"] for message in DOCUMENT["components"]["messages"].values()}

    assert names == {kind for kind, _ in kinds(Message)}
    assert {key(queue.name) for queue in QUEUES} <= set(DOCUMENT["channels"])


def test_every_kind_has_one_sender() -> None:
    sent = [
        operation["channel"]["$ref"] for operation in DOCUMENT["operations"].values() if operation["action"] == "send"
    ]
    channels = {
        f"#/channels/{name}"
        for name, it in DOCUMENT["channels"].items()
        if it["bindings"]["amqp"]["is"] == "routingKey"
    }

    assert {name for name, senders in Counter(sent).items() if senders > 1} == {
        "#/channels/replies",
        "#/channels/queries-mail-describe-order-v1",  # for e-mail, and for webhooks
    }
    assert set(sent) == channels


def test_every_requester_of_the_extras_service_awaits_a_reply() -> None:
    asking = {name for name, it in DOCUMENT["operations"].items() if "reply" in it}

    assert "gateway-sends-orders-place-order-v1" in asking
    assert "gateway-sends-orders-get-order-v1" in asking
    assert {name for name in asking if not name.startswith("gateway-sends-")} == {
        "notifications-sends-mail-describe-order-v1",
        "webhooks-sends-mail-describe-order-v1",
        "bellhop-sends-orders-erase-order-v1",
    }


def test_replies_have_no_address_of_their_own() -> None:
    replies = DOCUMENT["channels"]["replies"]

    assert replies["address"] is None
    assert set(replies["messages"]) == {key(kind) for kind, _ in kinds(Reply)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_stored_message_is_as_the_document_says(file: Any) -> None:
    sample = json.loads(file.read_text(encoding="utf-8"))
    payload = DOCUMENT["components"]["messages"][key(kind_of(file))]["payload"]

    validator = jsonschema_rs.validator_for(payload | {"components": DOCUMENT["components"]})

    assert [error.message for error in validator.iter_errors(sample)] == []
