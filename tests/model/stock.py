"""Two guests, one place left: the extras service's own steps, interleaved at every read and write of the store.

Each delivery runs in a process of its own: it shares nothing with the others but the documents. A walk picks at random
what happens next: a delivery goes one read or write further, comes once more or crashes, the deadlines pass, lapsed
holds are swept. The laws are checked after every step; at the end what crashed is delivered again, every deadline
passes, and nothing may be held that is not paid.
"""

import random
from collections.abc import Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Generic

from chassis.decision import StateT
from chassis.errors import TransientError
from chassis.messaging.envelope import Delivery, Envelope
from chassis.storage.stored_document import Stored
from contracts.ids import ExtraId, OrderId, payment_id_of
from contracts.offers import Slot
from contracts.order_actions import ReviewResolution
from contracts.orders import (
    CancelOrder,
    OrderCancelled,
    OrderExpired,
    OrderStatus,
    PlaceOrder,
    RequestedLine,
    ResolveReview,
    StartPayment,
)
from contracts.payments import PaymentRefundFailed, PaymentSessionCreated, PaymentSucceeded
from extras_service.handlers import ExtrasHandlers
from extras_service.order.inputs import DeadlinePassed, OrderInput, PaymentStart
from extras_service.order.placement import Terms
from extras_service.order.state import HoldsStage, Order
from extras_service.stock.decide import lapse_at
from extras_service.stock.state import StockDay
from extras_service.wiring import wire
from tests.support import orders as given

MASSAGE = given.offered("alm-massage", name="Massage").model_copy(update={"daily_limit": 2, "max_quantity": 2})
LIMIT = 2
BATH = given.offered("alm-bath", name="Bath").model_copy(
    update={"slots": (Slot(at="15:00", places=LIMIT), Slot(at="17:00", places=LIMIT)), "max_quantity": 2}
)
EXTRAS: dict[str, Any] = {extra.extra_id: extra for extra in (MASSAGE, BATH)}
TERMS = Terms(given.PAY_WITHIN, timedelta(hours=24), max_open_orders=10, max_held_per_guest=2)
DAYS = (given.FIRST_DAY, given.FIRST_DAY + timedelta(days=1))


class _Turn:
    """Where a delivery waits until the walk lets it go on."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class _Documents(Generic[StateT]):
    """The store's documents; each read and write is one step of a walk."""

    def __init__(self) -> None:
        self.kept: dict[str, Stored[StateT]] = {}
        self.due_at: dict[str, datetime | None] = {}

    async def load(self, document_id: str) -> Stored[StateT] | None:
        await _Turn()
        return self.kept.get(document_id)

    async def write(self, new: Stored[StateT], *, now: datetime, due_at: datetime | None) -> bool:
        await _Turn()
        known = self.kept.get(new.id)
        if (known.version if known else 0) != new.version - 1:
            return False
        self.kept[new.id], self.due_at[new.id] = new, due_at
        return True

    async def due(self, now: datetime, limit: int) -> dict[str, int]:
        await _Turn()
        ids = (document_id for document_id, due_at in self.due_at.items() if due_at is not None and due_at <= now)
        return {document_id: self.kept[document_id].version for document_id in ids}

    async def ids_of(self, limit: int, **fields: str) -> list[str]:
        return []

    def states(self) -> list[StateT]:
        return [stored.state for stored in self.kept.values()]


class _NoDocuments:
    """The catalogue and the properties: what is offered comes from records of an older version."""

    async def load(self, _id: str) -> None:
        return None

    async def load_many(self, _ids: object) -> list[object]:
        return []


class _Extras:
    async def get(self, _ids: object) -> dict[str, Any]:
        return EXTRAS


class _Store:
    def __init__(self) -> None:
        self.orders: _Documents[Order] = _Documents()
        self.stock: _Documents[StockDay] = _Documents()

    def documents(self, name: str, *_: object, **__: object) -> Any:
        return {"orders": self.orders, "stock": self.stock}.get(name, _NoDocuments())

    def records(self, *_: object, **__: object) -> Any:
        return _Extras()


