"""Decodes AMQP frames without ever failing, whatever a sender wrote into them.

pamqp decodes frames in the connection's reader; an exception there ends the connection, and with it every delivery in
hand. With `install`, what pamqp cannot decode (a timestamp out of range, a name that is not UTF-8, a truncated table)
becomes a value that says so. The body and the delivery tag still arrive, and the consumer settles the message.

Its time and memory are linear in the size of the frame; pamqp's own copies the rest of a table for each entry.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pamqp import commands, decode, header

MAX_DEPTH = 32
"""Tables and lists within each other. The document store takes 100 levels."""
_MAX_REASONS = 10

_SIZES = {
    b"t": 1, b"b": 1, b"B": 1, b"s": 2, b"u": 2, b"I": 4, b"i": 4, b"l": 8, b"L": 8,
    b"f": 4, b"d": 8, b"D": 5, b"T": 8, b"V": 0, b"\0": 0,
}  # fmt: skip
_WITH_LENGTH = (b"S", b"x", b"A", b"F")
_DELIVERY_MODES = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Undecoded:
    """A header value that could not be decoded: its bytes and the reason."""

    raw: bytes
    reason: str


class UndecodedHeaders(dict[str, Any]):
    """Headers of a message that could be decoded only in part, with the reasons and all bytes."""

    def __init__(self, headers: dict[str, Any], raw: bytes, reasons: tuple[str, ...]) -> None:
        super().__init__(headers)
        self.raw = raw
        """The raw properties, headers included."""
        self.reasons = reasons

    def __bool__(self) -> bool:
        return True  # aio-pika replaces headers that are false


def install() -> None:
    """Decode content headers and names in this process so that nothing a sender writes ends a connection."""
    header.ContentHeader.unmarshal = _unmarshal  # type: ignore[method-assign, assignment]
    decode.METHODS["shortstr"] = _name  # exchange and routing key of a delivery


def _unmarshal(frame: header.ContentHeader, data: bytes) -> None:
    """In place of `ContentHeader.unmarshal`: fills in the frame, whatever the data."""
    frame.class_id, frame.weight, frame.body_size = struct.unpack(">HHQ", data[:12].ljust(12, b"\0"))
    reasons: list[str] = []
    try:
        properties = _properties(_Bytes(data[12:]), reasons)
    except Exception as error:  # a mistake in this file must not end the connection either
        properties = {}
        reasons.append(repr(error))
    if reasons:
        headers = properties.get("headers") or {}
        properties["headers"] = UndecodedHeaders(headers, bytes(data[12:]), tuple(reasons[:_MAX_REASONS]))
    for name, value in properties.items():
        setattr(frame.properties, name, value)


def _name(value: bytes) -> tuple[int, str]:
    """In place of pamqp's decoder of short strings within methods: bytes that are not UTF-8 are written as escapes."""
    length = value[0]
    return length + 1, value[1 : length + 1].decode(errors="backslashreplace")


class _TruncatedError(Exception):
    """The data ends before the value does."""


class _Bytes:
    """Reads bytes from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise _TruncatedError(f"{size} bytes are announced and {self.left} are left")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, layout: str) -> int:
        return int(struct.unpack(layout, self.take(struct.calcsize(layout)))[0])


def _properties(data: _Bytes, reasons: list[str]) -> dict[str, Any]:
    """The properties that can be decoded; for each other one a reason is added."""
    found: dict[str, Any] = {}
    name = "properties"
    try:
        first = flags = data.number(">H")
        while flags & 1:  # more words of flags: for properties that AMQP 0-9-1 does not have
            flags = data.number(">H")
        for name, flag in commands.Basic.Properties.flags.items():
            if first & flag:
                value = _property(name, data, reasons)
                if value is not None:
                    found[name] = value
    except _TruncatedError as error:
        reasons.append(f"{name}: {error}")
    return found


def _property(name: str, data: _Bytes, reasons: list[str]) -> Any:
    match commands.Basic.Properties.amqp_type(name):
        case "table":
            return _table(_Bytes(data.take(data.number(">I"))), reasons, depth=1)
        case "octet":
            value = data.number("B")
            usable = name != "delivery_mode" or value in _DELIVERY_MODES
            return value if usable else _refused(name, f"{value} is not a delivery mode", reasons)
        case "timestamp":
            return _decoded(name, lambda raw: decode.timestamp(raw)[1], data.take(8), reasons, default=None)
        case _:
            readable = _expiration if name == "expiration" else bytes.decode
            return _decoded(name, readable, data.take(data.number("B")), reasons, default=None)


def _expiration(raw: bytes) -> str:
    float(text := raw.decode())  # aio-pika computes with it
    return text


def _table(data: _Bytes, reasons: list[str], depth: int) -> dict[str, Any]:
    table: dict[str, Any] = {}
    try:
        while data.left:
            raw = data.take(data.number("B"))
            name = raw.decode(errors="backslashreplace")
            _decoded(f"header name {name}", bytes.decode, raw, reasons, default=None)
            table[name] = None
            table[name] = _value(name, data, reasons, depth)
    except _TruncatedError as error:
        reasons.append(f"headers: {error}")
    return table


def _list(name: str, data: _Bytes, reasons: list[str], depth: int) -> list[Any]:
    items: list[Any] = []
    try:
        while data.left:
            items.append(_value(name, data, reasons, depth))
    except _TruncatedError as error:
        reasons.append(f"header {name}: {error}")
    return items


def _value(name: str, data: _Bytes, reasons: list[str], depth: int) -> Any:
    kind = data.take(1)
    if kind in _WITH_LENGTH:
        size = data.number(">I")
        raw = data.take(size)
        if kind in (b"A", b"F") and depth >= MAX_DEPTH:
            reason = f"nested deeper than {MAX_DEPTH} levels"
            return _refused(f"header {name}", reason, reasons, Undecoded(raw, reason))
        if kind == b"A":
            return _list(name, _Bytes(raw), reasons, depth + 1)
        if kind == b"F":
            return _table(_Bytes(raw), reasons, depth + 1)
        raw = struct.pack(">I", size) + raw
    elif kind in _SIZES:
        raw = data.take(_SIZES[kind])
    else:
        # The size of such a value is unknown, so nothing after it can be read either.
        raw = data.take(data.left)
        reason = f"unknown type {kind!r}"
        return _refused(f"header {name}", reason, reasons, Undecoded(raw, reason))
    return _decoded(f"header {name}", lambda value: decode.TABLE_MAPPING[kind](value)[1], raw, reasons)


_KEEP_RAW = object()


def _decoded(
    name: str, decoder: Callable[[bytes], Any], raw: bytes, reasons: list[str], default: object = _KEEP_RAW
) -> Any:
    """The value, or `default` and a reason; without a default, the bytes with the reason."""
    try:
        return decoder(raw)
    except Exception as error:  # ValueError, OverflowError, OSError, decimal's: all mean the same here
        reason = f"{error}"[:200] or type(error).__name__
        return _refused(name, reason, reasons, Undecoded(raw, reason) if default is _KEEP_RAW else default)


def _refused(name: str, reason: str, reasons: list[str], value: Any = None) -> Any:
    if len(reasons) < _MAX_REASONS:
        reasons.append(f"{name[:100]}: {reason}")
    return value
