"""Recovers orders whose payment the payment service does not know, or whose outcome they have not received.

A store that was restored to an earlier time has lost everything since. The guest's payment is still at the PSP, under
the order's id. The services recover by themselves when they receive the lost messages again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from chassis.storage.documents import Documents
from contracts.ids import OrderId, PaymentId
from contracts.message import Command, Event
from contracts.orders import OrderStatus
from contracts.payments import CapturePayment, ClosePaymentSession, CreatePaymentSession, RefundPayment, RefundStage
from contracts.psp import PspSessionCreated, RetrievePspSession
from extras_service.order.payment_description import payment_description
from extras_service.order.refund_requests import refund_command
from extras_service.order.state import Order
from payment_service.payment.state import Payment, PaymentStage, Refund
from psp_adapter.ledger import Ledger, order_of
from psp_adapter.stripe_money import from_stripe
from psp_adapter.stripe_objects import Intent

WAITING = (
    OrderStatus.PENDING_PAYMENT,
    OrderStatus.AWAITING_APPROVAL,
    OrderStatus.CAPTURING,
    OrderStatus.EXPIRING,
    OrderStatus.CANCELLING,
)
"""The statuses in which an order waits for its payment."""

_AUTHORISED = (OrderStatus.AWAITING_APPROVAL, OrderStatus.CAPTURING)
_PAYABLE = (PaymentStage.SESSION_OPEN, PaymentStage.ACTION_REQUIRED)
_SKEW = timedelta(minutes=5)
"""How much earlier by the PSP's clock a PaymentIntent may seem to be made than its order."""
_BATCH = 500
_PATIENCE = 60.0
"""Seconds in which the payment service must have handled a message."""

