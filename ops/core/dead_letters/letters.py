"""Dead letters as records in the document store.

RabbitMQ 4 counts how often a message of a quorum queue was returned, and drops it after 20 times; so messages must not
be read in a queue again and again. They are drained: written to the store, then acknowledged
(docs/decisions/0009-dead-letters-are-drained.md).
"""

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity
from pydantic import BaseModel, ConfigDict, Field

from chassis.errors import StoreUnavailableError
from chassis.messaging.envelope import utc_now
from chassis.messaging.headers import REPLAY_PLAN, known_headers
from chassis.storage.parked_outbox import ParkedMessage
from chassis.storage.records import MongoRecords
from chassis.storage.store import Store
from contracts.topology import QUEUES, QueueRole
from ops.core.dead_letters.outboxes import Outboxes, seen
from ops.core.large_bodies import LargeBodies, large_of
from ops.core.messages import Filter, RecordedMessage

DEAD_QUEUES = tuple(queue.name for queue in QUEUES if queue.role is QueueRole.DEAD)
_PER_DELIVERY = ("x-delivery-count", "x-acquired-count")
"""Headers that RabbitMQ changes each time it delivers a message."""
PARKING_AT = {
    dead_queue: {queue.name for queue in QUEUES if queue.dead_queue == dead_queue} for dead_queue in DEAD_QUEUES
}
"""The work queues whose messages end in a dead queue."""


class Stage(StrEnum):
    """The stage of a dead letter."""

    DRAFT = "draft"
    """An edited copy whose original has not been retired yet."""
    WAITING = "waiting"
    PUTTING_BACK = "putting back"
    """On its way back into an outbox; the next drain completes an interrupted return."""
    REPLAYED = "replayed"
    """Sent again, or put back into its outbox."""
    EDITED = "edited"
    DISCARDED = "discarded"


class DeadLetter(BaseModel):
    """A dead letter and the decision on it."""

    model_config = ConfigDict(frozen=True)

    letter_id: str
    dead_queue: str
    message: RecordedMessage
    taken_in_at: datetime
    stage: Stage = Stage.WAITING
    edited_from: str | None = Field(default=None, description="the letter this one is an edited copy of")
    edited_to: str | None = Field(default=None, description="the letter that replaces this one")
    plan_id: str | None = Field(default=None, description="the replay that sent it last")
    outbox_of: str | None = Field(
        default=None,
        description="the document whose outbox it could not leave: no queue had it, and it is put back there",
    )

    @property
    def queue(self) -> str:
        """The work queue a replay sends it to; empty if the header names one with another dead queue.

        The headers are written by the sender, and a replay may reach every queue: without this check, a compromised
        service could dead-letter a message and have an operator send it where the service itself may not.
        """
        return next((queue for queue in self.message.queues if queue in PARKING_AT.get(self.dead_queue, ())), "")

    @property
    def failed_at(self) -> datetime:
        """The time of its failure, from its headers, or else of its draining."""
        return self.message.failed_at or self.message.sent_at or self.taken_in_at

    def is_wanted(self, wanted: Filter) -> bool:
        """Whether it matches a filter. `queue` may also name the dead queue itself."""
        if wanted.matches(self.message, self.taken_in_at):
            return True
        rest = replace(wanted, queue=None)
        return wanted.queue == self.dead_queue and rest.matches(self.message, self.taken_in_at)

    @classmethod
    def of(cls, dead_queue: str, message: RecordedMessage) -> Self:
        return cls(letter_id=_id_of(dead_queue, message), dead_queue=dead_queue, message=message, taken_in_at=utc_now())

    @classmethod
    def of_outbox(cls, name: str, message: ParkedMessage) -> Self:
        return cls.of(name, seen(message)).model_copy(update={"outbox_of": message.document_id})


def summary(letter: DeadLetter) -> dict[str, Any]:
    """The fields of a letter in lists."""
    message = letter.message
    return {
        "letter_id": letter.letter_id,
        "stage": letter.stage,
        "dead_queue": letter.dead_queue,
        "outbox_of": letter.outbox_of,
        "queue": letter.queue,
        "kind": message.kind,
        "message_id": message.message_id,
        "correlation_id": message.correlation_id,
        "order_id": message.order_id,
        "error_type": message.error_type,
        "error": message.error,
        "attempts": message.attempt,
        "failed_at": message.failed_at,
    }


