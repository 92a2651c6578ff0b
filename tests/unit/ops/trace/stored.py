"""Stories as the log and the documents once held them, of orders that really went through: `stories/`."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from chassis.storage.history import Transition
from ops.core.messages import RecordedMessage
from ops.core.trace.assemble import DocumentHistory, build_story
from ops.core.trace.model import Participant, Story

FOLDER = Path(__file__).parent / "stories"
NAMES = tuple(sorted(file.stem for file in FOLDER.glob("*.json")))


def messages(name: str) -> list[RecordedMessage]:
    return [RecordedMessage.model_validate(message) for message in _read(name)["messages"]]


def story(name: str) -> Story:
    raw = _read(name)
    return build_story(
        raw["order_id"], messages(name), [_document(document) for document in raw["documents"]], raw["remarks"]
    )


def _read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def _document(raw: dict[str, Any]) -> DocumentHistory:
    return DocumentHistory(
        owner=Participant(raw["owner"]),
        document_id=raw["document_id"],
        name=raw["name"],
        summary=raw["standing"],
        history=tuple(_transition(change) for change in raw["history"]),
        is_shared=raw["is_shared"],
    )


def _transition(raw: dict[str, Any]) -> Transition:
    return Transition.from_document(raw | {"at": datetime.fromisoformat(raw["at"])})
