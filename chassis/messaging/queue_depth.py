"""How many messages wait in a queue, asked of the broker over AMQP."""

import asyncio

from aio_pika.exceptions import AMQPError

from chassis.errors import TransientError
from chassis.messaging.amqp import shielded
from chassis.messaging.bus import Bus
from contracts.topology import Queue


class DepthUnknownError(TransientError):
    """The broker did not say how many messages wait."""

    def __init__(self, queue: str, cause: BaseException) -> None:
        super().__init__(f"the broker does not say how many messages wait in {queue}: {cause!r}")


async def depth_of(bus: Bus, queue: Queue, *, timeout: float) -> int:  # noqa: ASYNC109
    """Messages that wait in a queue and are in no consumer's hands. Raises DepthUnknownError.

    On a channel of its own: the broker closes the channel that asks for a queue which does not exist, or which the
    account has no right on (see `Account.counts`).
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
