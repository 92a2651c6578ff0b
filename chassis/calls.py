"""Calls to the broker that go on when nobody waits for them any more.

aiormq closes the channel on which a call is cancelled. All publishes of a process share one channel: a single one that
took too long, or whose sender went away, would fail all the others, and may even break the connection (measured: the
service then published nothing for minutes).
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

AnswerT = TypeVar("AnswerT")


class Calls:
    """The calls under way, kept until the broker has answered them."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Future[Any]] = set()

    def never_taken_back(self, call: Coroutine[Any, Any, AnswerT]) -> asyncio.Future[AnswerT]:
        """Start a call. Whoever awaits it may stop waiting; the call itself is not cancelled."""
        task = asyncio.ensure_future(call)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return asyncio.shield(task)

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits is told; asyncio is not to complain that nobody was
