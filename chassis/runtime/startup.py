"""Starts and stops a service's process: ordered start-up, background loops, health and metrics over HTTP."""

import asyncio
import gc
import importlib.metadata
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from time import monotonic
from types import FrameType

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from chassis.errors import TransientError
from chassis.messaging.bus import Bus
from chassis.runtime import tracing
from chassis.runtime.background import Loop
from chassis.runtime.health import Check, problems_of
from chassis.runtime.logs import set_up_logs
from chassis.runtime.metrics import Metrics
from chassis.runtime.redaction import Redaction
from chassis.runtime.settings import ProcessSettings
from chassis.web.http_server import config_of

log = structlog.get_logger()

VERSION = importlib.metadata.version("bellhop")

_VERIFY_EVERY = 10.0
_NEW_OBJECTS = 10_000
_LAST_SPANS = 3.0
"""Seconds for the export of the last spans, after all else has stopped."""


async def retry_until_available(
    *steps: Callable[[], Awaitable[object]], within: float = 60.0, every: float = 1.0
) -> None:
    """Run start-up steps in order, retrying each while a dependency is unavailable or slow.

    Raises the last TransientError after `within` seconds: a service with a wrong address exits with the reason.
    """
    until = monotonic() + within
    for step in steps:
        while True:
            try:
                await step()
                break
            except TransientError as error:
                if monotonic() > until:
                    raise
                log.warning("start.waiting", error=str(error))
                await asyncio.sleep(every)


async def start_bus(bus: Bus, *after: Callable[[], Awaitable[object]]) -> None:
    """Start the bus as soon as the broker lets this process in, then take the steps that need it.

    Raises BrokerUnavailableError after a minute. A connection that is lost later than that, while the process starts,
    ends it with the bus stopped: its supervisor starts it again.
    """
    await retry_until_available(bus.connect)
    try:
        await bus.start()
        for step in after:
            await step()
    except BaseException:
        await bus.stop()
        raise


def bus_checks(bus: Bus) -> dict[str, Check]:
    """Readiness checks: the broker answers, and all queues of this process are consumed."""

    async def broker() -> str | None:
        return None if await bus.is_connected() else "the broker does not answer"

    async def consumers() -> str | None:
        missing = await bus.consuming.lost()
        return f"this process does not consume {', '.join(missing)}" if missing else None

    return {"broker": broker, "consumers": consumers}


def bus_notices(bus: Bus) -> dict[str, Check]:
    """Readiness notices: problems of the bus in spite of which this process can work."""

    async def topology() -> str | None:
        return bus.topology_problem

    async def routing() -> str | None:
        return " ".join(bus.unroutable.values()) or None

    notices = {"topology": topology, "routing": routing, "log": bus.message_log.check}
    return notices | bus.newer_versions.notices()


def bus_loops(bus: Bus) -> tuple[Loop, ...]:
    """Background loops of a connection to the bus."""
    return (
        Loop("restore consumers", 1.0, bus.consuming.restore),
        Loop("verification of the topology", _VERIFY_EVERY, bus.verify_topology),
    )


def operator_routes(
    metrics: Metrics, checks: Mapping[str, Check], notices: Mapping[str, Check] | None = None
) -> list[Route]:
    """`/health/live`: the process runs. `/health/ready`: it can work now. `/metrics`: Prometheus metrics.

    A failing check makes the process unready. A notice is shown but leaves it ready: part of its work is impossible,
    the rest goes on. Liveness depends on no other system, so an outage restarts nothing.
    """
    notices = notices or {}

    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "live", "service": metrics.service, "version": VERSION})

    async def ready(_request: Request) -> Response:
        problems, noticed = await asyncio.gather(problems_of(checks), problems_of(notices))
        status = "unavailable" if problems else "degraded" if noticed else "ready"
        body = {"status": status, "service": metrics.service, "problems": problems | noticed}
        return JSONResponse(body, status_code=503 if problems else 200)

    async def exposition(_request: Request) -> Response:
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")

    return [
        Route("/health/live", live, include_in_schema=False),
        Route("/health/ready", ready, include_in_schema=False),
        Route("/metrics", exposition, include_in_schema=False),
    ]


def web_app(
    routes: Sequence[BaseRoute], lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]]
) -> Starlette:
    """An app that answers exactly these routes.

    Starlette's redirect to a path with a slash more or less would repeat the `Host` that the sender named.
    """
    app = Starlette(routes=routes, lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


def serve(app: ASGIApp, service: str, settings: ProcessSettings, *, on_exit: Callable[[], None] = lambda: None) -> None:
    """Run a service until SIGTERM or Ctrl-C. Exit code 1 if it cannot start, with the reason in the log.

    `on_exit` is called as soon as the process begins to stop, while requests are still being answered.
    """
    set_up_logs(service, settings.log_level, settings.log_format, Redaction.of(settings))
    tracing.start(service, VERSION, os.environ)
    collect_garbage_rarely()
    server = _Server(config_of(app, settings), on_exit, settings.graceful_timeout)
    server.run()
    if not server.started:
        sys.exit(1)


def collect_garbage_rarely() -> None:
    """Take what is loaded until now out of garbage collection, and collect after 10,000 new objects instead of 700.

    What a message leaves is nearly always freed by reference counts, without a search for cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 50)


class _Server(uvicorn.Server):
    """Notifies the app of a stop at once; uvicorn itself waits for open connections first. Exports the last spans."""

    def __init__(self, config: uvicorn.Config, on_exit: Callable[[], None], graceful_timeout: float) -> None:
        super().__init__(config)
        self._on_exit = on_exit
        self._last_spans = min(_LAST_SPANS, graceful_timeout)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # Here: uvicorn ends the process by the signal that it had received.
        await asyncio.to_thread(tracing.stop, self._last_spans)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._on_exit()
        super().handle_exit(sig, frame)
