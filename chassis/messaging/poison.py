"""Protects messages from their neighbours: a consumer that meets poison takes one message at a time.

A message that kills its consumer, or the connection, before anything can be done about it comes again, and so does
everything that was in hand beside it. Each time brings all of them closer to the delivery limit, at which the broker
dead-letters them. So a consumer holds one message at first, on each new channel, and more only after it was given one
that has not been lost several times before.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from chassis.messaging.consumers import Consumers
from chassis.runtime import background

log = structlog.get_logger()

ONE_AT_A_TIME = 1
SUSPICIOUS = 2
"""Deliveries lost before. One may be any crash of a consumer, and its innocent neighbours have lost it as well."""

_COUNTS = ("x-delivery-count", "x-acquired-count")
"""What quorum queues say of earlier deliveries. Since RabbitMQ 4.3 the first counts failures alone."""


def is_suspicious(headers: Mapping[str, Any]) -> bool:
    """Whether a message was delivered several times and never settled."""
    counts = [headers.get(name) for name in _COUNTS]
    return max((count for count in counts if isinstance(count, int)), default=0) >= SUSPICIOUS


class Caution:
    """How many messages of one queue this process holds."""

    def __init__(self, queue: str, most: int, consuming: Consumers) -> None:
        self._queue = queue
        self._most = most
        self._consuming = consuming
        self._changing: asyncio.Task[None] | None = None

    def meet(self, headers: Mapping[str, Any]) -> None:
        """A message was delivered: begin to take one at a time, or as many as usual."""
        suspicious = is_suspicious(headers)
        prefetch = ONE_AT_A_TIME if suspicious else self._most
        is_changing = self._changing is not None and not self._changing.done()
        if is_changing or self._consuming.prefetch_of(self._queue) in (None, prefetch):
            return
        if suspicious:
            log.warning("consumer.cautious", queue=self._queue, reason="a message was delivered several times")
        self._changing = background.start(self._consuming.limit(self._queue, prefetch), f"prefetch of {self._queue}")
