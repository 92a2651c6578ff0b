"""Publishes messages byte by byte, as a client library of another language might, or an attacker."""

import asyncio
import socket
import struct
from types import TracebackType
from typing import Self

from pamqp import commands, frame
from pamqp.base import Frame

from chassis.messaging.broker_address import BrokerAddress

MICROSECONDS = struct.pack(">Q", 1_772_000_000_000_000)
"""A time in microseconds where AMQP has seconds: far out of a clock's range."""


def short(text: bytes | str) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return bytes([len(raw)]) + raw


def long(text: bytes | str) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return b"S" + struct.pack(">I", len(raw)) + raw


def table(*entries: tuple[bytes | str, bytes]) -> bytes:
    content = b"".join(short(name) + value for name, value in entries)
    return struct.pack(">I", len(content)) + content


def array(*values: bytes) -> bytes:
    content = b"".join(values)
    return b"A" + struct.pack(">I", len(content)) + content


async def publish_raw(
    url: str, exchange: str, routing_key: bytes | str, body: bytes = b"{}", **properties: bytes | int
) -> bool:
    """Publish one persistent message; each property is its encoded bytes. Whether the broker has confirmed it."""

    def send() -> bool:
        with _Connection(url) as connection:
            return connection.publish(exchange, routing_key, body, {"delivery_mode": 2, **properties})

    return await asyncio.to_thread(send)


class _Connection:
    """One channel with confirms."""

    def __init__(self, url: str) -> None:
        address = BrokerAddress(url)
        self._socket = socket.create_connection((address.host, address.port), 20)
        self._read = b""
        self._socket.sendall(b"AMQP\x00\x00\x09\x01")
        self._next()
        login = f"\0{address.login}\0{address.password}"
        self._send(0, commands.Connection.StartOk({}, "PLAIN", login, "en_US"))
        tune = self._next()
        assert isinstance(tune, commands.Connection.Tune)
        self._send(0, commands.Connection.TuneOk(tune.channel_max, tune.frame_max, 0))
        self._send(0, commands.Connection.Open(address.vhost))
        self._next()
        for request in (commands.Channel.Open(), commands.Confirm.Select()):
            self._send(1, request)
            self._next()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def publish(self, exchange: str, key: bytes | str, body: bytes, properties: dict[str, bytes | int]) -> bool:
        flags, encoded = 0, b""
        for name, flag in commands.Basic.Properties.flags.items():
            value = properties.get("type" if name == "message_type" else name)
            if value is not None:
                flags |= flag
                encoded += bytes([value]) if isinstance(value, int) else value
        payload = struct.pack(">HHQH", 60, 0, len(body), flags) + encoded
        self._frame(1, struct.pack(">IH", commands.Basic.Publish.index, 0) + short(exchange) + short(key) + b"\0")
        self._frame(2, payload)
        for start in range(0, len(body), 100_000):
            self._frame(3, body[start : start + 100_000])
        return isinstance(self._next(), commands.Basic.Ack)

    def _send(self, channel: int, method: Frame) -> None:
        self._socket.sendall(frame.marshal(method, channel))

    def _frame(self, kind: int, payload: bytes) -> None:
        self._socket.sendall(struct.pack(">BHI", kind, 1, len(payload)) + payload + b"\xce")

    def _next(self) -> object:
        while True:
            kind, _, size = frame.frame_parts(self._read)
            if kind and size is not None and len(self._read) >= size + 8:
                found = frame.unmarshal(self._read)
                self._read = self._read[found[0] :]
                return found[2]
            received = self._socket.recv(65536)
            if not received:
                raise ConnectionError("the broker has closed the connection")
            self._read += received
