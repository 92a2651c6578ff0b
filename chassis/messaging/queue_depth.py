"""Reads the number of waiting messages of a queue over AMQP."""

import asyncio

from aio_pika.exceptions import AMQPError

from chassis.errors import TransientError
from chassis.messaging.amqp import shielded
from chassis.messaging.bus import Bus
from contracts.topology import Queue


class DepthUnknownError(TransientError):
    """The broker did not report a queue's depth."""

    def __init__(self, queue: str, cause: BaseException) -> None:
        super().__init__(f"the depth of {queue} is unknown, the broker did not report it: {cause!r}")


async def depth_of(bus: Bus, queue: Queue, *, timeout: float) -> int:  # noqa: ASYNC109
    """The number of ready messages in a queue, without those held by consumers. Raises DepthUnknownError.

    Uses a separate channel: the broker closes a channel that asks for a queue which does not exist, or on which the
    account has no right (see `Account.counts`).
    """
    try:
        async with asyncio.timeout(timeout):
            return await shielded(_count(bus, queue))
    except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
        raise DepthUnknownError(queue.name, error) from error


async def _count(bus: Bus, queue: Queue) -> int:
    async with bus.connection.channel(publisher_confirms=False) as channel:
        declared = await channel.declare_queue(queue.name, passive=True, robust=False)
        return declared.declaration_result.message_count or 0
