"""Cursors: a place in a list, the newest first, as a text for those who page through it."""

import base64
import binascii
import json
from datetime import datetime

from chassis.decision import Refused
from chassis.storage.documents import Position
from contracts.orders import Reason

NO_CURSOR = Refused(Reason.CURSOR_INVALID, "This cursor is of no page of this list: begin at the first page.")
_YEARS = range(2000, 3000)


def cursor_of(position: Position | None) -> str | None:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode() if position else None


def position_of(cursor: str | None) -> Position | None:
    """Raises ValueError."""
    if cursor is None:
        return None
    try:
        created_at, document_id = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(created_at, str) or not isinstance(document_id, str):
        raise ValueError("a cursor holds two texts")
    created = datetime.fromisoformat(created_at)
    if created.tzinfo is None or created.year not in _YEARS:
        raise ValueError("no time of a document")
    return Position(created_at, document_id)
