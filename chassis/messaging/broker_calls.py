"""Channels that are opened again after the broker has refused a message on them."""

import asyncio

import structlog
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPError, DeliveryError, PublishError

from chassis.messaging.amqp import shielded

log = structlog.get_logger()

_RENEW_EVERY = 1.0


class Calls:
    """Which channels are being opened again."""

    def __init__(self) -> None:
        self._renewing: set[AbstractChannel] = set()

    def refused(self, channel: AbstractChannel, error: BaseException) -> None:
        """Begin a channel anew after the broker has refused a message on it (a nack, not an unroutable message).

        A queue that fails over to another node leaves RabbitMQ 3.10's channels in doubt about its leader: one that
        published just then refuses everything for that queue until it is closed (`rabbit_fifo_client`, seen under
        tests/chaos/test_cluster.py). At most once a second: a queue that is full refuses every message.
        """
        is_nack = isinstance(error, DeliveryError) and not isinstance(error, PublishError)
        if is_nack and channel not in self._renewing:
            self._renewing.add(channel)
            shielded(self._renew(channel))

    async def _renew(self, channel: AbstractChannel) -> None:
        try:
            # The channel itself is robust: it opens anew, with its queues and consumers, what is closed under it.
            await (await channel.get_underlay_channel()).close()
            log.warning("channel.renewed", reason="the broker refused a message on it")
            await asyncio.sleep(_RENEW_EVERY)
        except (AMQPError, OSError, RuntimeError) as error:
            log.info("channel.unrenewed", error=repr(error))
        finally:
            self._renewing.discard(channel)
