"""Dead letters of any bytes: the operator's tools list, show, edit, replay and delete them, and those beside them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.examples import sample
from tests.support.operator import Operator
from tests.support.operators_page import Page, page_of, running
from tests.support.raw_amqp import MICROSECONDS, array, long, publish_raw, short, table
from tests.support.waiting import until

PLACE = sample("orders.place-order.v1")
OURS = (("origin_queue", long("extras.commands")), ("error_type", long("Oops")), ("error", long("it was odd")))
DEEP = b"V"
for _ in range(300):
    DEEP = array(DEEP)
LETTERS: dict[str, dict[str, bytes]] = {
    "NUL in a header's name": {"headers": table(*OURS, ("a\0b", long("1")))},
    "a time in microseconds": {"timestamp": MICROSECONDS},
    "a header with a time in microseconds": {"headers": table(*OURS, ("when", b"T" + MICROSECONDS))},
    "a name that is not UTF-8": {"headers": table((b"Stra\xdfe", long("x")))},
    "bytes and floats in headers": {"headers": table(("b", long(b"\xff")), ("f", b"d\x7f\xef" + b"\xff" * 6))},
    "deep nesting in a header": {"headers": table(*OURS, ("deep", DEEP))},
    "deep nesting in the body": {"body": b"[" * 20_000},
    "half a character in the body": {"body": rb'{"note": "\ud800", "number": NaN, "big": 1' + b"0" * 400 + b"}"},
    "markup in its kind": {"type": short("[/bold] [red]")},
    "no properties at all": {"body": b"\xff\x00"},
    "as large as RabbitMQ 4 takes": {"body": b'{"x": "' + b"y" * 16_700_000 + b'"}'},
    "an id of 255 bytes": {"message_id": short("m" * 255)},
}


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system())


async def park_raw(operator: Operator, letter: dict[str, bytes]) -> None:
    body = letter.get("body", PLACE.to_wire())
    properties = {name: value for name, value in letter.items() if name != "body"}
    assert await publish_raw(operator.system.setup.amqp_url, "dead", "extras.dead", body, **properties)


async def test_letters_of_any_bytes_are_listed_shown_replayed_and_deleted(operator: Operator) -> None:
    for letter in LETTERS.values():
        await park_raw(operator, letter)
    await operator.park(b"{", PLACE.kind, "extras.commands", "m-after-all-of-them")

    listed = await operator.json("dead", "list", code=1)
    people = await operator.runs("dead", "list", code=1)

    assert len(listed) == len(LETTERS) + 1
    assert await operator.system.depth("extras.dead") == 0
    assert "[/bold] [red]" in people.said
    for letter in listed:
        shown = await operator.json("dead", "show", letter["letter_id"])
        assert shown["letter_id"] == letter["letter_id"]
        await operator.runs("dead", "show", letter["letter_id"])
    await operator.runs("queues", code=1)
    await operator.runs("dead", "replay", code=3)
    replayed = await operator.json(
        "dead", "replay", "--why", "a test", "--yes", "--stop-after", "99", "--rate", "50", code=None
    )
    assert replayed["left"] == 0
    await operator.runs("dead", "discard", "--since", "100d", "--why", "a test", "--yes", code=None)
    await operator.runs("dead", "empty", "--why", "a test", "--yes")
    await operator.runs("audit-log")
    assert await operator.json("dead", "list") == []


async def test_the_operators_page_shows_letters_of_any_bytes(operator: Operator) -> None:
    for letter in LETTERS.values():
        await park_raw(operator, letter)

    async with running(page_of(operator.system)) as http:
        page = Page(http)
        listed = await page.get("/dead")
        assert listed["count"] == len(LETTERS)
        for letter in listed["letters"]:
            assert (await page.get(f"/dead/{letter['letter_id']}"))["letter_id"] == letter["letter_id"]
        assert (await page.get("/queues"))["queues"]
        assert "messages" in await page.get("/log")


async def test_the_reason_and_the_bytes_of_what_cannot_be_decoded_are_shown(operator: Operator) -> None:
    await park_raw(operator, LETTERS["a time in microseconds"])

    (letter,) = await operator.json("dead", "list", code=1)
    shown = await operator.json("dead", "show", letter["letter_id"])

    assert letter["error_type"] == "UndecodableMessageError"
    assert "timestamp: " in letter["error"]
    assert shown["message"]["headers"]["undecoded"]


async def test_a_large_body_is_kept_whole_and_goes_with_its_letter(operator: Operator) -> None:
    body = PLACE.to_wire()[:-1] + b', "added": "' + b"z" * 16_700_000 + b'"}'
    kind, headers = short(PLACE.kind), table(*OURS)
    assert await publish_raw(
        operator.system.setup.amqp_url,
        "dead",
        "extras.dead",
        body,
        type=kind,
        headers=headers,
        message_id=short("large"),
    )

    (letter,) = await operator.json("dead", "list", code=1)
    replayed = await operator.json("dead", "replay", "--why", "a test", "--yes")
    order_id = json.loads(PLACE.to_wire())["order_id"]

    assert replayed["sent"] == 1
    await until(lambda: _handled(operator), "the command in the large body is handled")
    assert await operator.system.depth("extras.dead") == 0
    pieces = operator.system.documents["large_bodies"]
    assert await pieces.count_documents({}) == 4
    await operator.system.documents["dead_letters"].update_many({}, {"$set": {"stage": "discarded"}})
    await operator.runs("dead", "empty", "--why", "a test", "--yes")
    assert await pieces.count_documents({}) == 0
    assert letter["order_id"] == order_id


async def test_a_letter_with_the_longest_id_is_edited_and_replayed(operator: Operator) -> None:
    body = PLACE.to_wire().replace(b'"quantity":', b'"quantity":"many","was":', 1)
    letter = {"message_id": short("m" * 255), "type": short(PLACE.kind), "headers": table(*OURS), "body": body}
    await park_raw(operator, letter)
    (listed,) = await operator.json("dead", "list", code=1)

    fresh = await operator.json("dead", "edit", listed["letter_id"], "--set", "lines.0.quantity=1", "--why", "typo")
    replayed = await operator.json("dead", "replay", fresh["letter_id"], "--why", "a test", "--yes")

    assert len(fresh["message_id"]) <= 255
    assert fresh["message_id"].startswith("m" * 200)
    assert replayed["sent"] == 1


async def test_a_letter_without_any_time_is_found_by_when_it_was_taken_in(operator: Operator) -> None:
    await park_raw(operator, {"type": short(PLACE.kind), "body": b"{"})

    assert len(await operator.json("dead", "list", "--since", "1h", code=1)) == 1
    assert await operator.json("dead", "list", "--until", "1h") == []
    await operator.runs("dead", "discard", "--since", "100d", "--why", "all of them", "--yes")
    assert await operator.json("dead", "list") == []


async def test_the_log_is_read_past_what_cannot_be_decoded(operator: Operator) -> None:
    url = operator.system.setup.amqp_url
    assert await publish_raw(url, "copies", b"failures.caf\xe9", type=short("psp.psp-payment-failed.v1"))
    assert await publish_raw(
        url, "copies", "failures.any", headers=table(("when", b"T" + MICROSECONDS)), type=short("any")
    )
    assert await publish_raw(url, "copies", "failures.any", type=short("the last one"))

    found = await operator.runs("log", "find")

    assert "the last one" in found.said
    assert "UndecodableMessageError" in found.said


async def _handled(operator: Operator) -> bool:
    """Whatever became of it: its day may have passed."""
    return await operator.system.counted("extras_service", "bellhop_messages_handled", kind=PLACE.kind) >= 1
