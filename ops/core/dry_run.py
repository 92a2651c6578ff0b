"""What a message would do if it were sent again: the services' own handlers, on a store that takes no write and a bus
that sends nothing.

What one message would change, the next one in the same rehearsal finds changed.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from chassis.decision import Applied, Done, Ignored, Outcome, Refused, State, reason_of
from chassis.errors import NoHandlerError, StoreUnavailableError
from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Delivery, Envelope
from chassis.storage.audit_log import Act, AuditLog
from chassis.storage.store import Documents, Store
from chassis.storage.stored_document import Stored
from chassis.storage.write_path import WritePath
from contracts.message import parse
from contracts.psp import PspCommand
from contracts.topology import (
    EXTRAS_COMMANDS,
    EXTRAS_PAYMENTS,
    EXTRAS_STOCK,
    PAYMENTS_COMMANDS,
    PAYMENTS_PSP,
    PSP_COMMANDS,
)
from extras_service.collections import ExtrasStore
from extras_service.handlers import ExtrasHandlers
from extras_service.order.placement import Placement, Terms
from extras_service.order.review_keeper import ReviewKeeper
from extras_service.settings import ExtrasSettings
from extras_service.stock.keeper import StockKeeper
from ops.core.messages import RecordedMessage
from ops.core.psp_forecast import forecast_of
from payment_service.collections import PaymentStore, SessionHolder
from payment_service.handlers import PaymentHandlers, SessionHolders
from payment_service.payment.state import Payment
from psp_adapter.stripe_api import StripeApi

StateT = TypeVar("StateT", bound=State)

ASKS_PSP = "asks the PSP"
FAILS = "fails"
DUPLICATE = "duplicate"
NO_QUEUE = "no queue is known that it came from; what never left an outbox is sent by `bellhop dead put-back`"


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a message would do now."""

    outcome: str
    """applied, done, duplicate, stale, ignored, refused; `fails`, or `asks the PSP`."""
    detail: str = ""
    """The status it leads to, the reason for doing nothing, or the error."""
    sends: tuple[str, ...] = ()
    """The kinds of the messages that would follow."""
    sentence: str = field(default="", compare=False)
    """What a refusal says to people."""

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


class OverlayDocuments(Documents[StateT], Generic[StateT]):
    """Documents as they are, and as they would be."""

    def __init__(self, real: Documents[StateT], changed: dict[str, str]) -> None:
        self._real = real
        self._would_be: dict[str, Stored[StateT]] = {}
        self._changed = changed

    async def load(self, document_id: str) -> Stored[StateT] | None:
        stored = self._would_be.get(document_id) or await self._real.load(document_id)
        # What is still in the outbox has left before, or leaves anyway.
        return replace(stored, outbox=()) if stored else None

    async def ids_of(self, limit: int, **fields: str) -> list[str]:
        return await self._real.ids_of(limit, **fields)

    async def write(self, new: Stored[StateT], *, now: datetime, due_at: datetime | None) -> bool:
        stored = await self.load(new.id)
        if (stored.version if stored else 0) != new.version - 1:
            return False
        self._would_be[new.id] = new
        self._changed[new.id] = new.state.summary
        return True


@dataclass(frozen=True, slots=True)
class _Unwritten:
    """Which payment holds which session, as it is."""

    real: SessionHolders

    async def get(self, record_ids: Iterable[str]) -> dict[str, SessionHolder]:
        return await self.real.get(record_ids)

    async def put(self, records: Mapping[str, SessionHolder]) -> None:
        pass


@dataclass
class RecordingPublisher:
    """A bus that only notes what it is given."""

    noted: list[Envelope] = field(default_factory=list)

    async def publish(self, envelope: Envelope) -> None:
        self.noted.append(envelope)


class _Unrecorded(AuditLog):
    """An audit log that takes no entry: nothing is done."""

    @asynccontextmanager
    async def recorded(self, *_: object, **__: object) -> AsyncIterator[Act]:
        yield Act()


class DryRun:
    """Forecasts for messages in the order in which they would be sent."""

    def __init__(self, store: Store, psp: StripeApi | None = None) -> None:
        """Without `psp` a forecast for a command to the PSP says only that the PSP would have to be asked."""
        self._psp = psp
        self._bus = RecordingPublisher()
        self._changed: dict[str, str] = {}
        extras, paid = ExtrasStore(store), PaymentStore(store)
        extras.orders = OverlayDocuments(extras.orders, self._changed)
        extras.stock = OverlayDocuments(extras.stock, self._changed)
        orders, days = WritePath(extras.orders, self._bus), WritePath(extras.stock, self._bus)
        defaults = {name: ExtrasSettings.model_fields[name].default for name in Terms.__dataclass_fields__}
        terms = Terms(**defaults)
        keeper = StockKeeper(days, extras.stock, extras.orders, terms.pay_within)
        placement = Placement(orders, extras, keeper, terms)
        reviews = ReviewKeeper(orders, extras, keeper, _Unrecorded(store))
        of_extras = ExtrasHandlers(orders, extras, keeper, placement, reviews, self._bus)
        self._payments: Documents[Payment] = OverlayDocuments(paid.payments, self._changed)
        payments = WritePath(self._payments, self._bus)
        sweeps = WritePath(OverlayDocuments(paid.sweeps, self._changed), self._bus)
        of_payments = PaymentHandlers(payments, sweeps, _Unwritten(paid.holders))
        self._handlers: Mapping[str, Handlers] = {
            EXTRAS_COMMANDS.name: of_extras.commands(),
            EXTRAS_PAYMENTS.name: of_extras.payments(),
            EXTRAS_STOCK.name: of_extras.closed(),
            PAYMENTS_COMMANDS.name: of_payments.commands(),
            PAYMENTS_PSP.name: of_payments.psp(),
        }

    async def forecast(self, seen: RecordedMessage, queue: str) -> Forecast:
        """What `seen` would do if it came to `queue` now. Raises StoreUnavailableError."""
        self._changed.clear()
        self._bus.noted.clear()
        if not queue:
            return Forecast(FAILS, NO_QUEUE)
        try:
            body = parse(seen.kind, seen.body)
            misroute = seen.misroute(queue)
            if misroute:
                return Forecast(FAILS, misroute)
            if queue == PSP_COMMANDS.name and isinstance(body, PspCommand):
                return Forecast(ASKS_PSP, await forecast_of(body, self._psp, self._payments))
            handler = self._handlers.get(queue, {}).get(type(body))
            if handler is None:
                raise NoHandlerError(seen.kind, queue)
            delivery = Delivery(seen.message_id, seen.correlation_id, seen.kind, seen.causation_id)
            return self._told(await handler(body, delivery))
        except StoreUnavailableError:
            raise
        except Exception as error:
            return Forecast(FAILS, f"{type(error).__name__}: {error}")

    def _told(self, outcome: Outcome[Any]) -> Forecast:
        if not isinstance(outcome, Applied | Done):
            sentence = outcome.detail if isinstance(outcome, Refused) else ""
            return Forecast(outcome.name, reason_of(outcome) or "", sentence=sentence)
        sends = tuple(envelope.kind for envelope in self._bus.noted)
        if isinstance(outcome, Done) and not self._changed and not sends:
            return Forecast(Ignored.name, "it would change nothing")
        return Forecast(outcome.name, ", ".join(sorted(set(self._changed.values()))), sends)
