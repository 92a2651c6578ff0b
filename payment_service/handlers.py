"""Messages in: every one of them is a decision on one payment."""

from dataclasses import dataclass
from typing import Any

from chassis.consumer import Handlers
from chassis.decision import Outcome
from chassis.envelope import Delivery
from chassis.write_path import WritePath
from contracts.payments import ClosePaymentSession, CreatePaymentSession
from contracts.psp import (
    PspPaymentActionRequired,
    PspPaymentCanceled,
    PspPaymentFailed,
    PspPaymentProcessing,
    PspPaymentSucceeded,
    PspSessionCreated,
    PspSessionFailed,
)
from payment_service.payment import Payment, PaymentInput, decide


@dataclass(frozen=True, slots=True)
class PaymentHandlers:
    """What the payment service does with each message."""

    payments: WritePath[Payment]

    def commands(self) -> Handlers:
        return dict.fromkeys((CreatePaymentSession, ClosePaymentSession), self.decide)

    def psp(self) -> Handlers:
        return dict.fromkeys(
            (
                PspSessionCreated,
                PspSessionFailed,
                PspPaymentActionRequired,
                PspPaymentProcessing,
                PspPaymentFailed,
                PspPaymentSucceeded,
                PspPaymentCanceled,
            ),
            self.decide,
        )

    async def decide(self, message: PaymentInput, delivery: Delivery) -> Outcome[Any]:
        handled = await self.payments.handle(
            message.payment_id,
            delivery,
            lambda payment, now: decide(payment, message, now),
            likely_new=isinstance(message, CreatePaymentSession),
        )
        return handled.outcome
