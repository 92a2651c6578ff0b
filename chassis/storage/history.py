"""The history of a document: its newest transitions, stored in it and written with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from chassis.messaging.envelope import Delivery, Failure

_ERROR_KEPT = 200


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of a document: the message behind it, its time, and the document's summary after it.

    `attempt` and `failure` record the message's earlier failures: made at the third attempt, after that error.
    """

    version: int
    at: datetime
    message_id: str
    kind: str
    summary: str
    attempt: int = 1
    failure: Failure | None = None

    @classmethod
    def by(cls, delivery: Delivery, version: int, at: datetime, summary: str) -> Self:
        return cls(version, at, delivery.message_id, delivery.kind, summary, delivery.attempt, delivery.failure)

    def to_document(self) -> dict[str, Any]:
        """The stored form. Usual values are left out: every write carries the whole history."""
        document: dict[str, Any] = {
            "version": self.version,
            "at": self.at,
            "id": self.message_id,
            "kind": self.kind,
            "standing": self.summary,  # its first name, which 0.2.0 reads; the next version writes `summary`
        }
        if self.attempt > 1:
            document["attempt"] = self.attempt
        if self.failure is not None:
            document["error_type"] = self.failure.error_type
            document["error"] = self.failure.error[:_ERROR_KEPT]
            document["first_failed_at"] = self.failure.first_at
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        error_type = document.get("error_type")
        return cls(
            version=document["version"],
            at=document["at"],
            message_id=document["id"],
            kind=document["kind"],
            summary=document["summary"] if "summary" in document else document["standing"],
            attempt=document.get("attempt", 1),
            failure=Failure(error_type, document["error"], document["first_failed_at"]) if error_type else None,
        )