@dataclass
class _Bus:
    """Keeps the events that close an order: each is delivered at some time."""

    closed: list[OrderExpired | OrderCancelled] = field(default_factory=list)

    async def publish(self, envelope: Envelope) -> None:
        if isinstance(envelope.message, OrderExpired | OrderCancelled):
            self.closed.append(envelope.message)


Run = Callable[[], Coroutine[Any, Any, object]]


@dataclass
class _Running:
    name: str
    run: Run
    steps: Coroutine[Any, Any, object]
    held_up_until: int = 0
    """The length of the trace at which it goes on."""


def ordering(key: str, guest: str, quantity: int, day: int = 0, slot: str | None = None) -> PlaceOrder:
    """A guest's order of some massages, or with a slot of baths, under an Idempotency-Key."""
    extra = BATH if slot else MASSAGE
    line = RequestedLine(extra_id=ExtraId(extra.extra_id), quantity=quantity, day=DAYS[day], slot=slot)
    return PlaceOrder(order_id=OrderId(f"ord_{guest}_{key}"), guest=given.guest(guest), lines=(line,))


def _name(command: PlaceOrder) -> str:
    [line] = command.lines
    return f"{command.order_id} ({line.quantity} on {line.day}{f' at {line.slot}' if line.slot else ''})"


def cancelling(order: Order) -> CancelOrder:
    """Staff cancel it."""
    return given.cancelling_by_staff().model_copy(update={"order_id": order.order_id})


def refund_failing(order: Order) -> PaymentRefundFailed:
    """Its newest refund fails."""
    newest = {"order_id": order.order_id, "payment_id": order.payment_id, "refund_id": order.refunds[-1].refund_id}
    return given.refund_failed(fact_no=len(order.refunds)).model_copy(update=newest)


def resolving(order: Order, resolution: ReviewResolution) -> ResolveReview:
    """Staff decide its review."""
    return given.resolving(resolution).command.model_copy(update={"order_id": order.order_id})


