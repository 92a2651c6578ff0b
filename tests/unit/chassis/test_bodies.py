"""Bodies are read up to a limit per address and in bytes; the one read for the longest time gives way."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.web.request_bodies import READER_BYTES, BodyReaders, BodyRefusedError, Refused

LONGEST = 1000


@dataclass
class Sender:
    """A body that arrives when the test says so."""

    readers: BodyReaders
    address: str = "203.0.113.1"
    messages: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    async def begin(self, body: bytes = b"a", within: float = 60) -> "Sender":
        scope = {"type": "http", "headers": [], "client": (self.address, 1)}
        until = asyncio.get_running_loop().time() + within
        self.reading = asyncio.create_task(self.readers.read(scope, self.messages.get, LONGEST, until))
        # A refusal that no test asks for is looked at, or asyncio logs it in the middle of some later test.
        self.reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        await self.send(body)
        return self

    async def send(self, body: bytes, *, more: bool = True) -> None:
        await self.messages.put({"type": "http.request", "body": body, "more_body": more})
        for _ in range(5):  # turns of the loop, until all that can happen has happened
            await asyncio.sleep(0)

    async def end(self) -> bytes:
        await self.send(b"z", more=False)
        return await self.reading

    async def why(self) -> Refused:
        with pytest.raises(BodyRefusedError) as raised:
            await self.reading
        return raised.value.why


async def test_beyond_the_limit_of_an_address_its_oldest_body_gives_way_and_no_other_address_pays() -> None:
    readers = BodyReaders(per_address=2)
    other = await Sender(readers, "203.0.113.2").begin()

    first, second, third = [await Sender(readers).begin() for _ in range(3)]

    assert await first.why() is Refused.CROWDED_OUT
    assert [await sender.end() for sender in (second, third, other)] == [b"az"] * 3
    assert readers.held == 0


async def test_beyond_the_bytes_of_all_the_oldest_body_gives_way() -> None:
    readers = BodyReaders(most_bytes=2 * READER_BYTES + 1000)
    first = await Sender(readers, "203.0.113.1").begin(b"a" * 600)
    second = await Sender(readers, "203.0.113.2").begin(b"a" * 300)

    await second.send(b"a" * 300)

    assert await first.why() is Refused.CROWDED_OUT
    assert await second.end() == b"a" * 600 + b"z"
    assert readers.held == 0


async def test_a_body_that_is_too_much_by_itself_gives_way() -> None:
    readers = BodyReaders(most_bytes=READER_BYTES + 100)

    sender = await Sender(readers).begin(b"a" * 200)

    assert await sender.why() is Refused.CROWDED_OUT
    assert readers.held == 0


async def test_a_body_that_is_slow_too_large_or_broken_off_holds_nothing_any_more() -> None:
    readers = BodyReaders()
    slow = await Sender(readers).begin(within=0)
    large = await Sender(readers).begin(b"a" * (LONGEST + 1))
    gone = await Sender(readers).begin()
    await gone.messages.put({"type": "http.disconnect"})

    reasons = [await sender.why() for sender in (slow, large, gone)]

    assert reasons == [Refused.TOO_SLOW, Refused.TOO_LARGE, Refused.HUNG_UP]
    assert readers.held == 0


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 400)), max_size=60))
async def test_the_bytes_in_memory_stay_below_the_limit(steps: list[tuple[int, int, int]]) -> None:
    readers = BodyReaders(per_address=3, most_bytes=5 * READER_BYTES + 1000)
    senders: dict[int, Sender] = {}

    for number, address, size in steps:
        sender = senders.get(number)
        if sender is None or sender.reading.done():
            senders[number] = await Sender(readers, f"203.0.113.{address}").begin(b"a" * size)
        else:
            await sender.send(b"a" * size, more=size % 3 != 0)
        assert readers.held <= readers.most_bytes
        assert all(len(of_one) <= 3 for of_one in readers._of_address.values())

    for sender in senders.values():
        sender.reading.cancel()
    await asyncio.gather(*(sender.reading for sender in senders.values()), return_exceptions=True)
    assert (readers.held, readers._readers, readers._of_address) == (0, {}, {})
