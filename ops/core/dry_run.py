"""Forecasts what a message would do if it were sent again: runs the services' own handlers on a store that discards
writes and a bus that sends nothing.

Within a dry run, each message finds the changes of those before it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic

from chassis.decision import Applied, Done, Ignored, Outcome, Refused, StateT, reason_of
from chassis.errors import NoHandlerError, StoreUnavailableError
from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Delivery, Envelope, utc_now
from chassis.storage.documents import Documents, DocumentStore, Listed, ModelT, Position, Records
from chassis.storage.running_settings import RunningSettings
from chassis.storage.stored_document import Stored
from contracts.message import parse
from contracts.psp import PspCommand
from contracts.topology import PSP_COMMANDS
from extras_service import wiring as extras_wiring
from extras_service.order.placement import Terms
from ops.core.messages import RecordedMessage
from ops.core.psp_forecast import forecast_of
from payment_service import wiring as payment_wiring
from payment_service.payment.state import Payment
from payment_service.settings import Schedule
from psp_adapter.stripe_api import StripeApi

ASKS_PSP = "asks the PSP"
FAILS = "fails"
DUPLICATE = "duplicate"
NO_QUEUE = "the queue it came from is unknown; a message from an outbox is sent by `bellhop dead put-back`"


@dataclass(frozen=True, slots=True)
class Forecast:
    """The expected outcome of a message."""

    outcome: str
    """applied, done, duplicate, stale, ignored, refused; `fails`, or `asks the PSP`."""
    detail: str = ""
    """The status it leads to, the reason for doing nothing, or the error."""
    sends: tuple[str, ...] = ()
    """The kinds of the messages that would follow."""
    sentence: str = field(default="", compare=False)
    """The refusal's sentence for people."""

    @property
    def is_handled_already(self) -> bool:
        return self.outcome == DUPLICATE

    @property
    def in_full(self) -> str:
        """With the messages that would follow."""
        return f"{self}, sending {', '.join(self.sends)}" if self.sends else str(self)

    def __str__(self) -> str:
        arrow = " → " if self.outcome in (Applied.name, Done.name) else ": "
        return f"{self.outcome}{arrow}{self.detail}" if self.detail else self.outcome


class OverlayDocuments(Generic[StateT]):
    """Documents with the changes of the dry run over the stored ones. Writes nothing to the store."""

    def __init__(self, real: Documents[StateT], changed: dict[str, str]) -> None:
        self._real = real
        self._would_be: dict[str, Stored[StateT]] = {}
        self._changed = changed
        self.parked = real.parked

    async def load(self, document_id: str) -> Stored[StateT] | None:
        stored = self._would_be.get(document_id) or await self._real.load(document_id)
        # What is still in the outbox has left before, or leaves anyway.
        return replace(stored, outbox=()) if stored else None

    async def write(self, new: Stored[StateT], *, now: datetime, due_at: datetime | None) -> bool:
        stored = await self.load(new.id)
        if (stored.version if stored else 0) != new.version - 1:
            return False
        self._would_be[new.id] = new
        self._changed[new.id] = new.state.summary
        return True

    async def prepare(self) -> None:
        """Does nothing."""

    async def clear_outboxes(self, sent: Mapping[str, int]) -> None:
        """Does nothing."""

    async def mark_attention(self, now: datetime, **fields: str) -> None:
        """Does nothing."""

    async def ids_unsent_since(self, before: datetime, limit: int) -> list[str]:
        return []

    async def unsent_since(self, before: datetime) -> tuple[int, datetime | None]:
        return await self._real.unsent_since(before)

    async def parked_since(self, before: datetime) -> tuple[int, datetime | None]:
        return await self._real.parked_since(before)

    async def attention_since(self, before: datetime, **fields: Any) -> tuple[int, datetime | None]:
        return await self._real.attention_since(before, **fields)

    async def due(self, now: datetime, limit: int) -> dict[str, int]:
        return await self._real.due(now, limit)

    async def needing_attention(
        self, limit: int, since: datetime | None = None, /, **fields: str
    ) -> list[tuple[datetime, StateT]]:
        return await self._real.needing_attention(limit, since, **fields)

    async def find(self, limit: int, **fields: str) -> list[StateT]:
        return await self._real.find(limit, **fields)

    async def newest(self, limit: int, since: datetime | None = None, **fields: str) -> list[StateT]:
        return await self._real.newest(limit, since, **fields)

    def newest_first(
        self, where: Mapping[str, str], *, before: Position | None = None, at_once: bool = False
    ) -> AsyncGenerator[Listed[StateT], None]:
        return self._real.newest_first(where, before=before, at_once=at_once)

    async def ids_of(self, limit: int, **fields: str) -> list[str]:
        return await self._real.ids_of(limit, **fields)

    async def count(self) -> int:
        return await self._real.count()

    def ids(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        waiting: bool = False,
        scheduled: bool = False,
        **fields: str,
    ) -> AsyncIterator[str]:
        return self._real.ids(since, until, waiting=waiting, scheduled=scheduled, **fields)

    def all_ids(self, since: datetime | None = None, **fields: str) -> AsyncIterator[str]:
        return self._real.all_ids(since, **fields)

    async def load_many(self, document_ids: Sequence[str]) -> list[tuple[datetime | None, StateT]]:
        return await self._real.load_many(document_ids)


