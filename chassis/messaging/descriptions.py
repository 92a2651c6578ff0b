"""What an order is now, asked of the extras service over the bus: nothing of it is copied, so nothing grows stale."""

import asyncio
import uuid
from typing import Protocol

from chassis.errors import TransientError
from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Envelope
from chassis.messaging.requests import NoResponderError, ReplyTimeoutError, RequestClient
from chassis.runtime.metrics import Metrics
from contracts.ids import OrderId, PropertyId
from contracts.mail import DescribeOrder, OrderDescribed
from contracts.orders import Refusal


class OrderNotDescribedError(TransientError):
    """The extras service does not say what an order is now."""

    def __init__(self, order_id: str, said: str) -> None:
        super().__init__(f"{order_id} was not described: {said}")


class Descriptions(Protocol):
    """Where orders are described."""

    async def of(self, order_id: OrderId, property_id: PropertyId) -> OrderDescribed | None:
        """None: there is no such order. Raises OrderNotDescribedError."""


class BusDescriptions:
    """Asks over the bus."""

    def __init__(self, bus: Bus, metrics: Metrics, reply_timeout: float) -> None:
        self._requests = RequestClient(bus, metrics)
        self._reply_timeout = reply_timeout
        self._is_started = asyncio.Event()

    async def start(self) -> None:
        """Open the queue for replies. What is asked before waits for it."""
        await self._requests.start()
        self._is_started.set()

    async def of(self, order_id: OrderId, property_id: PropertyId) -> OrderDescribed | None:
        await self._is_started.wait()
        asked = uuid.uuid4().hex
        query = DescribeOrder(order_id=order_id, property_id=property_id)
        try:
            reply = await self._requests.request(
                Envelope(query, f"describe.{asked}", asked), timeout=self._reply_timeout
            )
        except (ReplyTimeoutError, NoResponderError) as error:
            raise OrderNotDescribedError(order_id, str(error)) from error
        if isinstance(reply, Refusal):
            return None
        if not isinstance(reply, OrderDescribed):
            raise OrderNotDescribedError(order_id, f"the reply was {reply.kind}")
        return reply
