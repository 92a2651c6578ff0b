"""The operator on duty while everything breaks: reads the readiness of the services, and does what it advises.

A binding that was put back may be missing again: RabbitMQ 3.10.8 can lose a binding that it has confirmed when it is
killed within the next half second (seen in about one of ten such kills under load). The services, which may not declare
it, keep what does not arrive and say what to do.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
from aio_pika.exceptions import AMQPError

from chassis.errors import BrokerUnavailableError
from deploy.accounts import declare_topology
from deploy.local.ports import HOST
from tests.support.system import SERVICES, System

ADVICE = "run `bellhop broker`"
EVERY = 2.0
"""Seconds between two looks."""


async def is_advised(system: System) -> bool:
    """Whether a service that answers advises to declare the topology."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:

        async def readiness(part: str) -> str:
            try:
                return (await http.get(f"http://{HOST}:{system.parts[part].port}/health/ready")).text
            except httpx.TransportError:
                return ""

        return any(ADVICE in said for said in await asyncio.gather(*map(readiness, SERVICES)))


@asynccontextmanager
async def operator_on_duty(system: System, done: Counter[str]) -> AsyncIterator[None]:
    """Run `bellhop broker` whenever that is advised, and count it in `done`."""

    async def serve() -> None:
        while True:
            await asyncio.sleep(EVERY)
            if await is_advised(system):
                with suppress(BrokerUnavailableError, AMQPError, OSError, TimeoutError, RuntimeError):
                    await declare_topology(system.setup.amqp_url)
                    done["topologies declared by an operator"] += 1

    duty = asyncio.create_task(serve())
    try:
        yield
        assert not duty.done(), duty
    finally:
        duty.cancel()
        await asyncio.gather(duty, return_exceptions=True)
