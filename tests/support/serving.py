"""ASGI apps on real ports, inside the test's own event loop, that can be stopped and started again."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.local.ports import HOST, free_port
from tests.support.waiting import until

HELD_AT_MOST = 6.0
"""Seconds; less than the adapter waits for one answer of the PSP's."""


class Served:
    """One app on one port. Every start builds the app again, as a new process would; the port stays."""

    def __init__(self, name: str, build: Callable[[], ASGIApp]) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._build = build
        self._app: ASGIApp | None = None
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def runs(self) -> bool:
        return self._task is not None

    async def start(self) -> None:
        app = self._build()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, self.port))
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            date_header=False,  # the sandbox has its own time
            lifespan="on",
            timeout_graceful_shutdown=5,
            timeout_keep_alive=60,
        )
        server = uvicorn.Server(config)
        # Not `serve()`: the test runner keeps its own signal handlers.
        task = asyncio.create_task(self._serve(server, listener), name=f"serving {self.name}")
        await until(lambda: server.started or task.done(), f"{self.name} has started")
        if task.done():
            listener.close()
            await task
            raise AssertionError(f"{self.name} has stopped right after its start")
        self._app, self._server, self._task = app, server, task

    async def _serve(self, server: uvicorn.Server, listener: socket.socket) -> None:
        """A start that fails fails one test: uvicorn's SystemExit would end the event loop of all that follow."""
        try:
            await server._serve([listener])
        except SystemExit:
            raise AssertionError(f"{self.name} did not start; its log says why") from None

    async def stop(self) -> None:
        """Gracefully, as on SIGTERM."""
        if self._server is None or self._task is None:
            return
        live = getattr(getattr(self._app, "state", None), "live", None)
        if live is not None:
            live.close()  # what the gateway does as soon as it is asked to stop
        self._server.should_exit = True
        try:
            await self._task
        finally:
            self._server = self._task = None


class InFlight:
    """ASGI middleware: how many requests of one method and path were inside at once, at most."""

    def __init__(self, app: ASGIApp, method: str, path: str) -> None:
        self._app = app
        self._wanted = (method, path)
        self._now = 0
        self._enough = asyncio.Event()
        self._wanted_at_once = 0
        self.most = 0
        self.total = 0

    def hold_until(self, at_once: int) -> None:
        """Hold requests until this many are inside, or one has waited for `HELD_AT_MOST`."""
        self.most, self._wanted_at_once = 0, at_once
        self._enough = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (scope.get("method"), scope.get("path")) != self._wanted:
            await self._app(scope, receive, send)
            return
        self._now += 1
        self.total += 1
        self.most = max(self.most, self._now)
        if self._now >= self._wanted_at_once:
            self._enough.set()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), HELD_AT_MOST)
            await self._app(scope, receive, send)
        finally:
            self._now -= 1
