"""Wires the payment service's components: for the service itself, for dry runs and for tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Publisher
from chassis.runtime.background import Loop
from chassis.runtime.health import Check
from chassis.runtime.steps import Steps
from chassis.runtime.waiting import Waiting
from chassis.storage.documents import DocumentStore
from chassis.storage.write_path import WritePath
from contracts import services
from contracts.psp_accounts import DEFAULT_ACCOUNT
from contracts.topology import PAYMENTS_COMMANDS, PAYMENTS_PSP, PAYMENTS_QUERIES
from payment_service.collections import PaymentStore
from payment_service.event_backfill import SWEEP_ID, BackfillInput, EventBackfill, SweepDue, first_backfill
from payment_service.event_backfill import decide as decide_sweep
from payment_service.handlers import ClosingHandlers, PaymentHandlers
from payment_service.payment.decide import decide
from payment_service.payment.inputs import HeldSessionEvent, PaymentInput, PollDue
from payment_service.payment.state import Payment
from payment_service.settings import Schedule

SERVICE = services.PAYMENTS


@dataclass(frozen=True, slots=True)
class PaymentParts:
    """The service without its connections."""

    collections: PaymentStore
    payments: WritePath[Payment, PaymentInput | HeldSessionEvent]
    sweeps: WritePath[EventBackfill, BackfillInput]
    due: SweepDue
    handlers: PaymentHandlers
    closing: ClosingHandlers

    @property
    def tables(self) -> Mapping[str, Handlers]:
        """What is done with each message, by the name of the queue it comes from."""
        return {
            PAYMENTS_COMMANDS.name: self.handlers.commands(),
            PAYMENTS_PSP.name: self.handlers.psp(),
            PAYMENTS_QUERIES.name: self.closing.queries(),
        }

    async def begin(self) -> None:
        """Ask for the PSP's events for the first time, or again where it is due."""
        await self.sweeps.handle(SWEEP_ID, self.due, first_backfill(DEFAULT_ACCOUNT))

    @property
    def paths(self) -> tuple[WritePath[Any, Any], ...]:
        return self.payments, self.sweeps

    def loops(self, sweep_every: float) -> tuple[Loop, ...]:
        """The background work; `sweep_every` in seconds."""
        return (*self.payments.loops("payments", sweep_every), *self.sweeps.loops("sweeps", sweep_every))

    def checks(self) -> dict[str, Check]:
        """For readiness."""
        return self.payments.checks("payments")

    def watch(self, waiting: Waiting) -> None:
        """Show by gauges what waits, and how far the PSP's events were read, of the account furthest behind."""

        async def sweeps() -> list[EventBackfill]:
            ids = [sweep_id async for sweep_id in self.collections.sweeps.ids(scheduled=True)]
            return [sweep for _, sweep in await self.collections.sweeps.load_many(ids)]

        async def events_read() -> tuple[int, datetime | None]:
            read = [sweep.since for sweep in await sweeps()]
            return len(read), min(read, default=None)

        async def sweep_asked() -> tuple[int, datetime | None]:
            asked = [sweep.asked_at for sweep in await sweeps()]
            return len(asked), min((at for at in asked if at is not None), default=None)

        self.payments.watch(waiting, "payments", "refunds")
        self.sweeps.watch(waiting, "sweeps")
        waiting.watch("psp_events", events_read)
        waiting.watch("psp_sweep", sweep_asked)


def wire(
    bus: Publisher,
    store: DocumentStore,
    clock: Callable[[], datetime],
    schedule: Schedule,
    steps: Steps | None = None,
) -> PaymentParts:
    """Nothing is asked of bus or store here. Without `steps` (a dry run) no step is measured."""
    collections = PaymentStore(store)
    due = SweepDue(schedule.sweep_events_every)
    decide_payment = partial(decide, polls=schedule.polls)
    payments: WritePath[Payment, PaymentInput | HeldSessionEvent] = WritePath(
        collections.payments, bus, decide_payment, on_deadline=PollDue(), clock=clock
    )
    sweeps: WritePath[EventBackfill, BackfillInput] = WritePath(
        collections.sweeps, bus, decide_sweep, on_deadline=due, clock=clock
    )
    handlers = PaymentHandlers(payments, sweeps, collections.holders, due, clock, steps or Steps())
    closing = ClosingHandlers(collections.payments, collections.holders, bus)
    return PaymentParts(collections, payments, sweeps, due, handlers, closing)
