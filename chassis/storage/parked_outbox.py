"""Parks outgoing messages that the broker keeps refusing: they are moved out of the outbox, each with its reason.

They stay in their document, in the field `parked`, so that one guarded write moves a message: it is in the outbox or
parked after any crash, and in one of the two places after a restore. No decision reads them; a write carries them along
like every field it does not know (unknown_fields.py). Operators drain them as dead letters and can put them back
(docs/decisions/0036-refused-outbox-entries.md).
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.errors import PublishRefusedError
from chassis.messaging.envelope import Envelope

PARKED_SINCE = "parked_since"
"""When the oldest parked message of a document was parked: the field of a sparse index."""

_LONGEST_ERROR = 1000
"""Characters."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that the broker refuses, the last reason, and the time of the first refusal."""

    envelope: Envelope
    error: PublishRefusedError
    since: datetime


@dataclass(frozen=True, slots=True)
class ParkedMessage:
    """A parked message of a document. `parked_at` (ISO 8601) and the message id identify this parking."""

    document_id: str
    envelope: Envelope
    error_type: str
    error: str
    parked_at: str
    service: str


class ParkedOutbox:
    """The parked messages of one collection of documents. Every method raises StoreUnavailableError."""

    def __init__(
        self, collection: Any, service: str, asked: Callable[[str, str], AbstractAsyncContextManager[None]]
    ) -> None:
        self._collection = collection
        self._service = service
        self._asked = asked

    async def park(
        self, document_id: str, version: int, refusals: Collection[Refusal], unsent: Collection[str], now: datetime
    ) -> bool:
        """Park messages of an outbox; of the others, those whose ids are in `unsent` stay, and the rest has left.

        The document gets the next version. False when it is no longer at `version`.
        """
        reasons = {refusal.envelope.message_id: refusal.error for refusal in refusals}
        async with self._asked(f"parking messages of {document_id}", "write"):
            raw = await self._collection.find_one({"_id": document_id, "version": version})
            if raw is None:
                return False
            parked = [
                entry
                | {
                    "error_type": type(reasons[entry["id"]]).__name__,
                    "error": str(reasons[entry["id"]])[:_LONGEST_ERROR],
                    "parked_at": now.isoformat(),
                    "service": self._service,
                }
                for entry in raw["outbox"]
                if entry["id"] in reasons
            ]
            outbox = [entry for entry in raw["outbox"] if entry["id"] in unsent]
            return await self._change(raw, outbox, [*raw.get("parked", ()), *parked], now)

    async def all(self) -> list[ParkedMessage]:
        """Every parked message of the collection, those of the longest parked document first."""
        async with self._asked("listing parked messages", "sweep"):
            cursor = self._collection.find({PARKED_SINCE: {"$exists": True}}, projection={"parked": 1})
            found = [raw async for raw in cursor.sort(PARKED_SINCE, 1)]
        return [
            ParkedMessage(
                raw["_id"],
                Envelope.from_document(entry),
                entry["error_type"],
                entry["error"],
                entry["parked_at"],
                entry["service"],
            )
            for raw in found
            for entry in raw["parked"]
        ]

    async def remove(self, message: ParkedMessage) -> bool:
        """Remove one from its document. False if it is no longer there."""
        named = (message.envelope.message_id, message.parked_at)
        async with self._asked(f"taking a parked message of {message.document_id}", "write"):
            while (raw := await self._collection.find_one({"_id": message.document_id})) is not None:
                parked = raw.get("parked", [])
                left = [entry for entry in parked if (entry["id"], entry["parked_at"]) != named]
                if len(left) == len(parked):
                    return False
                if await self._change(raw, raw["outbox"], left, raw.get("unsent_since")):
                    return True
        return False

    async def put_back(self, document_id: str, envelope: Envelope, now: datetime) -> bool:
        """Append a message to its document's outbox unless it is there already. False if the document is gone."""
        async with self._asked(f"putting a message back into the outbox of {document_id}", "write"):
            while (raw := await self._collection.find_one({"_id": document_id})) is not None:
                if any(entry["id"] == envelope.message_id for entry in raw["outbox"]):
                    return True
                outbox = [*raw["outbox"], envelope.to_document()]
                if await self._change(raw, outbox, raw.get("parked", []), raw.get("unsent_since", now)):
                    return True
        return False

    async def _change(
        self, raw: Mapping[str, Any], outbox: list[Any], parked: list[Any], unsent_since: datetime | None
    ) -> bool:
        """Set both lists. The version is increased: a service's remembered copy must not overwrite them."""
        since = datetime.fromisoformat(parked[0]["parked_at"]) if parked else None
        fields = {"parked": parked or None, PARKED_SINCE: since, "unsent_since": unsent_since if outbox else None}
        kept = {name: value for name, value in fields.items() if value is not None}
        change: dict[str, Any] = {"$set": kept | {"outbox": outbox, "version": raw["version"] + 1}}
        if gone := {name: "" for name in fields if name not in kept}:
            change["$unset"] = gone
        result = await self._collection.update_one({"_id": raw["_id"], "version": raw["version"]}, change)
        return bool(result.matched_count)
