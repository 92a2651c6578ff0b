"""Guests and staff: what they do with one order, drawn from the seed and the order's number alone."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from random import Random
from typing import Any

import httpx

from client import GatewayClient, GatewayError, PaymentSession, PendingError, ProblemError, calls
from client.calls import Call, ResultT
from contracts.ids import ExtraId, GuestId, OrderId, PropertyId, ReservationId
from contracts.orders import Guest, OrderStatus, OrderView, RequestedLine, Staff
from gateway.api.idempotency import order_id_of
from stripe_sandbox import vouchers
from tests.simulation.owner import SAUNA, SLOTS
from tests.simulation.psp import Psp
from tests.simulation.shortcut import Shortcut
from tests.simulation.staff import PROPERTY, SEASIDE, Ask, Duty, decide_on, look_after, work_on

LATE_CHECKOUT = ExtraId("late-checkout")
"""The hotel approves it first."""
SCARCE_DAYS = (date(2026, 9, 28), date(2026, 9, 29))

_LONG_ENOUGH = 1000.0
"""Seconds within which a cancelled session is known, even if its webhook is lost."""

Browser = GatewayClient | Shortcut
BrowserOf = Callable[[Guest | Staff], Browser]

_MOVING = (OrderStatus.PENDING_PAYMENT, OrderStatus.CAPTURING, OrderStatus.EXPIRING, OrderStatus.CANCELLING)
_LATER = (429, 503)

CARDS = (
    ("pm_card_visa", 54),
    ("pm_card_chargeDeclined", 8),
    ("pm_card_authenticationRequired", 12),
    ("pm_card_processing", 6),
    ("pm_card_processingFail", 3),
    ("pm_card_createDispute", 3),
    ("pm_card_pendingRefund", 4),
    ("pm_card_refundFail", 10),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one guest is going to do."""

    number: int
    arrives_at: float
    at: PropertyId
    """The hotel where they stay."""
    lines: tuple[RequestedLine, ...]
    double_clicks: bool
    leaves: bool
    """Never comes back to pay."""
    waits: float
    """Seconds until they pay."""
    hesitates: float
    """Seconds before each card."""
    two_tabs: bool
    cards: tuple[str, ...]
    authenticates: bool
    cancels: str
    """"", "before", "with" or "after" paying."""
    duty: Duty
    """What staff do with it."""
    watches: bool
    """By the live stream of the order, where there is HTTP, rather than by looking again and again."""

    @classmethod
    def drawn(cls, seed: int, number: int, window: float) -> "Plan":
        random = Random(f"guest {number} of {seed}")  # noqa: S311 - chance for tests, not for secrets
        scarce = random.random() < 0.25
        line = RequestedLine(
            extra_id=ExtraId("massage" if scarce else "breakfast"),
            quantity=random.choice((1, 1, 2)),
            day=random.choice(SCARCE_DAYS) if scarce else None,
        )
        basket = Random(f"basket {number} of {seed}")  # noqa: S311 - as above
        if not scarce and basket.random() < 0.3:
            slot, quantity = basket.choice(SLOTS), basket.choice((1, 1, 2))
            line = RequestedLine(extra_id=SAUNA, quantity=quantity, day=basket.choice(SCARCE_DAYS), slot=slot)
        more = (RequestedLine(extra_id=ExtraId("breakfast"), quantity=1),) if basket.random() < 0.25 else ()
        if Random(f"approval {number} of {seed}").random() < 0.12:  # noqa: S311 - as above
            line = RequestedLine(extra_id=LATE_CHECKOUT, quantity=1)
            beside = Random(f"beside {number} of {seed}")  # noqa: S311 - as above
            if beside.random() < 0.5:  # something limited, which staff may take out
                more = (RequestedLine(extra_id=ExtraId("massage"), quantity=1, day=beside.choice(SCARCE_DAYS)), *more)
        lines, at = (line, *more), PROPERTY
        away = Random(f"hotel {number} of {seed}").random() < 0.3  # noqa: S311 - as above
        if away and all(each.slot is None for each in lines):
            at, lines = SEASIDE, tuple(_at_seaside(each) for each in lines)
        names, weights = zip(*CARDS, strict=True)
        waits = random.choice((0.5, 0.5, 2.0, 20.0, 300.0, random.uniform(1780, 1860), 2400.0))
        cards = (*random.choices(names, weights, k=random.choice((1, 2))), "pm_card_visa")
        own = Random(f"voucher {number} of {seed}")  # noqa: S311 - as above
        if own.random() < 0.06:
            cards = (own.choice(("oxxo", "customer_balance")),)
        cancels = random.choices(("", "before", "with", "after"), (75, 7, 8, 10))[0]
        staff = random.choices(("", "fulfil", "refund part", "refund"), (55, 12, 20, 13))[0]
        comes_late = random.random() < 0.15  # when holds of the others have lapsed, or have been kept
        return cls(
            number,
            random.uniform(0, window) + (random.uniform(2400.0, 3600.0) if comes_late else 0.0),
            at,
            lines,
            double_clicks=random.random() < 0.2,
            leaves=random.random() < 0.08,
            waits=waits,
            hesitates=random.choice((0.5, 0.5, 5.0, 120.0)),
            two_tabs=random.random() < 0.1,
            cards=cards,
            authenticates=random.random() < 0.8,
            cancels=cancels,
            duty=Duty.drawn(seed, number, staff),
            watches=random.random() < 0.7,
        )


