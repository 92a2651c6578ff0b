"""The gateway asks for a picture once, for few at a time, and holds a bounded number of bytes."""

import asyncio

import pytest

from contracts.pictures import PictureSize
from gateway.picture_cache import PictureCache
from tests.support.waiting import until

SMALL = PictureSize.SMALL


class Source:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def get(self, cache: PictureCache, picture_id: str, content: bytes = b"12345") -> bytes:
        async def fetch() -> bytes:
            self.asked.append(picture_id)
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
            await self.may_answer.wait()
            self.at_once -= 1
            if picture_id == "missing":
                raise LookupError
            return content

        return await cache.get((picture_id, SMALL), fetch)


async def test_a_picture_is_asked_for_once() -> None:
    cache, source = PictureCache(), Source()

    assert [await source.get(cache, "a"), await source.get(cache, "a")] == [b"12345", b"12345"]

    assert source.asked == ["a"]


async def test_the_picture_that_was_shown_the_longest_ago_gives_way() -> None:
    cache, source = PictureCache(most_bytes=10), Source()
    for picture_id in ("a", "b", "a", "c", "a", "b"):
        await source.get(cache, picture_id)

    assert source.asked == ["a", "b", "c", "b"]


async def test_a_picture_larger_than_the_cache_is_sent_all_the_same() -> None:
    assert await Source().get(PictureCache(most_bytes=1), "a") == b"12345"


async def test_a_missing_picture_is_asked_for_again() -> None:
    cache, source = PictureCache(), Source()
    for _ in range(2):
        with pytest.raises(LookupError):
            await source.get(cache, "missing")

    assert source.asked == ["missing", "missing"]


async def test_a_flood_of_made_up_addresses_asks_for_few_at_once() -> None:
    cache, source = PictureCache(), Source()
    source.may_answer.clear()
    flood = [asyncio.ensure_future(source.get(cache, f"made up {number}")) for number in range(100)]
    await until(lambda: len(source.asked) >= 16, "the gateway has asked for some")
    source.may_answer.set()
    await asyncio.gather(*flood)

    assert source.most_at_once == 16
