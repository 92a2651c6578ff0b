"""Reopens channels on which the broker has refused a message."""

import asyncio

import structlog
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPError, DeliveryError, PublishError

from chassis.messaging.amqp import shielded

log = structlog.get_logger()

_REOPEN_INTERVAL = 1.0


class BrokerCalls:
    """The channels of one connection that are being reopened."""

    def __init__(self) -> None:
        self._reopening: set[AbstractChannel] = set()

    def reopen_after_nack(self, channel: AbstractChannel, error: BaseException) -> None:
        """Reopen a channel after the broker has refused a message on it (a nack, not an unroutable message).

        A queue that fails over to another node leaves RabbitMQ 3.10's channels in doubt about its leader: one that
        published just then refuses everything for that queue until it is closed (`rabbit_fifo_client`, seen under
        tests/chaos/test_cluster.py). At most once a second: a queue that is full refuses every message.
        """
        is_nack = isinstance(error, DeliveryError) and not isinstance(error, PublishError)
        if is_nack and channel not in self._reopening:
            self._reopening.add(channel)
            shielded(self._reopen(channel))

    async def _reopen(self, channel: AbstractChannel) -> None:
        try:
            # The channel is robust: it reopens with its queues and consumers when its underlying channel is closed.
            await (await channel.get_underlay_channel()).close()
            log.warning("channel.reopened", reason="the broker refused a message on it")
            await asyncio.sleep(_REOPEN_INTERVAL)
        except (AMQPError, OSError, RuntimeError) as error:
            log.info("channel.reopen_failed", error=repr(error))
        finally:
            self._reopening.discard(channel)
