"""Which payment an event of the PSP changes: decided by the payment service's own handlers, asked without a store."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

from structlog.testing import capture_logs

from chassis.decision import Decision
from chassis.messaging.envelope import Delivery
from chassis.runtime.steps import Steps
from contracts.psp import PspPaymentEvent
from payment_service.collections import SessionHolder
from payment_service.event_backfill import SweepDue
from payment_service.handlers import PaymentHandlers
from payment_service.payment.inputs import HeldSessionEvent, PaymentInput
from payment_service.payment.state import Payment
from tests.model.psp import ORDER_ID, PAYMENT_ID

PaymentRule = Callable[[Payment | None, PaymentInput, datetime], Decision[Payment]]


def decided_on_event(
    handlers: type[PaymentHandlers], rule: PaymentRule, payment: Payment | None, event: PspPaymentEvent, now: datetime
) -> Decision[Payment]:
    """What an event does to the one payment of the model. Raises what the handlers raise."""
    payments: Any = _OnePayment(payment, rule, now)
    room = handlers(payments, Mock(), cast(Any, _Holders(payment)), SweepDue(timedelta()), lambda: now, Steps())
    handle = room.psp()[type(event)]
    delivery = Delivery("an event", "a correlation", event.kind)
    with capture_logs():
        try:
            handle(event, delivery).send(None)  # type: ignore[attr-defined]
        except StopIteration as done:
            return cast(Decision[Payment], done.value)
    raise AssertionError("the handlers waited for something")


@dataclass(frozen=True)
class _OnePayment:
    """The write path of a store that has one payment."""

    payment: Payment | None
    rule: PaymentRule
    now: datetime

    async def handle(
        self, payment_id: str, message: PaymentInput | HeldSessionEvent, _delivery: Delivery, **_options: Any
    ) -> Any:
        known = self.payment if payment_id == PAYMENT_ID else None
        message = message.of(known) if isinstance(message, HeldSessionEvent) else message
        return SimpleNamespace(outcome=self.rule(known, message, self.now))


@dataclass(frozen=True)
class _Holders:
    """A session is recorded with its payment when the payment hears of it."""

    payment: Payment | None

    async def get(self, references: Iterable[str]) -> dict[str, SessionHolder]:
        holder = SessionHolder(order_id=ORDER_ID, payment_id=PAYMENT_ID)
        return {each: holder for each in references if self.payment is not None and self.payment.knows(each)}
