"""What was ever written into documents, watched at the store: a law may ask what became of it."""

from typing import Any

from contracts.topology import COMMANDS, EVENTS
from tests.simulation.store.queries import Document
from tests.simulation.store.server import Collection

_DECIDED = ("orders", "payments", "sweeps")
"""Collections whose documents change once for each message. Of `stock`, the decision alone determines that."""


class Writes:
    """Watches every write of a history."""

    def __init__(self) -> None:
        self.repeated: list[str] = []
        """Messages that have changed a document a second time."""
        self.promised: dict[str, str] = {}
        """Ids of the commands and events that an outbox has held, with what they are."""
        self._causes: dict[tuple[str, Any], set[str]] = {}

    def written(self, of: Collection, document_id: Any, before: Document | None) -> None:
        document = of.documents.get(document_id)
        if document is None or not document.get("history"):
            return
        newest = document["history"][-1]
        is_decision = newest["version"] == document["version"] != (before or {}).get("version")
        if not is_decision:
            return
        for entry in document["outbox"]:
            if entry["exchange"] in (COMMANDS.name, EVENTS.name):
                self.promised[entry["id"]] = f"{entry['kind']} of version {document['version']} of {document_id}"
        if of.name in _DECIDED:
            causes = self._causes.setdefault((of.name, document_id), set())
            if newest["id"] in causes:
                self.repeated.append(f"{newest['kind']} {newest['id']} in version {document['version']}")
            causes.add(newest["id"])
