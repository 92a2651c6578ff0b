"""Messages that the broker does not take: they stay in a payment's outbox until they are parked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from chassis.decision import Applied, Decision
from chassis.errors import PublishRefusedError
from chassis.messaging.envelope import Delivery, Envelope, Publisher, utc_now
from chassis.runtime.metrics import Metrics
from chassis.storage.store import Store
from chassis.storage.write_path import WritePath
from contracts.ids import OrderId, payment_id_of
from contracts.money import Money
from contracts.payments import PaymentSucceeded
from payment_service.collections import PaymentStore
from payment_service.payment.state import Payment
from tests.support.fake_store import ask
from tests.support.guest import BREAKFAST_TOTAL, Guest
from tests.support.system import System

LATER = timedelta(hours=1)


CAUSE = "m-paid"


TOTAL = Money.model_validate(BREAKFAST_TOTAL)


class Refusing:
    """A broker that refuses one message for its own sake."""

    async def publish(self, envelope: Envelope) -> None:
        if envelope.causation_id == CAUSE:
            raise PublishRefusedError(envelope.kind, envelope.exchange, OSError("ACCESS_REFUSED"))


@asynccontextmanager
async def payments_of(system: System, bus: Publisher) -> AsyncIterator[WritePath[Payment, Any]]:
    """The payment service's write path, an hour later than its own, that parks at the first refusal."""
    store = Store(system.setup.mongodb_url, system.setup.database, Metrics("payment_service"), timeout=10)
    try:
        yield WritePath(
            PaymentStore(store).payments, bus, ask, clock=lambda: utc_now() + LATER, park_after=timedelta(seconds=0)
        )
    finally:
        store.close()


async def success_is_parked(system: System, guest: Guest) -> OrderId:
    """An order whose payment's success the broker did not take."""
    order_id = OrderId((await guest.order())["order_id"])
    await guest.session(order_id)
    success = PaymentSucceeded(order_id=order_id, payment_id=payment_id_of(order_id), amount=TOTAL)

    def decide(payment: Payment | None, now: datetime) -> Decision[Payment]:
        assert payment is not None
        return Applied(payment, (success,))

    async with payments_of(system, Refusing()) as path:
        await path.handle(payment_id_of(order_id), decide, Delivery(CAUSE, "c-1", "test"))
        path._clock = lambda: utc_now() + 2 * LATER
        await path.relay()
    return order_id