Send = Callable[[Command | Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order that waits, and its payment as far as it is known."""

    order: Order
    payment: Payment | None

    @property
    def is_lost(self) -> bool:
        """Whether neither the order nor a payment names the PSP's session for it."""
        payment = self.payment
        return payment is None or not (payment.session or payment.paid_reference or payment.earlier_sessions)

    def repeated(self) -> Command | None:
        """The order's command to repeat, if order or payment has lost what the other knows."""
        stage = self.payment.status if self.payment else None
        if stage is PaymentStage.SUCCEEDED:
            return session_asked(self.order)
        if self.order.status is OrderStatus.CAPTURING and stage in (PaymentStage.AUTHORISED, *_PAYABLE):
            return CapturePayment(
                order_id=self.order.order_id, payment_id=self.order.payment_id, amount=self.order.total
            )
        if self.order.status is OrderStatus.PENDING_PAYMENT and stage is PaymentStage.AUTHORISED:
            return session_asked(self.order)
        if self.order.status in _AUTHORISED and stage in (PaymentStage.CLOSED, PaymentStage.FAILED):
            return ClosePaymentSession(order_id=self.order.order_id, payment_id=self.order.payment_id)
        if self.is_closing and stage in (PaymentStage.CLOSED, PaymentStage.FAILED, *_PAYABLE):
            return ClosePaymentSession(order_id=self.order.order_id, payment_id=self.order.payment_id)
        if stage in _PAYABLE and self.order.session is None and not self.is_answered:
            return session_asked(self.order)
        return None

    @property
    def is_closing(self) -> bool:
        return self.order.status in (OrderStatus.EXPIRING, OrderStatus.CANCELLING)

    @property
    def is_answered(self) -> bool:
        """Whether the session of its latest request was opened and lost: its guest asks for the next."""
        return 0 < self.order.session_requests <= self.order.closed_request_no

    @property
    def is_forgotten(self) -> bool:
        """Whether the order has requested a session but has no payment, so that it could not even be closed."""
        return self.payment is None and self.order.session_requests > 0


def session_asked(order: Order) -> CreatePaymentSession:
    """The order's latest request for a session, to be repeated."""
    return CreatePaymentSession(
        order_id=order.order_id,
        payment_id=order.payment_id,
        amount=order.ordered_total,
        request_no=order.session_requests,
        asked_at=order.session_asked_at or order.created_at,
        description=payment_description(order),
        is_captured_later=order.needs_approval,
        psp_account=order.psp_account,
    )


def refunds_to_repeat(order: Order, payment: Payment | None) -> list[RefundPayment]:
    """The refunds that the payment does not know, or whose outcome the order has not received, as commands.

    Repeating one is safe: the payment service answers with what it knows of this id, and makes no refund twice.
    """
    paid = payment.refunds if payment is not None and payment.paid_reference is not None else ()
    known = {refund.refund_id for refund in paid}
    lost = [
        refund_command(order, refund)
        for refund in order.refunds
        if refund.stage is RefundStage.REQUESTED and refund.settled is None and refund.refund_id not in known
    ]
    return lost + [
        refund_command(order, refund)
        for refund in paid
        if refund.stage is not RefundStage.REQUESTED and _is_news(order, refund)
    ]


def _is_news(order: Order, refund: Refund) -> bool:
    at_order = order.refund(refund.refund_id)
    return at_order is None or at_order.moved(refund.stage) != at_order


async def waiting_orders(orders: Documents[Order], payments: Documents[Payment]) -> list[Waiting]:
    """Every order that waits for its payment."""
    ids = [order_id for status in WAITING async for order_id in orders.ids(status=status)]
    found: list[Waiting] = []
    for start in range(0, len(ids), _BATCH):
        batch = [order for _, order in await orders.load_many(ids[start : start + _BATCH])]
        paid = await payments.load_many([order.payment_id for order in batch])
        known = {payment.payment_id: payment for _, payment in paid}
        found += [Waiting(order, known.get(order.payment_id)) for order in batch if order.status in WAITING]
    return found


async def restore(
    waiting: Iterable[Waiting], payments: Documents[Payment], ledgers: Iterable[Ledger], send: Send
) -> int:
    """Send the services what the PSP and the payments know of these orders. Returns the number of orders."""
    resent = 0
    lost: dict[OrderId, Waiting] = {}
    for one in waiting:
        if one.is_lost:
            lost[one.order.order_id] = one
        elif (again := one.repeated()) is not None:
            await send(again)
            resent += 1
    paid: dict[OrderId, list[Intent]] = {}
    for ledger in ledgers:
        at_it = {order_id: one for order_id, one in lost.items() if one.order.psp_account == ledger.stripe.account}
        paid |= await _paid_sessions(at_it, ledger)
    unpaid = [one.order for order_id, one in lost.items() if order_id not in paid and one.is_forgotten]
    for order in unpaid:
        await send(session_asked(order))
    for order_id, intents in paid.items():
        order = lost[order_id].order
        if lost[order_id].payment is None:
            await send(session_asked(order))
        for intent in intents:
            await _adopt(order, intent, payments, send)
    return resent + len(paid) + len(unpaid)


async def _paid_sessions(lost: Mapping[OrderId, Waiting], ledger: Ledger) -> dict[OrderId, list[Intent]]:
    """The PaymentIntents that name these orders and are paid: the list is read back to the oldest order."""
    found: dict[OrderId, list[Intent]] = {}
    if not lost:
        return found
    since = min(one.order.created_at for one in lost.values()) - _SKEW
    async for raw in ledger.stripe.each("/v1/payment_intents", created={"gte": int(since.timestamp())}):
        order_id = OrderId(order_of(raw, ledger.installation) or "")
        if order_id in lost and raw.get("status") in ("succeeded", "requires_capture"):
            found.setdefault(order_id, []).append(Intent.model_validate(raw))
    return found


async def _adopt(order: Order, intent: Intent, payments: Documents[Payment], send: Send) -> None:
    """Give a payment its lost session, and then the session's current state.

    The session's client secret stays with the PSP: no guest pays with it any more.
    """
    opened = PspSessionCreated(
        order_id=order.order_id,
        payment_id=order.payment_id,
        psp_account=order.psp_account,
        session_no=1,
        psp_reference=intent.id,
        amount=from_stripe(intent.amount, intent.currency),
        livemode=intent.livemode,
        sealed_client_secret="",
    )
    # A payment must exist before events about it, and hold a session before reports about that.
    if not await _until(order.payment_id, payments, lambda payment: True):
        return
    await send(opened)
    if await _until(order.payment_id, payments, lambda payment: payment.knows(intent.id)):
        about = {"order_id": order.order_id, "payment_id": order.payment_id, "psp_account": order.psp_account}
        await send(RetrievePspSession.model_validate({**about, "psp_reference": intent.id}))


async def _until(payment_id: PaymentId, payments: Documents[Payment], holds: Callable[[Payment], bool]) -> bool:
    """Wait until the payment service has got there; False after the time-out."""
    try:
        async with asyncio.timeout(_PATIENCE):
            while True:
                stored = await payments.load(payment_id)
                if stored is not None and holds(stored.state):
                    return True
                await asyncio.sleep(0.1)
    except TimeoutError:
        return False
