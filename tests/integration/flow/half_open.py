"""A way to a server on which connections can be half-open: nothing comes through, and nothing is closed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from yarl import URL

from deploy.local.ports import HOST

TO_SERVER, TO_CLIENT = "to the server", "to the client"
BOTH = (TO_SERVER, TO_CLIENT)


class HalfOpenProxy:
    """Forwards every connection to one server, until `stall`. Connections made afterwards are forwarded again."""

    def __init__(self, url: str) -> None:
        """`url` is the server's address."""
        self._server = URL(url)
        self._stalled: dict[asyncio.Task[None], set[str]] = {}
        self._port = 0
        self.hang_up = 0
        """How many of the next connections to close as soon as the client has sent something."""

    @property
    def connections(self) -> int:
        """How many are open and not stalled."""
        return sum(not stalled for stalled in self._stalled.values())

    def through(self, url: str | None = None) -> str:
        """An address of the server, by way of here."""
        return str((URL(url) if url else self._server).with_host(HOST).with_port(self._port))

    def stall(self, *directions: str) -> int:
        """Forward nothing more in these directions on the connections there are, not even their end. Their number."""
        stalled = list(self._stalled.values())
        for one in stalled:
            one.update(directions)
        return len(stalled)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["HalfOpenProxy"]:
        async with await asyncio.start_server(self._serve, HOST, 0) as server:
            self._port = server.sockets[0].getsockname()[1]
            try:
                yield self
            finally:
                tasks = list(self._stalled)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.hang_up:
            self.hang_up -= 1
            await reader.read(1)
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        stalled = self._stalled[task] = set()
        try:
            there = await asyncio.open_connection(self._server.host, self._server.port)
        except OSError:
            writer.close()
            del self._stalled[task]
            return
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_forward(reader, there[1], TO_SERVER, stalled))
                ways.create_task(_forward(there[0], writer, TO_CLIENT, stalled))
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()
            there[1].close()
            del self._stalled[task]


async def _forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: str, stalled: set[str]) -> None:
    with contextlib.suppress(OSError):
        while True:
            chunk = await source.read(65536)
            if way in stalled:
                await asyncio.Event().wait()
            if not chunk:
                break
            sink.write(chunk)
            await sink.drain()
    sink.close()
