"""The topology on the broker: declared from the contract, or made sure of."""

import structlog
from aio_pika.abc import AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import AMQPError, ChannelPreconditionFailed

from chassis.errors import PermanentError
from contracts.topology import EXCHANGES, LOG, QUEUES, Queue

log = structlog.get_logger()


class TopologyMismatchError(PermanentError):
    """An exchange or queue exists on the broker with other properties than the contract's."""

    def __init__(self, name: str, cause: BaseException) -> None:
        super().__init__(
            f"{name} exists on the broker with other properties: {cause}. "
            f"Drain and delete it, then start again; `bellhop topology` prints what is expected."
        )


class MissingTopologyError(PermanentError):
    """An exchange or queue is not on the broker, and this process is not to declare it."""

    def __init__(self, name: str, cause: BaseException) -> None:
        super().__init__(
            f"{name} is not on the broker ({cause}). Run `bellhop broker` once as an operator, "
            "or set BELLHOP_DECLARE_TOPOLOGY=true and give this account the right to declare."
        )


async def declare_topology(connection: AbstractRobustConnection) -> None:
    """Declare every exchange and queue, and the log last. Raises TopologyMismatchError."""
    # A channel of its own, opened first and kept: after a reconnect it restores exchanges and queues before the
    # subscribers' channels look for them. FastStream's own declare_queue would tie a queue to one shared channel.
    channel = await connection.channel()
    name = ""
    try:
        for exchange in EXCHANGES:
            name = exchange.name
            await channel.declare_exchange(name, type=exchange.type.value, durable=True)
        for queue in QUEUES:
            name = queue.name
            if name != LOG:
                await _declare_queue(channel, queue, robust=True)
    except ChannelPreconditionFailed as error:
        raise TopologyMismatchError(name, error) from error
    await _declare_log(connection)


async def _declare_log(connection: AbstractRobustConnection) -> None:
    """The log is for tracing: orders go on without it, and readiness is not its business.

    RabbitMQ 3.10 can lose a stream for good when it is killed within seconds of the stream's first declaration.
    On a channel of its own, and not restored after a reconnect, a lost stream takes nothing else with it.
    """
    channel = await connection.channel()
    try:
        log_queue = next(queue for queue in QUEUES if queue.name == LOG)
        await _declare_queue(channel, log_queue, robust=False)
    except ChannelPreconditionFailed as error:
        raise TopologyMismatchError(LOG, error) from error
    except AMQPError as error:
        log.error(
            "log.unavailable",
            error=str(error),
            advice="delete the queue `log`, then restart one service or run `bellhop broker`",
        )
    finally:
        await channel.close()


async def look_for_topology(connection: AbstractRobustConnection) -> None:
    """Make sure that every exchange and queue is there, without the right to declare any.

    Raises MissingTopologyError. The log is only for tracing: orders go on without it.
    """
    channel = await connection.channel()
    name = ""
    try:
        for exchange in EXCHANGES:
            name = exchange.name
            await channel.get_exchange(name)
        for queue in sorted(QUEUES, key=lambda queue: queue.name == LOG):
            name = queue.name
            await channel.declare_queue(name, passive=True, robust=False)
        await channel.close()
    except AMQPError as error:
        if name != LOG:
            raise MissingTopologyError(name, error) from error
        log.error("log.unavailable", error=str(error), advice="declare the topology again: `bellhop broker`")


async def _declare_queue(channel: AbstractRobustChannel, queue: Queue, *, robust: bool) -> None:
    arguments = {"x-queue-type": queue.type.value, **queue.arguments}
    declared = await channel.declare_queue(queue.name, durable=queue.durable, arguments=arguments, robust=robust)
    for binding in queue.bindings:
        await declared.bind(binding.exchange, binding.routing_key, robust=robust)
