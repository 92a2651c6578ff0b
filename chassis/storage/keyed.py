"""Per-document values in a process: a cache of the newest, and locks."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


class RecentValues(Generic[ValueT]):
    """The newest values by key; the oldest are forgotten."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[str, ValueT] = OrderedDict()

    def get(self, key: str) -> ValueT | None:
        return self._values.get(key)

    def put(self, key: str, value: ValueT) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._size:
            self._values.popitem(last=False)

    def pop(self, key: str) -> None:
        self._values.pop(key, None)


class KeyedLocks:
    """A lock per document within this process, so that its messages are published in order and races are rare."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def holding(self, key: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)
