"""A session for a long-running process: one connection shared by all requests, reopened when it is lost."""

import asyncio
from contextlib import AsyncExitStack

from aio_pika.abc import AbstractConnection

from chassis.runtime.health import Check
from chassis.runtime.metrics import Metrics
from ops.core.session import OperatorSession
from ops.core.target import Target


class ReconnectingSession:
    """A connected session, reconnecting if needed. Raises aio-pika's errors, or OSError, if the broker is down."""

    def __init__(self, target: Target, metrics: Metrics) -> None:
        self.target = target
        self.store = target.store(metrics)
        self._connection: AbstractConnection | None = None
        self._opened = AsyncExitStack()
        self._opening = asyncio.Lock()

    async def __call__(self) -> OperatorSession:
        async with self._opening:
            if self._connection is None or self._connection.is_closed:
                await self._disconnect()
                self._connection = await self._opened.enter_async_context(self.target.connection())
            return OperatorSession(self.target, self.store, self._connection)

    def checks(self) -> dict[str, Check]:
        """Readiness check: the broker and the store answer."""

        async def broker() -> str | None:
            try:
                await self()
            except Exception:
                return "the broker does not answer"
            return None

        return {"broker": broker, **self.store.checks()}

    async def close(self) -> None:
        await self._disconnect()
        self.store.close()

    async def _disconnect(self) -> None:
        opened, self._opened, self._connection = self._opened, AsyncExitStack(), None
        await opened.aclose()
