"""Stores bodies that are too large for one document in separate pieces.

Lists, pages and plans hold the beginning of such a body; code that parses, sends or edits it loads the whole.
"""

import hashlib
from base64 import b64decode, b64encode

from pydantic import BaseModel, ConfigDict

from chassis.storage.records import MongoRecords
from chassis.storage.store import Store
from ops.core.messages import LargeBody, RecordedMessage

INLINE = 256 * 1024
"""Bytes of a body that are kept with its message. MongoDB takes 16 MiB per document."""
_BEGINNING = 4096
_PIECE = 4 * 1024 * 1024


class BodyGoneError(Exception):
    """The body was deleted together with its dead letter."""

    def __init__(self, body: LargeBody) -> None:
        super().__init__(f"the body of {body.size} bytes (sha256 {body.digest}) was deleted with its dead letter")


class Piece(BaseModel):
    """A part of a body."""

    model_config = ConfigDict(frozen=True)

    digest: str
    number: int
    base64: str


def large_of(seen: RecordedMessage) -> LargeBody | None:
    """Where the body of this message is kept in pieces, given the whole; None: it is kept with its message."""
    if len(seen.body) <= INLINE:
        return seen.large
    return LargeBody(digest=hashlib.sha256(seen.body).hexdigest(), size=len(seen.body))


class LargeBodies:
    """Separately stored bodies, by digest: equal bodies are stored once."""

    def __init__(self, store: Store) -> None:
        self._pieces: MongoRecords[Piece] = store.records("large_bodies", Piece)

    async def keep(self, seen: RecordedMessage) -> RecordedMessage:
        """The message with a body that fits into a document."""
        large = large_of(seen)
        if large is None or len(seen.body) <= INLINE:
            return seen
        digest = large.digest
        for number, start in enumerate(range(0, len(seen.body), _PIECE)):
            piece = Piece(digest=digest, number=number, base64=b64encode(seen.body[start : start + _PIECE]).decode())
            await self._pieces.put({_piece_id(digest, number): piece})
        return seen.model_copy(update={"body": seen.body[:_BEGINNING], "large": large})

    async def whole(self, seen: RecordedMessage) -> RecordedMessage:
        """The message with its whole body. Raises BodyGoneError."""
        if seen.large is None:
            return seen
        digest, size = seen.large.digest, seen.large.size
        ids = [_piece_id(digest, number) for number in range(-(-size // _PIECE))]
        pieces = [(await self._pieces.get([one])).get(one) for one in ids]
        body = b"".join(b64decode(piece.base64) for piece in pieces if piece)
        if len(body) != size:
            raise BodyGoneError(seen.large)
        return seen.model_copy(update={"body": body, "large": None})

    async def remove(self, body: LargeBody) -> None:
        """Delete a body that no letter uses any more."""
        await self._pieces.remove(_piece_id(body.digest, number) for number in range(-(-body.size // _PIECE)))


def _piece_id(digest: str, number: int) -> str:
    return f"{digest}.{number}"
