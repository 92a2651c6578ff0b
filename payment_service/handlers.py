"""Message handlers: each message is a decision on one payment."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, get_args

import structlog

from chassis.decision import Applied, Done, Ignored, Outcome
from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Delivery, Publisher, send_reply
from chassis.runtime.steps import Step, Steps
from chassis.storage.documents import Documents, Records
from chassis.storage.write_path import WritePath
from contracts.closing import ClosingPayment, ClosingPaymentsReply, ListClosingPayments
from contracts.ids import payment_id_of
from contracts.message import Command
from contracts.payments import CreatePaymentSession
from contracts.psp import PspEventsSwept, PspPaymentEvent, PspPaymentSucceeded, PspSessionCreated
from contracts.psp_accounts import DEFAULT_ACCOUNT
from payment_service.collections import SessionHolder
from payment_service.event_backfill import BackfillInput, EventBackfill, SweepDue, first_backfill, sweep_id
from payment_service.payment.inputs import (
    HeldSessionEvent,
    PaymentInput,
    PaymentMessage,
    PspReport,
    SessionNotHeldError,
)
from payment_service.payment.state import Payment

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PaymentHandlers:
    """The payment service's message handlers."""

    payments: WritePath[Payment, PaymentInput | HeldSessionEvent]
    sweeps: WritePath[EventBackfill, BackfillInput]
    holders: Records[SessionHolder]
    due: SweepDue
    clock: Callable[[], datetime]
    steps: Steps
    _swept_accounts: set[str] = field(default_factory=lambda: {DEFAULT_ACCOUNT})

    def commands(self) -> Handlers:
        return {kind: self.decide for kind in get_args(PaymentMessage) if issubclass(kind, Command)}

    def psp(self) -> Handlers:
        reports = {kind: self.decide for kind in get_args(PaymentMessage) if not issubclass(kind, Command)}
        return {**reports, PspPaymentSucceeded: self.paid, PspEventsSwept: self.swept}

    async def paid(self, report: PspPaymentSucceeded, delivery: Delivery) -> Outcome[Any]:
        outcome = await self.decide(report, delivery)
        if isinstance(outcome, Applied):
            self.steps.ended(Step.PAYMENT_RECORDED, report.occurred_at, self.clock())
        return outcome

    async def swept(self, event: PspEventsSwept, delivery: Delivery) -> Outcome[Any]:
        return (await self.sweeps.handle(sweep_id(event.psp_account), event, delivery)).outcome

    async def _sweep_from_now_on(self, psp_account: str) -> None:
        """An account that has opened a session has events to read."""
        if psp_account not in self._swept_accounts:
            first = replace(self.due, psp_account=psp_account)
            await self.sweeps.handle(sweep_id(psp_account), first, first_backfill(psp_account))
            self._swept_accounts.add(psp_account)

    async def decide(self, message: PaymentMessage, delivery: Delivery) -> Outcome[Any]:
        if isinstance(message, PspSessionCreated):
            holder = SessionHolder(order_id=message.order_id, payment_id=message.payment_id)
            await self.holders.put({message.psp_reference: holder})
            await self._sweep_from_now_on(message.psp_account)
        if isinstance(message, PspPaymentEvent) and not message.is_answer:
            return await self._event(message, delivery)
        is_new = isinstance(message, CreatePaymentSession)
        return (await self.payments.handle(message.payment_id, message, delivery, likely_new=is_new)).outcome

    async def _event(self, event: PspReport, delivery: Delivery) -> Outcome[Any]:
        """An event claims a payment by metadata, which can be edited at the PSP: the session's reference decides."""
        if event.payment_id:
            with suppress(SessionNotHeldError):
                return (await self.payments.handle(event.payment_id, HeldSessionEvent(event), delivery)).outcome
        found = await self.holders.get([event.psp_reference])
        holder = found.get(event.psp_reference)
        if holder is not None and holder.payment_id != event.payment_id:
            log.warning("psp.metadata_changed", psp_reference=event.psp_reference, payment_id=holder.payment_id)
        elif not event.payment_id:
            return Ignored("a payment of another system on the same account")
        ids = {"order_id": holder.order_id, "payment_id": holder.payment_id} if holder else {}
        event = event.model_copy(update=ids)
        return (await self.payments.handle(event.payment_id, event, delivery)).outcome


@dataclass(frozen=True, slots=True)
class ClosingHandlers:
    """What a closing asks about payments."""

    payments: Documents[Payment]
    holders: Records[SessionHolder]
    bus: Publisher

    def queries(self) -> Handlers:
        return {ListClosingPayments: self.list_closing_payments}

    async def list_closing_payments(self, query: ListClosingPayments, delivery: Delivery) -> Outcome[Any]:
        holders = await self.holders.get(query.psp_references)
        found = await self.payments.load_many([payment_id_of(order_id) for order_id in query.order_ids])
        reply = ClosingPaymentsReply(
            payments=tuple(ClosingPayment.model_validate(payment) for _, payment in found),
            holders={reference: holder.order_id for reference, holder in holders.items()},
        )
        await send_reply(self.bus, delivery, reply)
        return Done()
