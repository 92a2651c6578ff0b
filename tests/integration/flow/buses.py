"""A connection to the broker of a test's own, in a virtual host of its own."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.messaging.bus import Bus
from chassis.runtime.metrics import Metrics
from deploy.local.broker import Broker


@asynccontextmanager
async def bus_on(broker: Broker, *, publish_timeout: float) -> AsyncIterator[Bus]:
    """A started bus that has published nothing yet. `publish_timeout` is how many seconds it waits for a confirm."""
    name = f"bus-{uuid.uuid4().hex[:8]}"
    bus = Bus(broker.new_vhost(name), name, Metrics(name), publish_timeout=publish_timeout, graceful_timeout=1.0)
    try:
        await bus.start()
        yield bus
    finally:
        await bus.stop()
        broker.drop_vhost(name)
