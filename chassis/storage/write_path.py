"""One message, one document, one write: load, decide, write on condition, publish, clear.

See docs/how-a-message-is-handled.md for why nothing is lost at any step in between.
"""

import asyncio
import math
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Generic, TypeVar

import structlog

from chassis.decision import Applied, Decision, Duplicate, Outcome, StateT
from chassis.errors import (
    ConflictError,
    DestinationUnavailableError,
    NewerDocumentError,
    PublishFailedError,
    PublishRefusedError,
    StoreUnavailableError,
    is_outage,
    is_transient,
)
from chassis.messaging.envelope import Delivery, Envelope, Publisher, utc_now
from chassis.messaging.own_causes import DEADLINE
from chassis.runtime.background import Loop
from chassis.runtime.backoff import Backoff
from chassis.runtime.health import Check
from chassis.runtime.waiting import Waiting
from chassis.storage.documents import Documents
from chassis.storage.history import Transition
from chassis.storage.keyed import KeyedLocks, RecentValues
from chassis.storage.parked_outbox import Refusal
from chassis.storage.stored_document import Stored, with_old_folded
from contracts.ids import bounded_id

log = structlog.get_logger()

_TRIES = 8
_RELAY_AFTER = timedelta(seconds=2)
_TOO_OLD = timedelta(seconds=30)
_PARK_AFTER = timedelta(minutes=5)
_SWEEP_LIMIT = 200
# Well below the 2 s of the relay. A document written again meanwhile needs no clearing: its next write does it.
_CLEAR_EVERY = 1.0
# Documents per round trip. After an outage hundreds need clearing: an unbounded batch takes longer than the store's
# time-out, fails as a whole, grows, and never succeeds (measured: 10 ms per document).
_CLEAR_AT_ONCE = 50
_REMEMBERED = 2048
_LONGEST_PAUSE = 60.0
_FAILURES_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Handled(Generic[StateT]):
    """The outcome of a message, and the document's state after it (None: the document does not exist)."""

    outcome: Outcome[StateT]
    state: StateT | None


@dataclass(frozen=True, slots=True)
class _Refused:
    """The messages of a document's outbox that the broker has refused at this version. All others were published."""

    version: int
    refusals: tuple[Refusal, ...] = ()

    @property
    def envelopes(self) -> tuple[Envelope, ...]:
        return tuple(refusal.envelope for refusal in self.refusals)

    def since(self, message_id: str) -> datetime | None:
        """The time of the first refusal of a message. None: it has not been refused."""
        return next((each.since for each in self.refusals if each.envelope.message_id == message_id), None)


InputT = TypeVar("InputT")


