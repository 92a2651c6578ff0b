"""Who did what to messages, and why: every replay, edit, discard and restore leaves a record here."""

import getpass
import os
import uuid
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from chassis.envelope import utc_now
from chassis.store import Store


class AuditEntry(BaseModel):
    """One thing an operator did."""

    model_config = ConfigDict(frozen=True)

    entry_id: str
    at: datetime
    who: str
    why: str
    action: str = Field(description="replay, pause, edit, discard, restore, empty")
    subjects: tuple[str, ...] = Field(description="ids of the dead letters, or of the plan")
    detail: str = ""


class AuditLog:
    """Kept in the document store beside the orders. Nothing here changes or removes an entry."""

    def __init__(self, store: Store) -> None:
        self._entries = store.records("audit_log", AuditEntry, indexed=("entry_id",))

    async def note(self, action: str, who: str, why: str, subjects: tuple[str, ...], detail: str = "") -> AuditEntry:
        """Record what is about to be done. Called before it is done, so that nothing is done unrecorded."""
        now = utc_now()
        entry_id = f"{_id_at(now)}-{uuid.uuid4().hex[:6]}"
        entry = AuditEntry(entry_id=entry_id, at=now, who=who, why=why, action=action, subjects=subjects, detail=detail)
        await self._entries.add(entry_id, entry)
        return entry

    async def entries(self, since: datetime | None = None) -> list[AuditEntry]:
        """The newest last."""
        found = await (self._entries.between("entry_id", _id_at(since)) if since else self._entries.find())
        return [entry for _, entry in sorted(found.items())]


def _id_at(moment: datetime) -> str:
    """What the ids of entries made at that time begin with; they sort by time."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S.%f}"


def current_user() -> str:
    """Who is at the keyboard, also behind sudo."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
