"""Pictures that this gateway has sent lately, so that not every guest's page asks the extras service for them."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from contracts.pictures import PictureSize

_MOST_BYTES = 32 * 1024 * 1024
_MOST_AT_ONCE = 16
"""Pictures asked for at once. Anyone may ask for any address: orders must not wait for those of made-up ones."""

Key = tuple[str, PictureSize]


class PictureCache:
    """The newest pictures, by id and size. What is stored under an id never changes."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._held = 0
        self._pictures: OrderedDict[Key, bytes] = OrderedDict()
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)

    async def get(self, key: Key, fetch: Callable[[], Awaitable[bytes]]) -> bytes:
        """The picture, by `fetch` if it is not here. Raises what `fetch` raises."""
        if key not in self._pictures:
            async with self._turns:
                if key not in self._pictures:  # another request has fetched it meanwhile
                    self._put(key, await fetch())
        self._pictures.move_to_end(key)
        return self._pictures[key]

    def _put(self, key: Key, content: bytes) -> None:
        if key not in self._pictures:
            self._pictures[key] = content
            self._held += len(content)
        while self._held > self._most_bytes and len(self._pictures) > 1:
            _, dropped = self._pictures.popitem(last=False)
            self._held -= len(dropped)
