"""Group commit: concurrent writes to different documents of one collection leave in one round trip.

A write that finds none under way leaves at once, alone. Those that come meanwhile leave together when it is back. Each
has its own guard, its own outcome and its own error; none returns before it is acknowledged.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import InsertOne, ReplaceOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, WriteConcernError

from chassis.runtime import background

_AT_ONCE = 50
"""Documents per round trip: more of them may take longer than the time-out."""
_LARGE = 1 << 20
"""Bytes. A larger document goes alone: the limits of a round trip are not its neighbours' concern."""
_DUPLICATE_KEY = 11000
_AS_READ: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


@dataclass(eq=False, slots=True)
class _Write:
    document: RawBSONDocument
    over: int
    """The version that it replaces; 0: none, the document is new."""
    written: "asyncio.Future[bool]"

    @property
    def query(self) -> Mapping[str, Any]:
        return {"_id": self.document["_id"], "version": self.over}

    @property
    def decoded(self) -> Mapping[str, Any]:
        return bson.decode(self.document.raw, _AS_READ)

    @property
    def operation(self) -> InsertOne[Any] | ReplaceOne[Any]:
        return ReplaceOne(self.query, self.document) if self.over else InsertOne(self.document)


class GroupCommit:
    """The writes of one collection from this process."""

    def __init__(self, collection: Any, on_round_trip: Callable[[], None]) -> None:
        self._collection = collection
        self._on_round_trip = on_round_trip
        self._waiting: list[_Write] = []
        self._sending: asyncio.Task[None] | None = None

    async def write(self, document: Mapping[str, Any]) -> bool:
        """Write version n over version n-1 (version 1: insert). False if another writer was first.

        Raises PyMongoError, and what BSON raises for a document that it cannot hold.
        """
        encoded = RawBSONDocument(bson.encode(document))  # here: a document that cannot be is no other's error
        write = _Write(encoded, document["version"] - 1, asyncio.get_running_loop().create_future())
        if len(encoded.raw) > _LARGE:
            self._on_round_trip()
            return await self._alone(write)
        self._waiting.append(write)
        if self._sending is None:
            self._sending = background.start(self._send(), "group commit")
        return await write.written

    async def _send(self) -> None:
        """Send until none waits. Errors are the writers'."""
        batch: list[_Write] = []
        try:
            while batch := self._next():
                self._on_round_trip()
                try:
                    await self._send_batch(batch)
                except Exception as error:
                    for write in batch:
                        _end(write, error)
        finally:  # with writers left only if this task was cancelled, as at the end of the process
            self._sending = None
            for write in (*batch, *self._waiting):
                write.written.cancel()
            self._waiting.clear()

    def _next(self) -> list[_Write]:
        batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
        return [write for write in batch if not write.written.done()]  # else its writer was cancelled

    async def _send_batch(self, batch: Sequence[_Write]) -> None:
        if len(batch) == 1:
            _end(batch[0], await self._alone(batch[0]))
            return
        errors: dict[int, Mapping[str, Any]] = {}
        try:
            result = await self._collection.bulk_write([write.operation for write in batch], ordered=False)
            matched = result.matched_count
        except BulkWriteError as error:
            if error.details["writeConcernErrors"]:
                raise WriteConcernError(str(error)) from error  # written, but not durably: as if unanswered
            errors = {each["index"]: each for each in error.details["writeErrors"]}
            matched = error.details["nMatched"]
        answered = [write for index, write in enumerate(batch) if index not in errors]
        replaced = [write for write in answered if write.over]
        made = {write for write in answered if not write.over}
        if matched == len(replaced):
            made |= set(replaced)
        elif matched:
            made |= await self._found(replaced)
        for index, write in enumerate(batch):
            error_of = errors.get(index)
            if error_of is None or error_of["code"] == _DUPLICATE_KEY:
                _end(write, write in made)
            else:
                _end(write, OperationFailure(error_of["errmsg"], error_of["code"]))

    async def _found(self, replaced: Sequence[_Write]) -> set[_Write]:
        """Those of the writes that have been made.

        An answer says how many guards have held, not which. A document that is now as this process wrote it has been
        written; one that is not, or not any more, is decided on again, as after a write whose answer was lost.
        """
        ids = [write.document["_id"] for write in replaced]
        found = {raw["_id"]: raw async for raw in self._collection.find({"_id": {"$in": ids}})}
        return {write for write in replaced if found.get(write.document["_id"]) == write.decoded}

    async def _alone(self, write: _Write) -> bool:
        if write.over:
            return bool((await self._collection.replace_one(write.query, write.document)).matched_count)
        try:
            await self._collection.insert_one(write.document)
        except DuplicateKeyError:
            return False
        return True


def _end(write: _Write, outcome: bool | Exception) -> None:
    if write.written.done():
        return  # its writer was cancelled
    if isinstance(outcome, bool):
        write.written.set_result(outcome)
    else:
        write.written.set_exception(outcome)
