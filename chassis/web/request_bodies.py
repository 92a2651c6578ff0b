"""Reads request bodies, bounded per address and by their bytes in total.

A limit on the number of readers would let 256 slow senders shut out everyone. Here the body that has been read for the
longest time is dropped: a genuine sender needs milliseconds, so it is never affected.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from starlette.types import Receive, Scope

from chassis.web.client_addresses import network_of

PER_ADDRESS = 128
"""Bodies of one address (IPv6: one /64) read at once."""

MOST_BYTES = 64 * 1024 * 1024
"""Memory of all bodies being read, with `READER_BYTES` for each."""

READER_BYTES = 16 * 1024
"""Memory of a connection and its task: 4096 bodies of a few bytes can be read at once."""

_DIGITS = 12
"""Digits of a content length: longer ones are invalid, and Python is slow to parse thousands of digits."""


class Refused(StrEnum):
    TOO_LARGE = "the body is too large"
    TOO_SLOW = "the body took too long"
    CROWDED_OUT = "the body was dropped in favour of newer ones"
    HUNG_UP = "the sender hung up"


class BodyRefusedError(Exception):
    """A body was not read to its end."""

    def __init__(self, why: Refused) -> None:
        self.why = why
        super().__init__(why)


@dataclass(eq=False, slots=True)
class _Reader:
    address: str
    deadline: asyncio.Timeout
    held: int = READER_BYTES
    gave_way: bool = False


@dataclass(slots=True)
class BodyReaders:
    """The bodies that one process is reading."""

    per_address: int = PER_ADDRESS
    most_bytes: int = MOST_BYTES
    held: int = field(default=0, init=False)
    _readers: dict[_Reader, None] = field(default_factory=dict, init=False)
    _of_address: dict[str, dict[_Reader, None]] = field(default_factory=dict, init=False)
    """Dictionaries, since they are ordered: the oldest reader comes first."""

    async def read(self, scope: Scope, receive: Receive, longest: int, until: float) -> bytes:
        """Read a whole body of at most `longest` bytes by `until` (the loop's clock).

        Raises BodyRefusedError. Never holds more than that in memory, whatever the headers claim.
        """
        _check_announced(scope, longest)
        client = scope.get("client")
        try:
            async with asyncio.timeout_at(until) as deadline:
                with self._reader(_Reader(network_of(client[0] if client else ""), deadline)) as reader:
                    return await self._body(reader, receive, longest)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise BodyRefusedError(Refused.CROWDED_OUT if reader.gave_way else Refused.TOO_SLOW) from None

    async def _body(self, reader: _Reader, receive: Receive, longest: int) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BodyRefusedError(Refused.HUNG_UP)
            chunk = message.get("body", b"")
            if len(body) + len(chunk) > longest:
                raise BodyRefusedError(Refused.TOO_LARGE)
            body += chunk
            if not message.get("more_body", False):
                return bytes(body)
            if not reader.gave_way:
                reader.held += len(chunk)
                self.held += len(chunk)
                self._make_room()
            if reader.gave_way:
                raise BodyRefusedError(Refused.CROWDED_OUT)

    @contextmanager
    def _reader(self, reader: _Reader) -> Iterator[_Reader]:
        others = self._of_address.setdefault(reader.address, {})
        others[reader] = self._readers[reader] = None
        self.held += reader.held
        if len(others) > self.per_address:
            self._give_way(next(iter(others)))
        self._make_room()
        try:
            yield reader
        finally:
            self._forget(reader)

    def _make_room(self) -> None:
        while self.held > self.most_bytes:
            self._give_way(next(iter(self._readers)))

    def _give_way(self, reader: _Reader) -> None:
        self._forget(reader)
        reader.gave_way = True
        if not reader.deadline.expired():
            reader.deadline.reschedule(0)

    def _forget(self, reader: _Reader) -> None:
        if reader in self._readers:
            del self._readers[reader]
            self.held -= reader.held
            others = self._of_address[reader.address]
            del others[reader]
            if not others:
                del self._of_address[reader.address]


def _check_announced(scope: Scope, longest: int) -> None:
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if announced.isdigit() and (len(announced) > _DIGITS or int(announced) > longest):
        raise BodyRefusedError(Refused.TOO_LARGE)
