"""Dead letters as records in the document store.

RabbitMQ 4 counts how often a message of a quorum queue was given back, and drops it after 20 times; so a queue is no
place to look at messages again and again. They are taken in: written to the store, then acknowledged
(docs/decisions/0009-dead-letters-are-taken-in.md).
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity
from pydantic import BaseModel, ConfigDict, Field

from chassis.envelope import utc_now
from chassis.store import Records, Store
from contracts.topology import DEAD, QUEUES
from ops.messages import Filter, Seen

PLAN_HEADER = "replay_plan"
"""The header that names the replay a message was sent by."""

DEAD_QUEUES = tuple(queue.name for queue in QUEUES if any(b.exchange == DEAD.name for b in queue.bindings))
PARKING_AT = {
    dead_queue: {queue.name for queue in QUEUES if queue.arguments.get("x-dead-letter-routing-key") == dead_queue}
    for dead_queue in DEAD_QUEUES
}
"""The work queues whose messages end in a dead queue."""


class Stage(StrEnum):
    """What has become of a dead letter."""

    WAITING = "waiting"
    REPLAYED = "replayed"
    EDITED = "edited"
    DISCARDED = "discarded"


class DeadLetter(BaseModel):
    """One parked message and what was decided about it."""

    model_config = ConfigDict(frozen=True)

    letter_id: str
    dead_queue: str
    message: Seen
    taken_in_at: datetime
    stage: Stage = Stage.WAITING
    edited_from: str | None = Field(default=None, description="the letter this one is an edited copy of")
    edited_to: str | None = Field(default=None, description="the letter that replaces this one")
    plan_id: str | None = Field(default=None, description="the replay that sent it last")

    @property
    def queue(self) -> str:
        """The work queue it came from, where a replay sends it; empty when it names one that parks elsewhere.

        The headers are its sender's word, and a replay may reach every queue: without this, a service that was broken
        into could park a message and have an operator send it where the service itself may not.
        """
        return next((queue for queue in self.message.queues if queue in PARKING_AT.get(self.dead_queue, ())), "")

    @classmethod
    def of(cls, dead_queue: str, message: Seen) -> Self:
        return cls(letter_id=_id_of(dead_queue, message), dead_queue=dead_queue, message=message, taken_in_at=utc_now())


class NoSuchLetterError(Exception):
    """No dead letter has this id, or more than one begins so."""

    def __init__(self, given: str, found: int) -> None:
        many = f"{found} dead letters begin with {given!r}: write more of it" if found else f"no dead letter {given!r}"
        super().__init__(f"{many}; `bellhop dead list --stage any` shows all ids.")


def letter_records(store: Store) -> Records[DeadLetter]:
    """Where dead letters are kept."""
    return store.records("dead_letters", DeadLetter, indexed=("letter_id", "stage", f"message.headers.{PLAN_HEADER}"))


async def waiting_letters(store: Store) -> tuple[int, datetime | None]:
    """How many dead letters wait in the store for a decision, and since when the oldest."""
    number, oldest = await letter_records(store).oldest("taken_in_at", stage=Stage.WAITING)
    return number, oldest.taken_in_at if oldest else None


class DeadLetters:
    """All dead letters of a system."""

    def __init__(self, store: Store, connection: AbstractConnection) -> None:
        self.records = letter_records(store)
        self._store = store
        self._connection = connection

    async def take_in(self) -> list[DeadLetter]:
        """Move what lies in the dead queues into the store. Returns what was new.

        A crash in between delivers a message again, and it gets the same id again. Raises StoreUnavailableError at the
        first failure of the store, and before any message is fetched when the store takes no writes: each fetch that
        ends without an acknowledgement brings the broker closer to dropping the message.
        """
        await self._store.require_writes()
        taken = []
        for name in DEAD_QUEUES:
            channel = await self._connection.channel()
            try:
                queue = await channel.declare_queue(name, passive=True)
                while (message := await queue.get(fail=False)) is not None:
                    letter = DeadLetter.of(name, Seen.of(message))
                    if await self.records.add(letter.letter_id, letter):
                        taken.append(letter)
                    await message.ack()
            except ChannelNotFoundEntity:
                continue  # no service has declared it yet, so nothing was ever parked
            finally:
                await channel.close()
        return taken

    async def matching(self, wanted: Filter, stage: Stage | None = Stage.WAITING) -> list[DeadLetter]:
        """The letters in a stage (None: any) that a filter finds, the oldest failure first."""
        found = await (self.records.find(stage=stage.value) if stage else self.records.find())
        letters = [letter for letter in found.values() if wanted.matches(letter.message) or _lies_in(letter, wanted)]
        return sorted(letters, key=lambda letter: (letter.message.failed_at or letter.taken_in_at, letter.letter_id))

    async def named(self, ids: Iterable[str]) -> list[DeadLetter]:
        """The letters with these ids, or whose ids begin so. Raises NoSuchLetterError."""
        asked = list(ids)
        exact = await self.records.get(asked)
        letters = []
        for given in asked:
            fitting = [exact[given]] if given in exact else await self._beginning(given)
            if len(fitting) != 1:
                raise NoSuchLetterError(given, len(fitting))
            letters.append(fitting[0])
        return letters

    async def _beginning(self, with_text: str) -> list[DeadLetter]:
        return list((await self.records.between("letter_id", with_text, f"{with_text}~")).values())

    async def move(self, letter: DeadLetter, to: Stage, **also: Any) -> bool:
        """Put a letter into another stage. False when somebody else was first."""
        return await self.records.change(letter.letter_id, {"stage": to.value, **also}, stage=letter.stage.value)


def _lies_in(letter: DeadLetter, wanted: Filter) -> bool:
    """Whether the filter names the dead queue itself, and all else fits."""
    if wanted.queue != letter.dead_queue:
        return False
    rest = Filter(None, wanted.kind, wanted.error, wanted.order, wanted.correlation, wanted.since, wanted.until)
    return rest.matches(letter.message)


def _id_of(dead_queue: str, message: Seen) -> str:
    """The same delivery always has the same id; parked once more, a message is another letter."""
    failed_at = message.headers.get("last_failed_at") or message.headers.get("x-death") or message.sent_at
    parts = (dead_queue.encode(), message.message_id.encode(), str(failed_at).encode(), message.body)
    return "dl_" + hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