class Walk:
    """One history of the store, and what broke in it."""

    def __init__(self, commands: tuple[PlaceOrder, ...], seed: int, staff: int = 0) -> None:
        """`staff`: how often staff cancel a paid order or decide a review, and how often a refund fails."""
        self._chance = random.Random(seed)  # noqa: S311 - chance for a test
        self._now = given.NOW
        self._store = _Store()
        self._bus = _Bus()
        self._live: list[_Running] = []
        self._number = 0
        self._twice = 3
        self._crashes = 2
        self._leaps = 2
        self._staff = staff
        self._freezes = 3 if staff else 0
        self._acts = 0
        self._due = [(_name(command), self._placing(command, number)) for number, command in enumerate(commands)]
        self._paid: set[str] = set()
        self.trace: list[str] = []
        self.broken = ""

    def run(self) -> "Walk":
        """Walk until everything has happened, or a law is broken."""
        try:
            self._walk()
        finally:
            for running in self._live:
                running.steps.close()
        return self

    def _walk(self) -> None:
        if self._staff:
            self._begin_paid()
        for _ in range(400):
            options = list(self._options())
            if not options:
                break
            what, do = self._chance.choice(options)
            self.trace.append(what)
            do()
            if self._breaks(at_end=False):
                return
        self._settle()
        self._breaks(at_end=True)

    def _begin_paid(self) -> None:
        """The first order is placed and paid before the walk begins: what staff do comes after that."""
        (first, *others), self._due = self._due, []
        self._start(*first, twice=False)
        self._drain()
        [order] = self._store.orders.states()
        self._pay(order.order_id)
        self._drain()
        self._due = others

    # What may happen next

    def _options(self) -> Iterator[tuple[str, Callable[[], None]]]:
        for running in self._live:
            if running.held_up_until > len(self.trace):
                continue
            yield from [(f"{running.name} goes on", partial(self._step, running))] * 4
            if self._freezes:
                yield f"{running.name} is held up", partial(self._freeze, running)
            if self._crashes:
                yield f"{running.name} crashes", partial(self._crash, running)
        for name, run in self._due:
            yield f"{name} is delivered", partial(self._start, name, run)
        if self._leaps and (self._live or self._due):
            yield "the deadlines pass", self._leap
            if not any(running.name == "the sweep" for running in self._live):
                yield "lapsed holds are swept", self._sweep
        for order in self._store.orders.states():
            if order.status is OrderStatus.PENDING_PAYMENT and order.order_id not in self._paid and self._leaps:
                yield f"{order.order_id} is paid", partial(self._pay, order.order_id)
            if self._staff:
                yield from self._staff_options(order)

    def _staff_options(self, order: Order) -> Iterator[tuple[str, Callable[[], None]]]:
        match order.status:
            case OrderStatus.CONFIRMED:
                yield f"staff cancel {order.order_id}", partial(self._act, order, cancelling(order))
            case OrderStatus.CANCELLED if order.refunds and order.refunds[-1].refund_id not in order.failed_refunds:
                yield f"the refund of {order.order_id} fails", partial(self._act, order, refund_failing(order))
            case OrderStatus.NEEDS_REVIEW:
                for resolution in ReviewResolution:
                    command = resolving(order, resolution)
                    yield f"staff: {resolution} {order.order_id}", partial(self._act, order, command)

    def _step(self, running: _Running) -> None:
        try:
            running.steps.send(None)
        except StopIteration:
            self._live.remove(running)
            for event in self._bus.closed:
                self._due.append((f"{type(event).__name__} {event.order_id}", self._releasing(event.order_id)))
            self._bus.closed.clear()
        except TransientError:
            self._live.remove(running)
            self._due.append((running.name, running.run))

    def _start(self, name: str, run: Run, *, twice: bool = True) -> None:
        if (name, run) in self._due:
            self._due.remove((name, run))
        self._live.append(_Running(name, run, run()))
        if twice and self._twice and self._chance.random() < 0.3:
            self._twice -= 1
            self._due.append((name, run))  # the broker delivers it to another instance as well

    def _freeze(self, running: _Running) -> None:
        self._freezes -= 1
        running.held_up_until = len(self.trace) + self._chance.randrange(20, 200)

    def _crash(self, running: _Running) -> None:
        self._crashes -= 1
        running.steps.close()
        self._live.remove(running)
        self._due.append((running.name, running.run))

    def _leap(self) -> None:
        self._leaps -= 1
        self._now = lapse_at(self._now + TERMS.pay_within) + timedelta(seconds=1)
        self._due.append(("deadlines", self._deadlines))

    def _sweep(self) -> None:
        self._live.append(_Running("the sweep", self._sweeping, self._sweeping()))

    def _pay(self, order_id: OrderId) -> None:
        self._paid.add(order_id)
        self._due.append((f"payment of {order_id}", self._paying(order_id)))

    def _act(self, order: Order, message: CancelOrder | PaymentRefundFailed | ResolveReview) -> None:
        self._staff -= 1
        self._acts += 1
        name = f"{message.kind} {self._acts}"

        async def act() -> None:
            if isinstance(message, ResolveReview):
                await self._service().reviews.resolve(message, self._delivery(name))
            else:
                await self._handle(order.order_id, message, name)

        self._due.append((name, act))

    # The service's own steps, each in a process of its own

    def _service(self) -> ExtrasHandlers:
        return wire(self._bus, self._store, lambda: self._now, TERMS).handlers

    def _delivery(self, name: str) -> Delivery:
        return Delivery(name, name, "test")

    def _placing(self, command: PlaceOrder, number: int) -> Run:
        return lambda: self._service().placement.place(command, self._delivery(f"place-{number}"))

    def _releasing(self, order_id: OrderId) -> Run:
        async def release() -> None:
            order = await self._store.orders.load(order_id)
            assert order is not None
            await self._service().stock.release(order.state, self._delivery(f"closed-{order_id}"))

        return release

    async def _sweeping(self) -> None:
        await self._service().stock.sweep()

    async def _deadlines(self) -> None:
        for order_id in await self._store.orders.due(self._now, 100):
            await self._handle(OrderId(order_id), DeadlinePassed(), f"deadline-{order_id}-{self._now}")

    def _paying(self, order_id: OrderId) -> Run:
        async def pay() -> None:
            order = self._store.orders.kept[order_id].state
            start = StartPayment(order_id=order_id, guest_id=order.guest.guest_id, property_id=order.guest.property_id)
            await self._service().placement.start_payment(
                PaymentStart(start, None), self._delivery(f"start-{order_id}")
            )
            ids = {"order_id": order_id, "payment_id": payment_id_of(order_id), "amount": order.total}
            if self._store.orders.kept[order_id].state.session_asked_at is None:
                return  # refused: there is no session to pay in
            opened = PaymentSessionCreated.model_validate({**ids, "sealed_client_secret": "sealed"})
            await self._handle(order_id, opened, f"session-{order_id}")
            await self._handle(order_id, PaymentSucceeded.model_validate(ids), f"paid-{order_id}")

        return pay

    async def _handle(self, order_id: OrderId, message: OrderInput, message_id: str) -> None:
        await self._service().orders.handle(order_id, message, self._delivery(message_id))

    # Laws

    def _breaks(self, *, at_end: bool) -> bool:
        self.broken = self._broken_now() or (self._broken_at_end() if at_end else "")
        return bool(self.broken)

    def _broken_now(self) -> str:
        holds = {(day.day, day.slot): day for day in self._store.stock.states()}
        if any(day.taken > LIMIT for day in holds.values()):
            return "more places are held than there are"
        for order in self._store.orders.states():
            open_or_paid = order.status in (OrderStatus.PENDING_PAYMENT, OrderStatus.EXPIRING, OrderStatus.CONFIRMED)
            if order.holds is HoldsStage.CONFIRMED and open_or_paid:
                [line] = order.lines
                day = holds.get((line.day, line.slot)) if line.day else None
                own = [h for h in day.holds if h.order_id == order.order_id] if day else []
                if line.quantity not in [hold.quantity for hold in own]:
                    return f"{order.order_id} may be paid, or is, and its places are not held"
        return ""

    def _broken_at_end(self) -> str:
        for day in self._store.stock.states():
            sold = sum(
                line.quantity
                for order in self._store.orders.states()
                for line in order.lines
                if order.status is OrderStatus.CONFIRMED and (line.day, line.slot) == (day.day, day.slot)
            )
            reviewed = sum(h.quantity for h in day.holds if self._is_under_review(h.order_id))
            if day.taken != sold + reviewed:
                place = f"{day.day}{f' at {day.slot}' if day.slot else ''}"
                return f"after every deadline {day.taken} places of {place} are blocked, and {sold} are sold"
        return ""

    def _is_under_review(self, order_id: OrderId) -> bool:
        stored = self._store.orders.kept.get(order_id)
        return stored is not None and stored.state.status is OrderStatus.NEEDS_REVIEW

    def _settle(self) -> None:
        """What was begun ends, what crashed is delivered again, every deadline passes, and lapsed holds are swept."""
        self._crashes = self._twice = 0
        self._drain()
        for _ in range(2):
            self._leap()
            self._drain()
            self._sweep()
            self._drain()

    def _drain(self) -> None:
        while self._live or self._due:
            for running in list(self._live):
                self._step(running)
            for name, run in list(self._due):
                self._start(name, run)
