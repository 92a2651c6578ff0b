"""The audit log: every replay, edit, discard and restore leaves a record of who did what, and why."""

import getpass
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from pydantic import BaseModel, ConfigDict, Field

from chassis.errors import StoreUnavailableError
from chassis.messaging.envelope import utc_now
from chassis.runtime.redaction import Redaction
from chassis.storage.documents import DocumentStore
from chassis.storage.windows import Windows

log = structlog.get_logger()

_LONGEST_OUTCOME = 500
"""Maximum length in characters."""
_PAGE = 500
"""Entries in one window of time, about."""


class AuditEntry(BaseModel):
    """One action of an operator."""

    model_config = ConfigDict(frozen=True)

    entry_id: str
    at: datetime
    who: str
    why: str
    action: str = Field(description="replay, pause, edit, discard, restore, put back, empty, reconcile, review …")
    subjects: tuple[str, ...] = Field(description="ids of the orders, of the dead letters, or of the plan")
    detail: str = ""
    outcome: str = Field(
        default="", description="its outcome; empty: it is still running, or the process died during it"
    )


@dataclass
class Act:
    """An action in progress. The code that performs it sets its outcome."""

    outcome: str = "done"


class AuditLog:
    """The audit log in the document store. An entry gets its outcome once and is not changed otherwise."""

    def __init__(self, store: DocumentStore) -> None:
        self._entries = store.records("audit_log", AuditEntry, indexed=("entry_id",))

    @asynccontextmanager
    async def recorded(
        self, action: str, who: str, why: str, subjects: tuple[str, ...], detail: str = ""
    ) -> AsyncIterator[Act]:
        """Record an action, perform it in the block, and add its outcome.

        Raises StoreUnavailableError before the block begins: an action that cannot be recorded is not performed.
        """
        entry = await self._begin(action, who, why, subjects, detail)
        act = Act()
        try:
            yield act
        except BaseException as error:
            await self._end(entry, f"failed: {Redaction()(str(error) or repr(error))}")
            raise
        await self._end(entry, act.outcome)

    async def _begin(self, action: str, who: str, why: str, subjects: tuple[str, ...], detail: str) -> str:
        now = utc_now()
        entry_id = f"{_id_at(now)}-{uuid.uuid4().hex[:6]}"
        entry = AuditEntry(entry_id=entry_id, at=now, who=who, why=why, action=action, subjects=subjects, detail=detail)
        await self._entries.add(entry_id, entry)
        return entry_id

    async def _end(self, entry_id: str, outcome: str) -> None:
        try:
            await self._entries.change(entry_id, {"outcome": outcome[:_LONGEST_OUTCOME]}, outcome="")
        except StoreUnavailableError as error:  # the action itself was performed
            log.warning("audit.outcome_lost", entry_id=entry_id, outcome=outcome[:_LONGEST_OUTCOME], error=str(error))

    async def forget(self, entry: AuditEntry, **texts: str) -> None:
        """Replace what an entry says of a guest, in `why` or `detail`. Who did what, when and to what stays."""
        await self._entries.change(entry.entry_id, texts)

    async def entries(self, since: datetime | None = None, limit: int | None = None) -> list[AuditEntry]:
        """The newest last; with `limit`, only the newest so many. Read in windows of time, some hundreds in each."""
        windows, found = Windows(min(limit or _PAGE, _PAGE), since, now=utc_now()), dict[str, AuditEntry]()
        while (limit is None or len(found) < limit) and (window := windows.current) is not None:
            least, below = window
            page = await self._entries.between(
                "entry_id", _id_at(least) if least else "", _id_at(below) if below else None
            )
            windows.passed(len(page))
            found |= page
        entries = [entry for _, entry in sorted(found.items())]
        return entries if limit is None else entries[-limit:]


def _id_at(moment: datetime) -> str:
    """The prefix of ids of entries made at that time; ids sort by time."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S.%f}"


def current_user() -> str:
    """The operating system's user, also behind sudo."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
