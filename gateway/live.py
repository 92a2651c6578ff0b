"""Live views: events of one order or property, passed from the bus to the clients that watch it, without polling."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel

from contracts.approvals import OrderApprovalNeeded, OrderApproved, OrderDeclined
from contracts.message import Message, OrderEvent
from contracts.money import Money
from contracts.orders import (
    OrderCancelled,
    OrderConfirmed,
    OrderExpired,
    OrderFulfilled,
    OrderNeedsReview,
    OrderPaymentChanged,
    OrderPendingPayment,
    OrderStatus,
    PaymentStatus,
    TakenOut,
)
from contracts.payments import PaymentFailed, PaymentProcessing

log = structlog.get_logger()

_BACKLOG = 64
_END = None


class LiveUpdate(BaseModel):
    """One event of an order, as its guest may see it."""

    event: str
    order_id: str
    status: OrderStatus | None = None
    payment_status: PaymentStatus | None = None
    code: str | None = None
    detail: str | None = None
    declined_because: str | None = None
    total: Money | None = None
    taken_out: TakenOut | None = None


class PropertyUpdate(BaseModel):
    """An order of a property has changed, as its staff hear of it: what it is now is read by its id."""

    event: str
    order_id: str


UpdateT = TypeVar("UpdateT", LiveUpdate, PropertyUpdate)
_Key = tuple[type[LiveUpdate] | type[PropertyUpdate], str]


class LiveFeed:
    """The live streams of this process, by order and by property."""

    def __init__(self, longest: float = 900.0) -> None:
        """A stream ends after `longest` seconds, so that its client reconnects with a token that is still valid."""
        self._longest = longest
        self._watching: dict[_Key, set[asyncio.Queue[Any]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def on_event(self, message: Message) -> None:
        """Pass an event to the streams of its order and of its property."""
        if (update := update_of(message)) is not None:
            self._pass((LiveUpdate, update.order_id), update)
        property_id = getattr(message, "property_id", None)
        if isinstance(message, OrderEvent) and isinstance(property_id, str):
            changed = PropertyUpdate(event=_event_name(message), order_id=message.order_id)
            self._pass((PropertyUpdate, property_id), changed)

    def _pass(self, key: _Key, update: LiveUpdate | PropertyUpdate) -> None:
        for watcher in self._watching.get(key, ()):
            if watcher.full():
                # A client that does not read loses its stream, reconnects, and starts from the order's state.
                log.info("live.overflowed", order_id=update.order_id)
                _end(watcher)
            else:
                watcher.put_nowait(update)

    def watching(self, order_id: str) -> AbstractContextManager[AsyncIterator[LiveUpdate]]:
        """Updates of one order from now on. Watch first, then read the order: no update is missed in between."""
        return self._watched((LiveUpdate, order_id), LiveUpdate)

    def watching_property(self, property_id: str) -> AbstractContextManager[AsyncIterator[PropertyUpdate]]:
        """Which orders of a property change from now on."""
        return self._watched((PropertyUpdate, property_id), PropertyUpdate)

    @contextmanager
    def _watched(self, key: _Key, _kind: type[UpdateT]) -> Iterator[AsyncIterator[UpdateT]]:
        self._loop = asyncio.get_running_loop()
        queue: asyncio.Queue[UpdateT | None] = asyncio.Queue(_BACKLOG)
        if self._closed:
            queue.put_nowait(_END)
        self._watching.setdefault(key, set()).add(queue)
        over = self._loop.call_later(self._longest, _end, queue)
        try:
            yield _until_end(queue)
        finally:
            over.cancel()
            watchers = self._watching[key]
            watchers.discard(queue)
            if not watchers:
                del self._watching[key]

    def close(self) -> None:
        """End every stream, so that a stopping server need not wait for them. Safe to call from a signal handler."""
        self._closed = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end_all)

    def _end_all(self) -> None:
        for watchers in self._watching.values():
            for watcher in watchers:
                _end(watcher)


def _end(watcher: asyncio.Queue[Any]) -> None:
    if watcher.full():
        watcher.get_nowait()
    watcher.put_nowait(_END)


async def _until_end(queue: asyncio.Queue[UpdateT | None]) -> AsyncIterator[UpdateT]:
    while (update := await queue.get()) is not None:
        yield update


def _event_name(message: Message) -> str:
    return message.kind.rpartition(".")[0]


def _left(total: Money | None, taken_out: TakenOut | None) -> dict[str, Any]:
    """What is left of an order of which staff took lines out."""
    return {"total": total, "taken_out": taken_out} if taken_out else {}


def update_of(message: Message) -> LiveUpdate | None:
    """The part of an event that a guest may see."""
    if not isinstance(message, OrderEvent):
        return None
    seen = LiveUpdate(event=_event_name(message), order_id=message.order_id)
    match message:
        case OrderPendingPayment():
            return seen.model_copy(
                update={"status": OrderStatus.PENDING_PAYMENT, "payment_status": PaymentStatus.UNPAID}
            )
        case OrderConfirmed(status=status, payment_status=money, total=total, taken_out=taken_out):
            confirmed = {"status": status, "payment_status": money}
            return seen.model_copy(update=confirmed | _left(total, taken_out))
        case OrderPaymentChanged(status=status, payment_status=payment_status):
            return seen.model_copy(update={"status": status, "payment_status": payment_status})
        case OrderCancelled(payment_status=payment_status):
            return seen.model_copy(update={"status": OrderStatus.CANCELLED, "payment_status": payment_status})
        case OrderApprovalNeeded():
            return seen.model_copy(
                update={"status": OrderStatus.AWAITING_APPROVAL, "payment_status": PaymentStatus.AUTHORISED}
            )
        case OrderApproved(total=total, taken_out=taken_out):
            return seen.model_copy(update={"status": OrderStatus.CAPTURING} | _left(total, taken_out))
        case OrderDeclined(payment_status=payment_status, reason=reason):
            return seen.model_copy(
                update={"status": OrderStatus.DECLINED, "payment_status": payment_status, "declined_because": reason}
            )
        case OrderFulfilled():
            return seen.model_copy(update={"status": OrderStatus.FULFILLED})
        case OrderExpired():
            return seen.model_copy(update={"status": OrderStatus.EXPIRED})
        case OrderNeedsReview():
            return seen.model_copy(update={"status": OrderStatus.NEEDS_REVIEW})
        case PaymentProcessing():
            return seen.model_copy(update={"payment_status": PaymentStatus.PROCESSING})
        case PaymentFailed(code=code, detail=detail):
            return seen.model_copy(update={"code": code, "detail": detail})
        case _:
            return None