class NoSuchLetterError(Exception):
    """No dead letter has this id, or several begin with it."""

    def __init__(self, given: str, found: int) -> None:
        many = f"{found} dead letters begin with {given!r}: write more of it" if found else f"no dead letter {given!r}"
        super().__init__(f"{many}; `bellhop dead list --stage any` shows all ids.")


def letter_records(store: Store) -> MongoRecords[DeadLetter]:
    """The collection of dead letters."""
    indexed = ("letter_id", "stage", f"message.headers.{REPLAY_PLAN}", "message.large.digest")
    return store.records("dead_letters", DeadLetter, indexed=indexed)


async def waiting_letters(store: Store) -> tuple[int, datetime | None]:
    """The number of dead letters that wait for a decision, and the time of the oldest."""
    number, oldest = await letter_records(store).oldest("taken_in_at", stage=Stage.WAITING)
    return number, oldest.taken_in_at if oldest else None


class DeadLetters:
    """All dead letters of a system."""

    def __init__(self, store: Store, connection: AbstractConnection) -> None:
        self.records = letter_records(store)
        self.bodies = LargeBodies(store)
        self.outboxes = Outboxes(store)
        self._store = store
        self._connection = connection

    async def drain(self) -> list[DeadLetter]:
        """Move messages from the dead queues, and parked ones from outboxes, into the store. Returns the new ones.

        A crash in between delivers a message again, and it gets the same id again. Raises StoreUnavailableError at the
        first failure of the store, and before any message is fetched when the store takes no writes: each fetch that
        ends without an acknowledgement brings the broker closer to dropping the message.
        """
        await self._store.require_writes()
        await self._finish_edits()
        await self._finish_putting_back()
        taken = await self._drain_outboxes()
        for name in DEAD_QUEUES:
            channel = await self._connection.channel()
            try:
                queue = await channel.declare_queue(name, passive=True)
                while (message := await queue.get(fail=False)) is not None:
                    letter = await self._storable(DeadLetter.of(name, RecordedMessage.of(message)))
                    if await self._add(letter):
                        taken.append(letter)
                    await message.ack()
            except ChannelNotFoundEntity:
                continue  # no service has declared it yet, so nothing was ever parked
            finally:
                await channel.close()
        return taken

    async def _drain_outboxes(self) -> list[DeadLetter]:
        taken = []
        async for name, message in self.outboxes.parked():
            letter = await self._storable(DeadLetter.of_outbox(name, message))
            if await self.records.add(letter.letter_id, letter):
                taken.append(letter)
            else:
                # Returned once, and parked again: its document was restored to an earlier time.
                await self.move(letter.model_copy(update={"stage": Stage.REPLAYED}), Stage.WAITING)
            await self.outboxes.remove(name, message)
        return taken

    async def _add(self, letter: DeadLetter) -> bool:
        try:
            return await self.records.add(letter.letter_id, letter)
        except StoreUnavailableError:
            raise
        except Exception as error:
            # Something in it has no form in the store. The headers of ours always have: they are texts and numbers.
            headers = {**known_headers(letter.message.headers), "left_out": f"the other headers: {error!r}"[:500]}
            message = letter.message.model_copy(update={"headers": headers})
            return await self.records.add(letter.letter_id, letter.model_copy(update={"message": message}))

    async def _storable(self, letter: DeadLetter) -> DeadLetter:
        return letter.model_copy(update={"message": await self.bodies.keep(letter.message)})

    async def matching(self, wanted: Filter, stage: Stage | None = Stage.WAITING) -> list[DeadLetter]:
        """The letters in a stage (None: any) that match a filter, the oldest failure first."""
        if stage:
            found = (await self.records.find(stage=stage.value)).values()
            letters = [letter for letter in found if letter.is_wanted(wanted)]
        else:
            letters = [letter async for letter in self._all() if letter.is_wanted(wanted)]
        return sorted(letters, key=lambda letter: (letter.failed_at, letter.letter_id))

    async def _all(self) -> AsyncIterator[DeadLetter]:
        """Every letter, in parts by the first digit of the ids."""
        begins = ["", *(f"dl_{digit:x}" for digit in range(1, 16))]
        for least, below in zip(begins, [*begins[1:], None], strict=True):
            for letter in (await self.records.between("letter_id", least, below)).values():
                yield letter

    async def named(self, ids: Iterable[str]) -> list[DeadLetter]:
        """The letters with these ids or id prefixes. Raises NoSuchLetterError."""
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

    async def replace(self, old: DeadLetter, new: DeadLetter) -> bool:
        """Store the copy and retire the original. False if the original no longer waits.

        The next drain completes what a failure of the store interrupted.
        """
        draft = (await self._storable(new)).model_copy(update={"stage": Stage.DRAFT})
        await self.records.add(draft.letter_id, draft)
        if not await self.move(old, Stage.EDITED, edited_to=draft.letter_id):
            await self.records.remove([draft.letter_id])
            return False
        await self.move(draft, Stage.WAITING)
        return True

    async def _finish_edits(self) -> None:
        for draft in (await self.records.find(stage=Stage.DRAFT.value)).values():
            old = (await self.records.get([draft.edited_from or ""])).get(draft.edited_from or "")
            if old is not None and old.edited_to == draft.letter_id:
                await self.move(draft, Stage.WAITING)
            elif (
                old is None or old.stage is Stage.EDITED
            ):  # its editor died, and another edit has replaced the original
                await self.remove([draft])

    async def put_back(self, letter: DeadLetter) -> bool:
        """Return a waiting letter to its outbox. False if it does not wait or comes from no outbox, or its document is
        gone."""
        if letter.outbox_of is None or not await self.move(letter, Stage.PUTTING_BACK):
            return False
        return await self._finish_one(letter.model_copy(update={"stage": Stage.PUTTING_BACK}))

    async def _finish_putting_back(self) -> None:
        for letter in (await self.records.find(stage=Stage.PUTTING_BACK.value)).values():
            await self._finish_one(letter)

    async def _finish_one(self, letter: DeadLetter) -> bool:
        whole = await self.bodies.whole(letter.message)
        is_back = await self.outboxes.put_back(letter.dead_queue, letter.outbox_of or "", whole)
        await self.move(letter, Stage.REPLAYED if is_back else Stage.WAITING)
        return is_back

    async def remove(self, letters: Sequence[DeadLetter]) -> int:
        """Delete letters permanently, with large bodies that no other letter uses."""
        removed = await self.records.remove(letter.letter_id for letter in letters)
        for large in {letter.message.large for letter in letters if letter.message.large}:
            if not await self.records.find(**{"message.large.digest": large.digest}):
                await self.bodies.remove(large)
        return removed

    async def rewrite(self, letter: DeadLetter, message: RecordedMessage) -> bool:
        """Replace what the letter says, and delete a large body that no letter has any more. False if another operator
        has moved the letter. `letter` has its whole body."""
        new = await self.bodies.keep(message)
        changed = {"message": new.model_dump(mode="json")}
        if not await self.records.change(letter.letter_id, changed, stage=letter.stage.value):
            return False
        large = large_of(letter.message)
        if large is not None and not await self.records.find(**{"message.large.digest": large.digest}):
            await self.bodies.remove(large)
        return True

    async def move(self, letter: DeadLetter, to: Stage, **also: Any) -> bool:
        """Move a letter to another stage. False if another operator was first."""
        return await self.records.change(letter.letter_id, {"stage": to.value, **also}, stage=letter.stage.value)


def _id_of(dead_queue: str, message: RecordedMessage) -> str:
    """The id of a delivery's letter, equal for a repeated delivery; a message dead-lettered again is another letter.

    All of it counts: messages of other systems may have neither ids nor times, and differ only by their kind.
    """
    headers = {name: value for name, value in message.headers.items() if name not in _PER_DELIVERY}
    said = message.model_copy(update={"body": hashlib.sha256(message.body).digest(), "headers": headers})
    return "dl_" + hashlib.sha256(f"{dead_queue}\0{said.model_dump_json()}".encode()).hexdigest()[:12]
