"""What was ever written into documents, watched at the store: a law may ask what became of it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from contracts.topology import COMMANDS, EVENTS
from tests.simulation.store.queries import Document
from tests.simulation.store.server import AsStored, Collection

_DECIDED = ("orders", "payments", "psp_sweeps")
"""Collections whose documents change once for each message. Of `stock`, the decision alone determines that."""


_ALARMING: Mapping[str, Callable[[Document], bool]] = {
    "BellhopOrderNeedsReview": lambda state: state["status"] == "needs_review",
    "BellhopRefundFailed": lambda state: any(each["stage"] == "failed" for each in state.get("refunds", ())),
}
"""Alarms about an order's state, which may last for less than the time between two looks."""

_LARGEST = 20 * 1024
"""Bytes of a document; the largest of a hostile history has 12 KiB."""
_LARGEST_OF = {"receipt_registers": 64 * 1024}
"""A register may remember 32 receipts of up to a KiB, and have as many in its outbox."""


class Writes:
    """Watches every write of a history."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.repeated: list[str] = []
        """Messages that have changed a document a second time."""
        self.promised: dict[str, str] = {}
        """Ids of the commands and events that an outbox has held, with what they are."""
        self.oversized: list[str] = []
        self.largest = 0
        """Bytes of the largest document."""
        self.alarming: dict[str, list[float]] = {}
        """By alarm, when an order got into the state that it is about, for however short."""
        self._causes: dict[tuple[str, Any], set[str]] = {}

    def written(self, of: Collection, document_id: Any, before: Document | None) -> None:
        document = of.documents.get(document_id)
        if isinstance(document, AsStored):
            self._measure(of, document)
        if document is None or not document.get("history"):
            return
        newest = document["history"][-1]
        is_decision = newest["version"] == document["version"] != (before or {}).get("version")
        if not is_decision:
            return
        for entry in document["outbox"]:
            if entry["exchange"] in (COMMANDS.name, EVENTS.name):
                self.promised[entry["id"]] = f"{entry['kind']} of version {document['version']} of {document_id}"
        if of.name == "orders":
            for name, is_so in _ALARMING.items():
                if is_so(document["state"]):
                    self.alarming.setdefault(name, []).append(self._clock())
        if of.name in _DECIDED:
            causes = self._causes.setdefault((of.name, document_id), set())
            if newest["id"] in causes:
                self.repeated.append(f"{newest['kind']} {newest['id']} in version {document['version']}")
            causes.add(newest["id"])

    def reverted(self, of: Collection, changed: Iterable[Any]) -> None:
        """These are about to be restored: what they were to send may never be sent, and their messages come again."""
        for document_id in changed:
            for entry in of.documents.get(document_id, {}).get("outbox", ()):
                self.promised.pop(entry["id"], None)
            self._causes.pop((of.name, document_id), None)

    def _measure(self, of: Collection, document: AsStored) -> None:
        size = len(document.encoded)
        self.largest = max(self.largest, size)
        if size > _LARGEST_OF.get(of.name, _LARGEST):
            self.oversized.append(f"{document['_id']} in {of.name} has {size} bytes in version {document['version']}")