class OverlayRecords(Generic[ModelT]):
    """Stored records. Writes nothing to the store."""

    def __init__(self, real: Records[ModelT]) -> None:
        self._real = real

    async def put(self, records: Mapping[str, ModelT]) -> None:
        """Does nothing."""

    async def add(self, record_id: str, record: ModelT) -> bool:
        return True

    async def change(self, record_id: str, changes: Mapping[str, Any], **only_if: str) -> bool:
        return True

    async def get(self, record_ids: Iterable[str]) -> dict[str, ModelT]:
        return await self._real.get(record_ids)

    async def find(self, **fields: str) -> dict[str, ModelT]:
        return await self._real.find(**fields)

    async def between(self, field: str, least: str, below: str | None = None) -> dict[str, ModelT]:
        return await self._real.between(field, least, below)


@dataclass(frozen=True, slots=True)
class OverlayStore:
    """A store that discards writes, and remembers the changes of its documents."""

    real: DocumentStore
    changed: dict[str, str] = field(default_factory=dict)
    """The status of every document that would have changed."""

    def documents(self, name: str, state_type: type[StateT], indexed: tuple[str, ...] = ()) -> OverlayDocuments[StateT]:
        return OverlayDocuments(self.real.documents(name, state_type, indexed), self.changed)

    def records(self, name: str, record_type: type[ModelT], indexed: tuple[str, ...] = ()) -> OverlayRecords[ModelT]:
        return OverlayRecords(self.real.records(name, record_type, indexed))


@dataclass
class RecordingPublisher:
    """A bus that only records messages."""

    recorded: list[Envelope] = field(default_factory=list)

    async def publish(self, envelope: Envelope) -> None:
        self.recorded.append(envelope)


class DryRun:
    """Forecasts for messages in the order in which they would be sent.

    The services' settings count, not those of this process: each service writes them to the store when it starts (see
    chassis/storage/running_settings.py).
    """

    def __init__(
        self, store: DocumentStore, psp: StripeApi | None = None, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """Without `psp`, the forecast of a command to the PSP is only that the PSP would be asked."""
        self._psp = psp
        self._clock = clock
        self._bus = RecordingPublisher()
        self._store = OverlayStore(store)
        self._wired: tuple[Mapping[str, Handlers], Documents[Payment]] | None = None

    async def _services(self) -> tuple[Mapping[str, Handlers], Documents[Payment]]:
        """The handlers of each queue, and the payments. Wired at the first call, which reads the settings."""
        if self._wired is None:
            settings = RunningSettings(self._store)
            terms = await settings.read(extras_wiring.SERVICE, Terms)
            schedule = await settings.read(payment_wiring.SERVICE, Schedule)
            extras = extras_wiring.wire(self._bus, self._store, self._clock, terms)
            payments = payment_wiring.wire(self._bus, self._store, self._clock, schedule)
            self._wired = {**extras.tables, **payments.tables}, payments.collections.payments
        return self._wired

    async def forecast(self, seen: RecordedMessage, queue: str) -> Forecast:
        """Forecast the delivery of `seen` to `queue`. Raises StoreUnavailableError."""
        tables, payments = await self._services()
        self._store.changed.clear()
        self._bus.recorded.clear()
        if not queue:
            return Forecast(FAILS, NO_QUEUE)
        try:
            body = parse(seen.kind, seen.body)
            misroute = seen.misroute(queue)
            if misroute:
                return Forecast(FAILS, misroute)
            if queue == PSP_COMMANDS.name and isinstance(body, PspCommand):
                return Forecast(ASKS_PSP, await forecast_of(body, self._psp, payments))
            handler = tables.get(queue, {}).get(type(body))
            if handler is None:
                raise NoHandlerError(seen.kind, queue)
            delivery = Delivery(seen.message_id, seen.correlation_id, seen.kind, seen.causation_id)
            return self._forecast_of(await handler(body, delivery))
        except StoreUnavailableError:
            raise
        except Exception as error:
            return Forecast(FAILS, f"{type(error).__name__}: {error}")

    def _forecast_of(self, outcome: Outcome[Any]) -> Forecast:
        if not isinstance(outcome, Applied | Done):
            sentence = outcome.detail if isinstance(outcome, Refused) else ""
            return Forecast(outcome.name, reason_of(outcome) or "", sentence=sentence)
        sends = tuple(envelope.kind for envelope in self._bus.recorded)
        if isinstance(outcome, Done) and not self._store.changed and not sends:
            return Forecast(Ignored.name, "it would change nothing")
        return Forecast(outcome.name, ", ".join(sorted(set(self._store.changed.values()))), sends)
