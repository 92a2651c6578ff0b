"""The gateway without HTTP: the request client and what its routes call, for guests and staff in this process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from starlette.requests import Request

from chassis.messaging.bus import Bus
from chassis.messaging.requests import RequestClient
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import bus_loops
from contracts.message import Message
from gateway.api.bus_gateway import BusGateway
from tests.simulation.broker.bus import SimulatedBus
from tests.simulation.instances import loops_of

_REPLY_TIMEOUT = 5.0
_REQUEST = Request({"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""})


class SimulatedGateway:
    """Starts and stops as gateway/app.py does, and asks as its routes do."""

    def __init__(self) -> None:
        metrics = Metrics("gateway")
        self.bus: Bus = SimulatedBus(
            "amqp://gateway:secret@simulated/",
            "gateway",
            metrics,
            publish_timeout=10.0,
            graceful_timeout=15.0,
            declares=False,
        )
        self.requests = RequestClient(self.bus, metrics)
        self.bus.clock = self.requests.clock.now
        self.asking = BusGateway(self.requests, _REPLY_TIMEOUT)
        self.routes: list[Any] = []
        self.router = SimpleNamespace(lifespan_context=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _app: object) -> AsyncIterator[None]:
        await self.bus.start()
        await self.requests.start()
        async with loops_of(*bus_loops(self.bus)):
            yield
            await self.bus.stop()

    async def ask(self, message: Message) -> Message:
        """The reply. Raises ReplyTimeoutError and the other errors of the request client."""
        return await self.asking.ask(message, _REQUEST)


GatewayBuilder = Callable[[], SimulatedGateway]
