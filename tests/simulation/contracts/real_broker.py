"""The real broker's side of the contracts: connections to a virtual host of the test's own."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from deploy.local.broker import Broker

Connect = Callable[[], Awaitable[Any]]


@asynccontextmanager
async def connecting(broker: Broker, connected: Callable[[str], Awaitable[Any]]) -> AsyncIterator[Connect]:
    """A function that connects as `connected` does to an address; in the end all is closed and removed."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    url = broker.new_vhost(name)
    opened: list[Any] = []

    async def connect() -> Any:
        opened.append(await connected(url))
        return opened[-1]

    yield connect
    for connection in opened:
        await connection.close()
    broker.drop_vhost(name)
