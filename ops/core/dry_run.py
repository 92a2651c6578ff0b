"""Forecasts what a message would do if it were sent again: runs the services' own handlers on a store that discards
writes and a bus that sends nothing.

Within a dry run, each message finds the changes of those before it.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Generic, cast

from chassis.decision import Applied, Done, Ignored, Outcome, Refused, StateT, reason_of
from chassis.errors import NoHandlerError, StoreUnavailableError
from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Delivery, Envelope, utc_now
from chassis.storage.documents import Documents, DocumentStore, ModelT, Records
from chassis.storage.running_settings import RunningSettings
from chassis.storage.stored_document import Stored
from contracts.message import parse
from contracts.psp import PspCommand
from contracts.topology import PSP_COMMANDS
from extras_service import wiring as extras_wiring
from extras_service.order.placement import Terms
from notifications import wiring as notification_wiring
from notifications.mail.decide import Terms as MailTerms
from ops.core.messages import RecordedMessage
from ops.core.psp_forecast import forecast_of
from payment_service import wiring as payment_wiring
from payment_service.payment.state import Payment
from payment_service.settings import Schedule
from psp_adapter.accounts import Accounts
from webhooks import wiring as webhook_wiring
from webhooks.wiring import Terms as WebhookTerms

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


class Overlay:
    """What reads in the class that it stands for, by name; each write is a method here that the store does not see."""

    READS: ClassVar[tuple[str, ...]]

    def __init__(self, real: object) -> None:
        vars(self).update({name: getattr(real, name) for name in self.READS})


class OverlayDocuments(Overlay, Generic[StateT]):
    """Documents with the changes of the dry run over the stored ones. Writes nothing to the store."""

    READS = (
        *("parked", "unsent_since", "parked_since", "attention_since", "due", "needing_attention"),
        *("find", "swept", "newest", "newest_first", "ids_of", "ids_below", "count", "ids", "all_ids", "load_many"),
    )

    def __init__(self, name: str, real: Documents[StateT], changed: dict[tuple[str, str], str]) -> None:
        super().__init__(real)
        self._load = real.load
        self._would_be: dict[str, Stored[StateT]] = {}
        self._name = name
        self._changed = changed

    async def load(self, document_id: str) -> Stored[StateT] | None:
        stored = self._would_be.get(document_id) or await self._load(document_id)
        # What is still in the outbox has left before, or leaves anyway.
        return replace(stored, outbox=()) if stored else None

    async def write(self, new: Stored[StateT], *, now: datetime, due_at: datetime | None) -> bool:
        stored = await self.load(new.id)
        if (stored.version if stored else 0) != new.version - 1:
            return False
        self._would_be[new.id] = new
        self._changed[self._name, new.id] = new.state.summary
        return True

    async def prepare(self) -> None:
        """Does nothing."""

    async def remove(self, stored: Stored[StateT]) -> bool:
        return False

    async def clear_outboxes(self, sent: Mapping[str, int]) -> None:
        """Does nothing."""

    async def mark_attention(self, now: datetime, **fields: str) -> None:
        """Does nothing."""

    async def ids_unsent_since(self, before: datetime, limit: int) -> list[str]:
        return []


class OverlayRecords(Overlay):
    """Stored records. Writes nothing to the store."""

    READS = ("get", "find", "between", "ids_below", "count")
    get: Callable[[Iterable[str]], Awaitable[Mapping[str, object]]]

    async def put(self, records: Mapping[str, object]) -> None:
        """Does nothing."""

    async def add(self, record_id: str, record: object) -> bool:
        return True

    async def change(self, record_id: str, changes: Mapping[str, Any], **only_if: str) -> bool:
        return await self._is_so(record_id, only_if)

    async def remove_if(self, record_id: str, **only_if: str) -> bool:
        return await self._is_so(record_id, only_if)

    async def _is_so(self, record_id: str, only_if: Mapping[str, str]) -> bool:
        record = (await self.get([record_id])).get(record_id)
        return record is not None and all(getattr(record, name) == value for name, value in only_if.items())


@dataclass(frozen=True, slots=True)
class OverlayStore:
    """A store that discards writes, and remembers the changes of its documents."""

    real: DocumentStore
    changed: dict[tuple[str, str], str] = field(default_factory=dict)
    """The summary of every document that would have changed, by its collection and id, the first changed first."""

    def documents(self, name: str, state_type: type[StateT], indexed: tuple[str, ...] = ()) -> Documents[StateT]:
        real = self.real.documents(name, state_type, indexed)
        return cast("Documents[StateT]", OverlayDocuments(name, real, self.changed))

    def records(self, name: str, record_type: type[ModelT], indexed: tuple[str, ...] = ()) -> Records[ModelT]:
        return cast("Records[ModelT]", OverlayRecords(self.real.records(name, record_type, indexed)))


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
        self, store: DocumentStore, psp: Accounts | None = None, clock: Callable[[], datetime] = utc_now
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
            mail_terms = await settings.read(notification_wiring.SERVICE, MailTerms)
            payments = payment_wiring.wire(self._bus, self._store, self._clock, schedule)
            mails = notification_wiring.wire(self._bus, self._store, self._clock, mail_terms)
            webhook_terms = await settings.read(webhook_wiring.SERVICE, WebhookTerms)
            webhooks = webhook_wiring.wire(self._bus, self._store, self._clock, webhook_terms)
            await webhooks.directory.refresh()
            tables = {**extras.tables, **payments.tables, **mails.tables, **webhooks.tables}
            self._wired = tables, payments.collections.payments
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
            delivery = Delivery(
                seen.message_id, seen.correlation_id, seen.kind, seen.causation_id, sent_at=seen.sent_at
            )
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
        return Forecast(outcome.name, ", ".join(dict.fromkeys(self._store.changed.values())), sends)
