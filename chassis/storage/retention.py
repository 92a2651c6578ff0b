"""Deletes documents whose time has passed: as many at each sweep, the oldest first, in any number of processes."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, Generic

import structlog
from pydantic import Field

from chassis.decision import StateT
from chassis.runtime.background import Loop
from chassis.runtime.backoff import Backoff
from chassis.storage.write_path import others_go_on

log = structlog.get_logger()

LEAST = timedelta(days=30)
"""The message log brings back the last 7 days, and a restored service reports again what it does with them."""
AT_ONCE = 200
"""Documents in one sweep."""
EVERY = 60.0
_LONGEST_PAUSE = 3600.0

Retention = Annotated[timedelta | None, Field(ge=LEAST)]
"""How long records are kept. None: for ever."""


class RetentionSweep(Generic[StateT]):
    """The sweep of one kind of documents."""

    def __init__(
        self,
        name: str,
        delete: Callable[[str, Callable[[StateT], bool]], Awaitable[bool]],
        find: Callable[[datetime, int], Awaitable[list[str]]],
        may_go: Callable[[StateT, datetime], bool],
        keep_for: timedelta | None,
        clock: Callable[[], datetime],
    ) -> None:
        """`delete`: as `WritePath.delete`. `find`: ids of documents that have probably been left alone since before a
        time, the oldest first. `may_go`: whether a state really has, and is needed no more.
        """
        self._name = name
        self._delete = delete
        self._find = find
        self._may_go = may_go
        self._keep_for = keep_for
        self._clock = clock
        self._stay = Backoff(_LONGEST_PAUSE)

    def loops(self) -> tuple[Loop, ...]:
        """None, if records are kept for ever."""
        return (Loop(f"{self._name} to delete by age", EVERY, self.sweep),) if self._keep_for else ()

    async def sweep(self) -> int:
        """Returns the number of documents deleted. Raises StoreUnavailableError."""
        if self._keep_for is None:
            return 0
        before, deleted = self._clock() - self._keep_for, 0
        # Those that must stay for now must not crowd out the others.
        found = await self._find(before, AT_ONCE + len(self._stay))
        self._stay.forget_all_but(found)
        for document_id in found:
            if self._stay.waits(document_id):
                continue
            is_deleted = False
            with others_go_on(document_id):
                is_deleted = await self._delete(document_id, lambda state: self._may_go(state, before))
            if is_deleted:
                deleted += 1
            else:
                self._stay.failed(document_id)
        if deleted:
            log.info("records.deleted_by_age", records=self._name, deleted=deleted)
        return deleted
