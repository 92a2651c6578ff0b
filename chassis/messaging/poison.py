"""Protects messages from a poison message beside them: a consumer that meets one takes a single message at a time.

A message that kills its consumer, or the connection, before it can be settled is delivered again, and so is every other
message that was in hand. Each time brings all of them closer to the delivery limit, at which the broker dead-letters
them. So a consumer starts each new channel with one message, and takes more only after it has received one that was not
lost several times before.
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
"""Earlier deliveries that were lost. A single one may stem from any crash, which loses innocent messages as well."""

_COUNTS = ("x-delivery-count", "x-acquired-count")
"""Headers in which quorum queues count earlier deliveries. Since RabbitMQ 4.3 the first counts only failures."""


def is_suspicious(headers: Mapping[str, Any]) -> bool:
    """Whether a message was delivered several times and never settled."""
    counts = [headers.get(name) for name in _COUNTS]
    return max((count for count in counts if isinstance(count, int)), default=0) >= SUSPICIOUS


class Caution:
    """Controls how many messages of one queue this process holds."""

    def __init__(self, queue: str, most: int, consuming: Consumers) -> None:
        self._queue = queue
        self._most = most
        self._consuming = consuming
        self._changing: asyncio.Task[None] | None = None

    def meet(self, headers: Mapping[str, Any]) -> None:
        """A message was delivered: switch to one message at a time, or back to the usual number."""
        suspicious = is_suspicious(headers)
        prefetch = ONE_AT_A_TIME if suspicious else self._most
        is_changing = self._changing is not None and not self._changing.done()
        if is_changing or self._consuming.prefetch_of(self._queue) in (None, prefetch):
            return
        if suspicious:
            log.warning("consumer.cautious", queue=self._queue, reason="a message was delivered several times")
        self._changing = background.start(self._consuming.limit(self._queue, prefetch), f"prefetch of {self._queue}")
