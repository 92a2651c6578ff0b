"""Calls to the broker that go on when nobody waits for them any more.

aiormq closes the channel on which a call is cancelled. All publishes of a process share one channel: a single one that
took too long, or whose sender went away, would fail all the others, and may even break the connection (measured: the
service then published nothing for minutes).
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPError, DeliveryError, PublishError

log = structlog.get_logger()

_RENEW_EVERY = 1.0

AnswerT = TypeVar("AnswerT")


class Calls:
    """The calls under way, kept until the broker has answered them."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Future[Any]] = set()
        self._renewing: set[AbstractChannel] = set()

    def never_taken_back(self, call: Coroutine[Any, Any, AnswerT]) -> asyncio.Future[AnswerT]:
        """Start a call. Whoever awaits it may stop waiting; the call itself is not cancelled."""
        task = asyncio.ensure_future(call)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return asyncio.shield(task)

    def refused(self, channel: AbstractChannel, error: BaseException) -> None:
        """Begin a channel anew after the broker has refused a message on it (a nack, not an unroutable message).

        A queue that fails over to another node leaves RabbitMQ 3.10's channels in doubt about its leader: one that
        published just then refuses everything for that queue until it is closed (`rabbit_fifo_client`, seen under
        tests/chaos/test_cluster.py). At most once a second: a queue that is full refuses every message.
        """
        is_nack = isinstance(error, DeliveryError) and not isinstance(error, PublishError)
        if is_nack and channel not in self._renewing:
            self._renewing.add(channel)
            self.never_taken_back(self._renew(channel))

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

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits is told; asyncio is not to complain that nobody was
