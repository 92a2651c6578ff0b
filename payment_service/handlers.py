"""Messages in: every one of them is a decision on one payment."""

from dataclasses import dataclass
from typing import Any, get_args

from chassis.consumer import Handlers
from chassis.decision import Outcome
from chassis.envelope import Delivery
from chassis.write_path import WritePath
from contracts.message import Command
from contracts.payments import CreatePaymentSession
from contracts.psp import PspEventsSwept
from payment_service.lifecycle import decide
from payment_service.payment import Payment, PaymentMessage
from payment_service.polling import USUAL, Polls
from payment_service.sweep import SWEEP_ID, EventSweep
from payment_service.sweep import decide as decide_sweep


@dataclass(frozen=True, slots=True)
class PaymentHandlers:
    """What the payment service does with each message."""

    payments: WritePath[Payment]
    sweeps: WritePath[EventSweep]
    polls: Polls = USUAL

    def commands(self) -> Handlers:
        return {kind: self.decide for kind in get_args(PaymentMessage) if issubclass(kind, Command)}

    def psp(self) -> Handlers:
        reports = {kind: self.decide for kind in get_args(PaymentMessage) if not issubclass(kind, Command)}
        return {**reports, PspEventsSwept: self.swept}

    async def swept(self, event: PspEventsSwept, delivery: Delivery) -> Outcome[Any]:
        handled = await self.sweeps.handle(SWEEP_ID, delivery, lambda sweep, now: decide_sweep(sweep, event, now))
        return handled.outcome

    async def decide(self, message: PaymentMessage, delivery: Delivery) -> Outcome[Any]:
        handled = await self.payments.handle(
            message.payment_id,
            delivery,
            lambda payment, now: decide(payment, message, now, self.polls),
            likely_new=isinstance(message, CreatePaymentSession),
        )
        return handled.outcome
