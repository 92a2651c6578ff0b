"""Content headers as strangers write them: whatever the bytes, decoding ends, with the body's size and a reason."""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aio_pika.message import IncomingMessage
from aiormq.abc import DeliveredMessage
from hypothesis import example, given
from hypothesis import strategies as st
from pamqp import commands, decode, frame, header

from chassis.messaging.amqp_decoding import MAX_DEPTH, Undecoded, UndecodedHeaders, install

MICROSECONDS = struct.pack(">Q", 1_772_000_000_000_000)
BEFORE_1970 = struct.pack(">q", -1)
NOW = datetime(2026, 11, 25, 16, 0, tzinfo=UTC)
AS_PAMQP_HAS_IT = header.ContentHeader.unmarshal


@pytest.fixture(autouse=True)
def _installed() -> Iterator[None]:
    before = header.ContentHeader.unmarshal, decode.METHODS["shortstr"]
    install()
    yield
    header.ContentHeader.unmarshal, decode.METHODS["shortstr"] = before  # type: ignore[method-assign]


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def table(*entries: tuple[bytes, bytes]) -> bytes:
    content = b"".join(short(name) + value for name, value in entries)
    return struct.pack(">I", len(content)) + content


def payload(flags: int, properties: bytes, body_size: int = 2) -> bytes:
    return struct.pack(">HHQH", 60, 0, body_size, flags) + properties


def decoded(data: bytes) -> header.ContentHeader:
    found = header.ContentHeader()
    found.unmarshal(data)
    return found


def delivered(data: bytes) -> IncomingMessage:
    """As aio-pika hands it to a consumer."""
    delivery = commands.Basic.Deliver(consumer_tag="c", delivery_tag=7, exchange="commands", routing_key="k")
    return IncomingMessage(DeliveredMessage(delivery=delivery, header=decoded(data), body=b"{}", channel=None))  # type: ignore[arg-type]


HEADERS, TIMESTAMP, MESSAGE_ID, EXPIRATION, DELIVERY_MODE = 0x2000, 0x0040, 0x0080, 0x0100, 0x1000


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (payload(TIMESTAMP, MICROSECONDS), "timestamp: "),
        (payload(TIMESTAMP, BEFORE_1970), "timestamp: "),
        (payload(HEADERS, table((b"when", b"T" + MICROSECONDS))), "header when: "),
        (payload(HEADERS, table((b"Stra\xdfe", b"S\0\0\0\1x"))), r"header name Stra\xdfe: "),
        (payload(HEADERS, table((b"odd", b"?what"))), "header odd: unknown type b'?'"),
        (payload(HEADERS, struct.pack(">I", 99) + b"\3abc"), "headers: 99 bytes are announced and 4 are left"),
        (payload(MESSAGE_ID, short(b"\xff")), "message_id: "),
        (payload(MESSAGE_ID, b"\xffabc"), "message_id: 255 bytes are announced and 3 are left"),
        (payload(EXPIRATION, short(b"soon")), "expiration: could not convert string to float"),
        (payload(DELIVERY_MODE, b"\x09"), "delivery_mode: 9 is not a delivery mode"),
    ],
)
def test_what_the_client_library_cannot_decode_arrives_with_its_reason(data: bytes, reason: str) -> None:
    message = delivered(data)

    assert isinstance(message.headers, UndecodedHeaders)
    assert message.headers.reasons[0].startswith(reason)
    assert message.headers.raw == data[12:]
    assert (message.body, message.delivery_tag) == (b"{}", 7)


def test_what_stands_beside_it_is_decoded() -> None:
    entries = table((b"when", b"T" + MICROSECONDS), (b"attempt", b"l" + struct.pack(">q", 3)))

    message = delivered(payload(HEADERS | MESSAGE_ID, entries + short(b"m-1")))

    assert message.headers["attempt"] == 3
    assert message.headers["when"] == Undecoded(MICROSECONDS, "year 58122 is out of range")
    assert message.message_id == "m-1"


