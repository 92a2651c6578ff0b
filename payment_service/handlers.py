"""Messages in: every one of them is a decision on one payment."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, get_args

import structlog

from chassis.decision import Decision, Ignored, Outcome
from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Delivery
from chassis.storage.write_path import WritePath
from contracts.message import Command
from contracts.payments import CreatePaymentSession
from contracts.psp import PspEventsSwept, PspPaymentEvent, PspSessionCreated
from payment_service.collections import SessionHolder
from payment_service.event_backfill import SWEEP_ID, EventBackfill
from payment_service.event_backfill import decide as decide_sweep
from payment_service.payment.decide import decide
from payment_service.payment.polling import DEFAULT, Polls
from payment_service.payment.state import Payment, PaymentMessage

log = structlog.get_logger()


class SessionHolders(Protocol):
    """Which payment holds a session of the PSP, by the PSP's id."""

    async def put(self, records: Mapping[str, SessionHolder]) -> None: ...
    async def get(self, record_ids: Iterable[str]) -> dict[str, SessionHolder]: ...


class _NotHeldError(Exception):
    """The payment that an event names does not hold the session it is about."""


@dataclass(frozen=True, slots=True)
class PaymentHandlers:
    """What the payment service does with each message."""

    payments: WritePath[Payment]
    sweeps: WritePath[EventBackfill]
    holders: SessionHolders
    polls: Polls = DEFAULT

    def commands(self) -> Handlers:
        return {kind: self.decide for kind in get_args(PaymentMessage) if issubclass(kind, Command)}

    def psp(self) -> Handlers:
        reports = {kind: self.decide for kind in get_args(PaymentMessage) if not issubclass(kind, Command)}
        return {**reports, PspEventsSwept: self.swept}

    async def swept(self, event: PspEventsSwept, delivery: Delivery) -> Outcome[Any]:
        handled = await self.sweeps.handle(SWEEP_ID, delivery, lambda sweep, now: decide_sweep(sweep, event, now))
        return handled.outcome

    async def decide(self, message: PaymentMessage, delivery: Delivery) -> Outcome[Any]:
        if isinstance(message, PspSessionCreated):
            holder = SessionHolder(order_id=message.order_id, payment_id=message.payment_id)
            await self.holders.put({message.psp_reference: holder})
        if isinstance(message, PspPaymentEvent) and not message.is_answer:
            return await self._event(message, delivery)
        return await self._decide(message, delivery)

    async def _event(self, event: PspPaymentEvent, delivery: Delivery) -> Outcome[Any]:
        """An event claims a payment by metadata that can be changed at the PSP: the session's reference decides."""
        if event.payment_id:
            with suppress(_NotHeldError):
                return await self._decide(event, delivery, must_hold=event.psp_reference)
        found = await self.holders.get([event.psp_reference])
        holder = found.get(event.psp_reference)
        if holder is not None and holder.payment_id != event.payment_id:
            log.warning("psp.metadata_changed", psp_reference=event.psp_reference, payment_id=holder.payment_id)
        elif not event.payment_id:
            return Ignored("a payment of another system on the same account")
        ids = {"order_id": holder.order_id, "payment_id": holder.payment_id} if holder else {}
        return await self._decide(event.model_copy(update=ids), delivery)

    async def _decide(self, message: Any, delivery: Delivery, *, must_hold: str | None = None) -> Outcome[Any]:
        def decided(payment: Payment | None, now: datetime) -> Decision[Payment]:
            if must_hold is not None and (payment is None or not payment.knows(must_hold)):
                raise _NotHeldError
            return decide(payment, message, now, self.polls)

        is_new = isinstance(message, CreatePaymentSession)
        handled = await self.payments.handle(message.payment_id, delivery, decided, likely_new=is_new)
        return handled.outcome