@dataclass
class Order:
    """What the world knows of an order that the services do not decide: what its guest was shown."""

    plan: Plan
    guest: Guest
    key: str
    """The idempotency key of the basket."""
    order_id: OrderId
    acknowledged: bool = False
    """Its guest was shown that it is placed."""
    refused: str | None = None
    told_paid: bool = False
    """The PSP showed the guest's browser that it is paid, or will be."""
    given_up: bool = False
    """Its guest, or staff, was shown that it is cancelled."""
    seen: list[str] = field(default_factory=list)
    """What the PSP showed in the guest's browser."""
    watched: list[str] = field(default_factory=list)
    """What the live stream showed."""
    is_stuck: bool = False
    """Its guest was given a cancelled session again and again."""
    is_done: bool = False


def _at_seaside(line: RequestedLine) -> RequestedLine:
    """The same of the other hotel."""
    return line.model_copy(update={"extra_id": seasides(line.extra_id)})


def seasides(extra_id: str) -> ExtraId:
    return ExtraId(f"{extra_id}-seaside")


class People:
    """Lives through the plans, by way of any gateway that answers."""

    def __init__(self, browser_of: BrowserOf, psp: Psp, time: Callable[[], float], seed: int) -> None:
        self._browser_of = browser_of
        self._psp = psp
        self._time = time
        self._seed = seed
        self.orders: list[Order] = []

    def order_of(self, plan: Plan) -> Order:
        guest = Guest(
            guest_id=GuestId(f"guest-{plan.number}"),
            property_id=plan.at,
            reservation_id=ReservationId(f"res-{plan.number}"),
            stay_from=date(2026, 9, 25),
            stay_to=date(2026, 10, 5),
        )
        key = f"key-{self._seed}-{plan.number}"
        order = Order(plan, guest, key, order_id_of(guest, key))
        self.orders.append(order)
        return order

    async def live(self, order: Order) -> None:
        """One guest, from arriving to leaving."""
        plan = order.plan
        await asyncio.sleep(plan.arrives_at)
        try:
            await self._live(order, plan)
        finally:
            order.is_done = True

    async def _live(self, order: Order, plan: Plan) -> None:
        place = calls.place_order(plan.lines, key=order.key)
        clicks = [self.insist(order.guest, place) for _ in range(2 if plan.double_clicks else 1)]
        for answer in await asyncio.gather(*clicks):
            if isinstance(answer, OrderView):
                order.acknowledged = True
            elif isinstance(answer, ProblemError):
                order.refused = answer.name
        if not order.acknowledged or plan.leaves:
            return
        if plan.cancels == "before":
            await self._cancel(order)
        await asyncio.sleep(plan.waits)
        tabs = [self._pay(order)] + ([self._pay(order)] if plan.two_tabs else [])
        if plan.cancels == "with":
            tabs.append(self._cancel(order))
        await asyncio.gather(*tabs)
        view = await self._watch(order, 900.0)
        if view is not None and view.status is OrderStatus.AWAITING_APPROVAL:
            await decide_on(plan.duty, order.order_id, self._ask_at(plan.at))
            view = await self._watch(order, 900.0)
        if view is not None and view.status is OrderStatus.CONFIRMED:
            await self._afterwards(order, plan)
        await look_after(plan.duty, order.order_id, self._ask_at(plan.at))

    async def _pay(self, order: Order) -> None:
        """In one tab of the browser: with a session that is over, again with the next one."""
        secret = ""
        for pause in (30.0, _LONG_ENOUGH, 0.0):
            session = await self.insist(order.guest, calls.start_payment(order.order_id))
            if not isinstance(session, PaymentSession):
                return
            former, secret = secret, session.client_secret
            if not await self._try_cards(order, secret):
                return
            order.is_stuck = former == secret and pause == 0.0
            await asyncio.sleep(pause)

    async def _try_cards(self, order: Order, secret: str) -> bool:
        """Each card in turn, until one is taken. Whether the session is cancelled, so that another one is needed."""
        for card in order.plan.cards:
            await asyncio.sleep(order.plan.hesitates)
            status = self._psp.confirm(secret, card)
            if status == "requires_action" and card in vouchers.TYPES:
                # Not paying a voucher keeps its order open for days, so only transfers are never made.
                if card == "customer_balance" and order.plan.number % 4 == 0:
                    return False
                await asyncio.sleep(60.0 * (1 + order.plan.number % 40))
                status = self._psp.pay(secret)
            elif status == "requires_action":
                await asyncio.sleep(3.0)
                status = self._psp.authenticate(secret, succeeds=order.plan.authenticates)
            order.seen.append(f"{card}: {status}")
            if status in ("succeeded", "processing", "requires_capture"):
                order.told_paid = order.told_paid or status == "succeeded"
                return False
            if status.startswith("refused") and "requires_payment_method" not in status:
                return "canceled" in status
        return False

    async def _afterwards(self, order: Order, plan: Plan) -> None:
        """A confirmed order: its guest changes their mind, or staff do their work."""
        await asyncio.sleep(plan.number % 7)
        if plan.cancels == "after":
            await self._cancel(order)
        order.given_up = await work_on(plan.duty, order.order_id, self._ask_at(plan.at)) or order.given_up

    async def _cancel(self, order: Order) -> None:
        answer = await self.insist(order.guest, calls.cancel_order(order.order_id))
        order.given_up = order.given_up or isinstance(answer, OrderView)

    async def _watch(self, order: Order, seconds: float) -> OrderView | None:
        """Look at the order until nothing is open any more, or the guest has had enough."""
        until, view = self._time() + seconds, None
        pause = 2.0
        while self._time() < until:
            browser = self._browser_of(order.guest)
            if order.plan.watches and isinstance(browser, GatewayClient):
                await self._follow(order, browser, until - self._time())
            answer = await self._try(order.guest, calls.get_order(order.order_id))
            if isinstance(answer, OrderView):
                view = answer
                if view.status not in _MOVING:
                    return view
            await asyncio.sleep(pause)
            pause = min(pause * 4, 300.0)
        return view

    async def _follow(self, order: Order, browser: GatewayClient, seconds: float) -> None:
        """The live stream, until it shows that nothing is open any more, or ends."""
        try:
            async with asyncio.timeout(seconds), browser.watch(order.order_id) as updates:
                async for update in updates:
                    order.watched.append(f"{update.event}: {update.status}")
                    if update.status is not None and update.status not in _MOVING:
                        return
        except (TimeoutError, httpx.TransportError, GatewayError):
            return

    def _ask_at(self, hotel: PropertyId) -> Ask:
        """How that hotel's staff ask."""

        async def ask(person: Staff, call: Call[Any]) -> Any:
            return await self.insist(person.model_copy(update={"property_id": hotel}), call)

        return ask

    async def insist(self, person: Guest | Staff, call: Call[ResultT]) -> ResultT | ProblemError | None:
        """Ask again and again, as a browser does, until there is an answer."""
        for pause in (1.0, 2.0, 5.0, 5.0, 10.0, 30.0, 60.0, 120.0):
            answer = await self._try(person, call)
            if answer is not None:
                return answer
            await asyncio.sleep(pause)
        return None

    async def _try(self, person: Guest | Staff, call: Call[ResultT]) -> ResultT | ProblemError | None:
        """The answer, a refusal included; None where repeating the call may help."""
        try:
            return await self._browser_of(person).send(call)
        except ProblemError as problem:
            return None if problem.status in _LATER else problem
        except (httpx.TransportError, PendingError):
            return None
