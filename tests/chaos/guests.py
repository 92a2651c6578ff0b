"""Guests who order, pay, cancel and leave while Bellhop breaks around them, and who remember what they were shown."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from tests.support.books import Line, broken
from tests.support.desk import Desk, cancel
from tests.support.guest import Guest, Json
from tests.support.system import DECLINED_CARD, GOOD_CARD, System
from tests.support.waiting import until

REFUND = 1000
"""Cents that staff give back to some guests."""

PERSISTENCE = 90.0
"""Seconds a guest goes on trying."""


@dataclass
class Story:
    """One guest with one order."""

    system: System
    guest: Guest
    step: Callable[[], None]
    """Called whenever the guest got anywhere."""
    order_id: str = ""
    acknowledged: str = ""
    """The order's id from the first 201 or 202; from then on the order must not be lost."""
    session: Json = field(default_factory=dict)
    paid: bool = False
    given_up: bool = False
    cancel_refused: bool = False
    """The guest was refused the cancellation."""
    declined: int = 0

    # What a guest does

    async def order(self) -> None:
        """Press Order until there is an order, always with the same key."""
        key = uuid.uuid4().hex

        async def attempt() -> str | None:
            answer = await self._asked(lambda: self.guest.place(key=key), 201, 202, 503)
            if answer is not None and answer.is_success:
                self.acknowledged = self.acknowledged or answer.json()["order_id"]
            return answer.json()["order_id"] if answer is not None and answer.status_code == 201 else None

        self.order_id = await until(attempt, "the order is placed", within=PERSISTENCE)
        self.step()

    async def open_session(self) -> bool:
        """Ask for a payment session until there is one. False when the order expired meanwhile."""

        async def attempt() -> httpx.Response | None:
            answer = await self._asked(lambda: self.guest.ask_for_session(self.order_id), 201, 202, 409, 503)
            return answer if answer is not None and answer.status_code in (201, 409) else None

        answer = await until(attempt, "the session is open", within=PERSISTENCE)
        self.given_up = answer.status_code == httpx.codes.CONFLICT
        self.session = {} if self.given_up else answer.json()
        self.step()
        return not self.given_up

    async def pay(self, card: str = GOOD_CARD) -> None:
        """As Stripe.js does: a lost answer is asked for again, and a PaymentIntent that is paid already is paid."""

        async def attempt() -> Json | None:
            answer = await self._asked(lambda: self.system.pay(self.session, card))
            return answer.json() if answer is not None and answer.status_code < 500 else None

        said = await until(attempt, "the PSP has taken the card or refused it", within=PERSISTENCE)
        error = said.get("error", {})
        self.declined += error.get("code") == "card_declined"
        self.paid = error.get("payment_intent", said).get("status") in ("succeeded", "processing")
        self.step()

    async def cancel(self) -> None:
        self.given_up = True

        async def attempt() -> httpx.Response | None:
            answer = await self._asked(lambda: cancel(self.guest, self.order_id), 200, 202, 409, 503)
            return answer if answer is not None and answer.status_code in (200, 409) else None

        answer = await until(attempt, "the order is cancelled, or cannot be", within=PERSISTENCE)
        # Its deadline has passed and its session is being closed: the PSP decides whether it is paid or expired.
        self.cancel_refused = answer.status_code == httpx.codes.CONFLICT
        self.given_up = not self.cancel_refused
        self.step()

    async def _asked(self, ask: Callable[[], Awaitable[httpx.Response]], *expected: int) -> httpx.Response | None:
        """An answer, or None if there was none because the part is dead."""
        try:
            answer = await ask()
        except httpx.TransportError:
            answer = None
        if answer is None or answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            await asyncio.sleep(0.2)  # a guest's finger is no faster
        assert answer is None or not expected or answer.status_code in expected, f"{answer.status_code}: {answer.text}"
        return answer

    # What may happen

    async def pays(self) -> None:
        if await self.open_session():
            await self.pay()

    async def is_declined_first(self) -> None:
        if await self.open_session():
            await self.pay(DECLINED_CARD)
            await self.pay()

    async def is_refunded(self) -> None:
        """Staff give a part back, as soon as it is confirmed."""
        await self.pays()
        desk, key = Desk.of(self.system), uuid.uuid4().hex

        async def is_confirmed() -> bool:
            answer = await self._asked(lambda: self.guest.look(self.order_id), 200, 503)
            return answer is not None and answer.is_success and answer.json()["status"] == "confirmed"

        async def attempt() -> bool:
            answer = await self._asked(lambda: desk.refund(self.order_id, REFUND, key=key), 200, 202, 409, 503)
            return answer is not None and answer.is_success

        await until(is_confirmed, "the order is confirmed", within=PERSISTENCE)
        await until(attempt, "the refund is asked for", within=PERSISTENCE)
        self.step()

    async def cancels(self) -> None:
        if await self.open_session():
            await self.cancel()

    async def pays_and_cancels_at_once(self) -> None:
        if await self.open_session():
            await asyncio.gather(self.pay(), self.cancel())

    async def leaves(self) -> None:
        self.given_up = True

    # What came of it

    async def wrong(self, books: Mapping[str, list[Line]]) -> str | None:
        """What is wrong with this guest's money, if anything is."""
        order = await self.guest.see(self.order_id)
        return broken(order, books.get(self.order_id, []), paid=self.paid, given_up=self.given_up)


Plot = Callable[[Story], Awaitable[None]]
PLOTS: tuple[Plot, ...] = (
    Story.pays,
    Story.pays,
    Story.pays,
    Story.is_declined_first,
    Story.cancels,
    Story.pays_and_cancels_at_once,
    Story.leaves,
)


class Crowd:
    """Guests in numbers: let in by the handful, counted by every step they get."""

    def __init__(self, system: System, chance: random.Random, plots: Sequence[Plot] = PLOTS) -> None:
        self.stories: list[Story] = []
        self.steps = 0
        self._system = system
        self._chance = chance
        self._plots = plots
        self._tasks: list[asyncio.Task[None]] = []

    def let_in(self, many: int) -> None:
        for _ in range(many):
            self.let_in_one(self._chance.choice(self._plots))

    def let_in_one(self, plot: Plot) -> Story:
        """One guest more, whose plot is known."""
        story = Story(self._system, self._system.guest(), self._step)
        self.stories.append(story)
        self._tasks.append(asyncio.create_task(_live(story, plot)))
        return story

    async def gone(self) -> None:
        """Every guest has got what they came for. Raises what went wrong for the first one who has not."""
        await asyncio.gather(*self._tasks)

    async def send_away(self) -> None:
        """No guest remains when a test fails."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def gets_on(self, steps: int) -> None:
        """Wait until the guests together got so many steps further."""
        wanted = self.steps + steps
        await until(lambda: self.steps >= wanted or self.is_empty(), "guests got further", within=PERSISTENCE)

    def is_empty(self) -> bool:
        """No guest is under way."""
        return all(task.done() for task in self._tasks)

    def _step(self) -> None:
        self.steps += 1


async def _live(story: Story, plot: Plot) -> None:
    await story.order()
    await plot(story)