def test_a_routing_key_that_is_not_utf_8_is_written_as_escapes() -> None:
    delivery = (
        struct.pack(">I", 0x003C003C) + short(b"c") + struct.pack(">QB", 1, 0) + short(b"events") + short(b"\xff")
    )

    _, _, method = frame.unmarshal(struct.pack(">BHI", 1, 1, len(delivery)) + delivery + b"\xce")

    assert isinstance(method, commands.Basic.Deliver)
    assert method.routing_key == r"\xff"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(max_size=20)
    | st.floats(allow_nan=False, width=32),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@given(
    headers=st.dictionaries(st.text(max_size=20), values, max_size=6),
    message_id=st.text(min_size=1, max_size=60),
    expiration=st.none() | st.integers(0, 10**6).map(str),
)
def test_what_the_client_library_can_decode_is_decoded_as_it_does(
    headers: dict[str, Any], message_id: str, expiration: str | None
) -> None:
    properties = commands.Basic.Properties(
        headers=headers, message_id=message_id, expiration=expiration, timestamp=NOW, delivery_mode=2
    )
    data = frame.marshal(header.ContentHeader(body_size=5, properties=properties), 1)[7:-1]
    as_before = header.ContentHeader()
    AS_PAMQP_HAS_IT(as_before, data)

    ours = decoded(data)

    assert ours.properties == as_before.properties
    assert (ours.weight, ours.body_size) == (0, 5)


nested = st.recursive(
    st.binary(max_size=12).map(lambda raw: b"S" + struct.pack(">I", len(raw)) + raw)
    | st.binary(min_size=1, max_size=12)
    | st.binary(min_size=8, max_size=8).map(lambda raw: b"T" + raw),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: b"A" + struct.pack(">I", len(b"".join(items))) + b"".join(items))
        | st.lists(st.tuples(st.binary(max_size=8), inner), max_size=4).map(lambda items: b"F" + table(*items))
    ),
    max_leaves=10,
)


@given(st.binary(max_size=300))
@example(b"")
@example(b"\0" * 11)
@example(payload(0xFFFF, b"\xff" * 80))
def test_random_bytes_are_decoded_to_something_and_a_message_can_be_made_of_them(data: bytes) -> None:
    message = delivered(data)

    assert message.body == b"{}"


@given(st.lists(st.tuples(st.binary(max_size=10), nested), max_size=5), st.binary(max_size=20))
def test_nested_tables_of_random_bytes_are_decoded_to_something(
    entries: list[tuple[bytes, bytes]], rest: bytes
) -> None:
    message = delivered(payload(HEADERS | MESSAGE_ID, table(*entries) + rest))

    assert isinstance(message.headers, dict)


@pytest.mark.parametrize("kind", [b"A", b"F"])
def test_deep_nesting_is_cut_and_named(kind: bytes) -> None:
    value = b"V"
    for _ in range(2000):
        inner = value if kind == b"A" else short(b"n") + value
        value = kind + struct.pack(">I", len(inner)) + inner

    message = delivered(payload(HEADERS, table((b"deep", value))))

    assert isinstance(message.headers, UndecodedHeaders)
    assert message.headers.reasons[0].endswith(f"nested deeper than {MAX_DEPTH} levels")


@pytest.mark.parametrize(
    ("content", "entries"),
    [
        (table(*[(f"{n:x}".encode(), b"V") for n in range(20_000)]), 20_000),
        (table(*[(f"{n:x}".encode(), b"T" + MICROSECONDS) for n in range(9_000)]), 9_000),
        (table((b"l", b"A" + struct.pack(">I", 130_000) + b"V" * 130_000)), 1),
    ],
    ids=["many entries", "many that cannot be decoded", "a long list"],
)
def test_a_full_frame_is_decoded_whole_with_a_few_reasons(content: bytes, entries: int) -> None:
    message = delivered(payload(HEADERS, content))

    assert len(message.headers) == entries
    assert len(getattr(message.headers, "reasons", ())) <= 10
