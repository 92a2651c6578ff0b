"""The topology on the broker: declared from the contract, or verified."""

import asyncio
from typing import Any

import structlog
from aio_pika.abc import AbstractChannel, AbstractRobustConnection
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity, ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused

from chassis.errors import PermanentError
from chassis.messaging.amqp import connection_for_tools
from contracts.topology import EXCHANGES, LOG, MARK, QUEUES, RETIRED_LOG_BINDINGS, Queue

log = structlog.get_logger()

_LOG_WITHIN = 10.0
"""Seconds. A stream without a leader answers no declaration."""

_TRY_AGAIN_AFTER = 0.5


class TopologyMismatchError(PermanentError):
    """An exchange or queue exists on the broker with properties that differ from the contract."""

    def __init__(self, name: str, cause: BaseException) -> None:
        super().__init__(
            f"{name} exists on the broker with other properties: {cause}. "
            "`bellhop broker --recreate-empty` replaces it when it is empty and not consumed (docs/updating.md); "
            "`bellhop topology` prints what is expected."
        )


class MissingTopologyError(PermanentError):
    """The broker does not have this version's topology, and this process may not declare it."""

    def __init__(self) -> None:
        super().__init__(
            f"The broker has no topology of this version (no queue {MARK.name}): it was never declared there, or by "
            "another version of Bellhop. Run `bellhop broker` of this version as the operator, then start this service "
            "again; or set BELLHOP_DECLARE_TOPOLOGY=true and give this account the right to declare."
        )


class TopologyUnreadableError(PermanentError):
    """This account may not read the topology mark."""

    def __init__(self) -> None:
        super().__init__(
            f"This account at the broker may not read {MARK.name}, so the topology cannot be verified. "
            "Run `bellhop broker` of this version as the operator: it declares the topology, then gives every account "
            "its rights."
        )


async def declare_topology(connection: AbstractRobustConnection, url: str) -> None:
    """Declare every exchange and queue, and the topology mark last. Raises TopologyMismatchError."""
    # A separate channel, opened first and kept: after a reconnect it restores exchanges and queues before the
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
                await _declare_queue(channel, queue)
    except ChannelPreconditionFailed as error:
        raise TopologyMismatchError(name, error) from error
    await _declare_log(url)
    await _declare_queue(channel, MARK)


async def _declare_log(url: str) -> None:
    """Declare the message log. It is for tracing only: without it orders go on, and readiness reports it.

    RabbitMQ 3.10 can lose a stream for good when it is killed within seconds of the stream's first declaration. It then
    closes the connection that declares it again (`541 … coordinator_unavailable`), so a separate one is used here.
    """
    log_queue = next(queue for queue in QUEUES if queue.name == LOG)
    not_up_yet: Exception | None = None
    try:
        async with asyncio.timeout(_LOG_WITHIN):
            while True:
                try:
                    async with await connection_for_tools(url, "declaring the log", timeout=_LOG_WITHIN) as connection:
                        channel = await connection.channel()
                        await _declare_queue(channel, log_queue)
                        await _retire_bindings(channel)
                    return
                except ChannelNotFoundEntity as error:  # *down or inaccessible*, as right after the broker's own start
                    not_up_yet = error
                    await asyncio.sleep(_TRY_AGAIN_AFTER)
    except ChannelPreconditionFailed as error:
        raise TopologyMismatchError(LOG, error) from error
    except (AMQPError, OSError, RuntimeError) as error:
        log.error(
            "log.unavailable",
            error=repr(not_up_yet or error),
            advice="if it stays so: delete the queue `log`, then restart one service or run `bellhop broker`",
        )


async def _retire_bindings(channel: AbstractChannel) -> None:
    """Remove the log's bindings of older versions. RabbitMQ accepts the removal of a binding that does not exist."""
    bound = await channel.get_queue(LOG, ensure=False)
    for binding in RETIRED_LOG_BINDINGS:
        await bound.unbind(binding.exchange, binding.routing_key)


async def verify_topology(connection: AbstractRobustConnection) -> None:
    """Verify, without the right to declare, that the topology of this version is complete.

    Fetching from the mark, which is always empty, takes the right to read it and no other on every RabbitMQ; a passive
    declare takes a right on every single object on RabbitMQ 4.2.6 and newer. Raises MissingTopologyError,
    TopologyUnreadableError, and AMQPError when the broker is unavailable.
    """
    channel = await connection.channel(publisher_confirms=False)
    try:
        mark = await channel.get_queue(MARK.name, ensure=False)
        await mark.get(no_ack=True, fail=False)
    except ChannelNotFoundEntity as error:
        raise MissingTopologyError from error
    except ChannelAccessRefused as error:
        raise TopologyUnreadableError from error
    finally:
        await channel.close()


async def _declare_queue(channel: AbstractChannel, queue: Queue) -> None:
    """On a robust channel, it is declared again after every reconnect."""
    arguments: dict[str, Any] = {"x-queue-type": queue.type.value, **queue.arguments}
    declared = await channel.declare_queue(queue.name, durable=queue.durable, arguments=arguments)
    for binding in queue.bindings:
        await declared.bind(binding.exchange, binding.routing_key)