class WritePath(Generic[StateT, InputT]):
    """Applies the decisions of one aggregate to its documents and publishes their messages."""

    def __init__(
        self,
        documents: Documents[StateT],
        bus: Publisher,
        decide: Callable[[StateT | None, InputT, datetime], Decision[StateT]],
        *,
        on_deadline: InputT | None = None,
        deduplicates: bool = True,
        clock: Callable[[], datetime] = utc_now,
        new_life: Callable[[], str] = lambda: secrets.token_hex(6),
        park_after: timedelta = _PARK_AFTER,
    ) -> None:
        """`on_deadline`: the input to decide on when a document's deadline has passed; None: another part sweeps them.

        `deduplicates`: whether a repeated delivery that the document has handled is a duplicate; otherwise the decision
        alone determines that. `park_after`: how long the broker must refuse a message, for its own sake, before it is
        parked.
        """
        self._documents = documents
        self._bus = bus
        self._decision = decide
        self._on_deadline = on_deadline
        self._deduplicates = deduplicates
        self._clock = clock
        self._new_life = new_life
        self._park_after = park_after
        self._locks = KeyedLocks()
        self._written: RecentValues[Stored[StateT]] = RecentValues(_REMEMBERED)
        # Documents whose outbox was fully published at this version, but is not yet cleared in the store.
        self._sent: dict[str, int] = {}
        self._refused: dict[str, _Refused] = {}
        self._clearing = asyncio.Lock()
        self._backoff = Backoff(_LONGEST_PAUSE)

    async def handle(
        self,
        document_id: str,
        message: InputT,
        delivery: Delivery,
        *,
        likely_new: bool = False,
    ) -> Handled[StateT]:
        """Decide on the current document and apply the decision. Returns once everything is stored and confirmed.

        If another writer was first, it decides again on the newer document. `likely_new`: the document probably does
        not exist yet, so it is not loaded first. Raises what the decision raises, and TransientError if the store or
        the broker is unavailable, or other writers keep winning.
        """
        async with self._locks.holding(document_id):
            # The document this process wrote last is used without reading it again. If it has changed since, the
            # guarded write fails; any outcome other than *applied*, and any error, requires one that was just read.
            stored = self._written.get(document_id)
            guessed = stored is not None or likely_new
            for _ in range(_TRIES):
                if not guessed:
                    stored = await self._load(document_id)
                decided = await self._decide(document_id, stored, message, delivery, guessed=guessed)
                if decided is not None and (isinstance(decided.outcome, Applied) or not guessed):
                    return decided
                guessed = False
        raise ConflictError(document_id, _TRIES)

    async def delete(self, document_id: str, may_go: Callable[[StateT], bool]) -> bool:
        """Delete a document, unless its state says that it may not go, or messages of it have not left.

        False as well if another writer was first. Raises StoreUnavailableError and NewerDocumentError.
        """
        async with self._locks.holding(document_id):
            stored = await self._documents.load(document_id)
            if stored is None or not may_go(stored.state) or not await self._documents.remove(stored):
                return False
            self._written.pop(document_id)
            self._sent.pop(document_id, None)
            return True

    async def _load(self, document_id: str) -> Stored[StateT] | None:
        # Looked up before the read: what is cleared during it may still come with its outbox, and was sent.
        sent = self._sent.get(document_id)
        stored = await self._documents.load(document_id)
        return replace(stored, outbox=()) if stored is not None and stored.version == sent else stored

    async def _decide(
        self,
        document_id: str,
        stored: Stored[StateT] | None,
        message: InputT,
        delivery: Delivery,
        *,
        guessed: bool,
    ) -> Handled[StateT] | None:
        """One attempt. None if another writer was first, or if it fails on a document that may have changed since."""
        state = stored.state if stored else None
        now = self._clock()
        known = self._deduplicates and stored is not None and stored.has_handled(delivery.message_id)
        try:
            decision = Duplicate() if known else self._decision(state, message, now)
        except Exception:
            if guessed:
                return None
            raise
        if isinstance(decision, Applied):
            new = self._next(stored, document_id, delivery, decision, now)
            if not await self._documents.write(new, now=now, due_at=decision.state.due_at):
                self._written.pop(document_id)
                return None
            self._sent.pop(document_id, None)
            self._written.put(document_id, new)
            state, stored = new.state, new
        if stored is not None:
            await self._send_outbox(stored)
        return Handled(decision, state)

    def _next(
        self,
        stored: Stored[StateT] | None,
        document_id: str,
        delivery: Delivery,
        decision: Applied[StateT],
        now: datetime,
    ) -> Stored[StateT]:
        version = stored.version + 1 if stored else 1
        life = stored.life if stored else self._new_life()
        transition = Transition.by(delivery, version, now, decision.state.summary)
        unsent = self._unsent(stored) if stored else ()
        handled = (delivery.message_id,) if self._deduplicates else ()
        new = Stored(
            id=document_id,
            version=version,
            state=decision.state,
            handled=(*(stored.handled if stored else ()), *handled),
            outbox=(*unsent, *delivery.outbox_of(document_id, version, decision.messages, life=life)),
            history=(*(stored.history if stored else ()), transition),
            attention_since=((stored and stored.attention_since) or now) if decision.state.needs_attention else None,
            life=life,
            folded=stored.folded if stored else (),
            origin=stored.origin if stored else None,
        )
        return with_old_folded(new)

    async def _send_outbox(self, stored: Stored[StateT]) -> None:
        """Publish a document's outbox in order. The next write or the next batch clears it.

        A message that the broker refuses is logged once and stays in the outbox for the relay; the others go out.
        """
        unsent = self._unsent(stored)
        if not unsent:
            return
        before, refusals = self._refused.get(stored.id, _Refused(stored.version)), []
        for envelope in unsent:
            try:
                await self._bus.publish(envelope)
            except PublishRefusedError as error:
                since = before.since(envelope.message_id)
                refusals.append(Refusal(envelope, error, since or self._clock()))
                if since is None:
                    log.error("outbox.refused", document_id=stored.id, message_id=envelope.message_id, error=str(error))
        refused = _Refused(stored.version, tuple(refusals))
        if refusals:
            self._refused[stored.id] = refused
        else:
            self._refused.pop(stored.id, None)
            self._sent[stored.id] = stored.version
        remembered = self._written.get(stored.id)
        if remembered is not None and remembered.version == stored.version:
            self._written.put(stored.id, replace(remembered, outbox=refused.envelopes))

    def _unsent(self, stored: Stored[StateT]) -> tuple[Envelope, ...]:
        """The messages of a document's outbox that this process has not published."""
        if self._sent.get(stored.id) == stored.version:
            return ()
        refused = self._refused.get(stored.id)
        return refused.envelopes if refused and refused.version == stored.version else stored.outbox

    def loops(self, name: str, sweep_every: float) -> tuple[Loop, ...]:
        """Background loops of these documents."""
        sweep = Loop(f"deadlines of {name}", sweep_every, self.sweep_deadlines)
        return (
            Loop(f"relay {name}", sweep_every, self.relay),
            Loop(f"clear {name}", _CLEAR_EVERY, self.clear_sent),
            *((sweep,) if self._on_deadline is not None else ()),
        )

    def checks(self, name: str) -> dict[str, Check]:
        """Readiness check: an old outbox means that no process relays it, or that the broker accepts nothing."""

        async def outbox() -> str | None:
            now = self._clock()
            try:
                waiting, oldest = await self._documents.unsent_since(now - _TOO_OLD)
            except StoreUnavailableError:
                return None  # reported by another check
            if oldest is None:
                return None
            age = (now - oldest).total_seconds()
            reasons = [
                f"; {document_id}: {refused.refusals[-1].error}" for document_id, refused in self._refused.items()
            ]
            return f"{waiting} of the {name} have unsent messages, the oldest for {age:.0f} s{''.join(reasons[:1])}"

        return {f"outbox of {name}": outbox}

    def watch(self, waiting: Waiting, name: str, attention: str | None = None) -> None:
        """Add gauges for unsent outboxes, for documents with parked messages and, under the label `attention`, for
        documents that need attention."""
        waiting.watch(f"outbox_{name}", lambda: self._documents.unsent_since(self._clock() - _RELAY_AFTER))
        waiting.watch(f"parked_{name}", lambda: self._documents.parked_since(self._clock()))
        if attention is not None:
            waiting.watch(attention, lambda: self._documents.attention_since(self._clock()))

    async def relay(self) -> int:
        """Publish outboxes left by a crash: those older than 2 s. Returns the number of documents.

        A document whose outbox cannot be published is retried with a growing delay, so that the others have their turn.
        Raises StoreUnavailableError, and PublishFailedError after several consecutive failures.
        """
        # Delayed documents, and those that only wait to be cleared, must not crowd out the others.
        limit = _SWEEP_LIMIT + len(self._backoff) + len(self._sent)
        waiting = await self._documents.ids_unsent_since(self._clock() - _RELAY_AFTER, limit)
        for document_id in self._backoff.forget_all_but(waiting):
            self._refused.pop(document_id, None)
        failed_in_a_row = relayed = 0
        for document_id in waiting:
            if document_id in self._sent or self._backoff.waits(document_id):
                continue
            self._backoff.failed(document_id)  # until the store no longer lists it
            try:
                with others_go_on(document_id):
                    await self._relay_one(document_id)
                    relayed += 1
                failed_in_a_row = 0
            except PublishFailedError:
                failed_in_a_row += 1
                if failed_in_a_row >= _FAILURES_IN_A_ROW:
                    raise
        if relayed:
            log.warning("outbox.relayed", documents=relayed)
        return relayed

    async def _relay_one(self, document_id: str) -> None:
        async with self._locks.holding(document_id):
            stored = await self._load(document_id)
            if stored is not None:
                await self._send_outbox(stored)
                await self._park(stored)

    async def _park(self, stored: Stored[StateT]) -> None:
        """Park messages that the broker has refused for too long, unless their destination is missing."""
        refused, now = self._refused.get(stored.id), self._clock()
        if refused is None or refused.version != stored.version:
            return
        parked = {
            refusal.envelope.message_id: refusal
            for refusal in refused.refusals
            if now - refusal.since >= self._park_after and not isinstance(refusal.error, DestinationUnavailableError)
        }
        left = tuple(each for each in refused.refusals if each.envelope.message_id not in parked)
        unsent = [refusal.envelope.message_id for refusal in left]
        if not parked or not await self._documents.parked.park(stored.id, stored.version, parked.values(), unsent, now):
            return
        self._written.pop(stored.id)
        self._refused.pop(stored.id)
        if left:
            self._refused[stored.id] = _Refused(stored.version + 1, left)
        for message_id, refusal in parked.items():
            log.error("outbox.parked", document_id=stored.id, message_id=message_id, error=str(refusal.error))

    async def clear_sent(self, until: float = math.inf) -> int:
        """Clear all outboxes published since the last call, many in one round trip. Returns how many are left.

        No round trip begins after `until` (monotonic seconds). An outbox that is left is published again by the relay
        of another instance; its receivers know the messages.
        """
        async with self._clearing:
            sent = list(self._sent.items())
            for start in range(0, len(sent), _CLEAR_AT_ONCE):
                if monotonic() >= until:
                    break
                batch = dict(sent[start : start + _CLEAR_AT_ONCE])
                await self._documents.clear_outboxes(batch)
                # Forgotten only now: until the store has cleared it, a message must not count as unsent.
                for document_id, version in batch.items():
                    if self._sent.get(document_id) == version:
                        del self._sent[document_id]
        return len(self._sent)

    async def sweep_deadlines(self) -> int:
        """Decide on documents whose deadline has passed. Every instance sweeps; a guarded write lets one win."""
        assert self._on_deadline is not None
        due = await self._documents.due(self._clock(), _SWEEP_LIMIT)
        for document_id, version in due.items():
            delivery = Delivery(
                # Derived from the version that set the deadline, not from a clock that may jump back.
                message_id=bounded_id(f"{document_id}.{DEADLINE}.{version}"),
                correlation_id=bounded_id(f"{document_id}.{DEADLINE}"),
                kind=DEADLINE,
            )
            with others_go_on(document_id):
                handled = await self.handle(document_id, self._on_deadline, delivery)
                log.info("deadline.handled", document_id=document_id, outcome=handled.outcome.name)
        return len(due)


@contextmanager
def others_go_on(document_id: str) -> Iterator[None]:
    """Let a sweep continue after one document that cannot be read or decided on."""
    try:
        yield
    except NewerDocumentError as newer:
        log.info("document.left_to_newer", document_id=document_id, reason=str(newer))
    except Exception as error:
        if is_outage(error):
            raise  # the others would fail as well
        log.warning("document.unswept", document_id=document_id, error=str(error), exc_info=not is_transient(error))
