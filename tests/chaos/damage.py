"""What is broken, one thing after the other, while guests come and go."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from chassis.decision import Applied
from chassis.envelope import Delivery
from contracts.ids import OrderId, payment_id_of
from contracts.orders import OrderStatus
from extras_service import transitions
from extras_service.order import Order
from tests.chaos import poison
from tests.chaos.faulty import Point
from tests.chaos.guests import Crowd
from tests.chaos.processes import SANDBOX, ProcessSystem
from tests.integration.flow.guest import Json
from tests.integration.flow.system import ADAPTER, EXTRAS, GATEWAY, PAYMENTS, SERVICES
from tests.integration.flow.waiting import until

BACKLOG = 300
"""Documents whose messages the relay must send: more than it takes in one sweep."""

WEAK_POINTS = (
    (EXTRAS, Point.WRITTEN),
    (EXTRAS, Point.PUBLISHED),
    (PAYMENTS, Point.WRITTEN),
    (PAYMENTS, Point.PUBLISHED),
    (ADAPTER, Point.CALLED),
    (ADAPTER, Point.PUBLISHED),
    (GATEWAY, Point.ASKED),
)

Act = Callable[[], Awaitable[None]]


@dataclass
class Saboteur:
    """Breaks a system in an order and at moments that a seed decides."""

    system: ProcessSystem
    crowd: Crowd
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    backlog: set[str] = field(default_factory=set)
    """Ids of the messages that only the relay can have sent."""

    async def rampage(self, rounds: int, guests: int) -> None:
        """Everything once per round, with so many new guests before each."""
        for _ in range(rounds):
            acts = self.acts()
            self.chance.shuffle(acts)
            for act in acts:
                self.crowd.let_in(guests)
                await self.crowd.gets_on(self.chance.randint(1, 2 * guests))
                await act()

    def acts(self) -> list[Act]:
        weak = [partial(self.kill_at, part, point) for part, point in WEAK_POINTS]
        kills = [partial(self.kill, part) for part in SERVICES]
        return [*weak, *kills, self.kill_broker, self.kill_store, self.lose_psp, self.poison]

    # Acts

    async def kill(self, part: str) -> None:
        """SIGKILL at a random moment, and start it again."""
        await self.system.kill_part(part)
        self.done["services killed at random"] += 1
        await self._start(part)

    async def kill_at(self, part: str, point: Point) -> None:
        """Let it die exactly there, one of the next few times it gets there; start it again."""
        self.system.fuses[part].arm(point, self.chance.randint(1, 5))
        process = self.system.processes[part]

        async def is_dead() -> bool:
            if self.crowd.is_empty():
                self.crowd.let_in(1)
            return process.exit_code is not None

        await until(is_dead, f"{part} has died at '{point}'", within=60)
        self.done[f"services killed at '{point}'"] += 1
        await self._start(part)

    async def kill_broker(self) -> None:
        """SIGKILL, and a pile of unsent messages on top of what was under way."""
        await asyncio.to_thread(self.system.broker.kill)
        self.done["broker kills"] += 1
        await self._pile_up()
        await asyncio.to_thread(self.system.broker.start)
        self.done["restarts"] += 1

    async def kill_store(self) -> None:
        """SIGKILL; started again once a service has noticed."""
        before = self._put_off()
        await asyncio.to_thread(self.system.store.kill)
        self.done["store kills"] += 1
        await self._noticed(before)
        await asyncio.to_thread(self.system.store.start)
        self.done["restarts"] += 1

    async def lose_psp(self) -> None:
        """Nobody answers at the PSP's address; it is back once the adapter has noticed. Its books are whole."""
        before = self._put_off()
        await self.system.stop_part(SANDBOX)
        self.done["PSP outages"] += 1
        self.crowd.let_in(1)
        await self._noticed(before)
        await self._start(SANDBOX)

    async def poison(self) -> None:
        self.done["rounds of poison"] += 1
        await poison.spread(self.system, self.done["rounds of poison"])

    # How

    async def _start(self, part: str) -> None:
        await self.system.start_part(part)
        self.done["restarts"] += 1

    def _put_off(self) -> int:
        """How often any service has put a message off, so far: to the retry ladder, or back to the broker."""
        said = self.system.said()
        return said["message.retried"] + said["message.given_back"]

    async def _noticed(self, before: int) -> None:
        async def noticed() -> bool:
            await asyncio.sleep(0.1)  # the logs are long
            return self._put_off() > before

        await until(noticed, "a service has noticed", within=60)

    async def _pile_up(self) -> None:
        """Orders that expired just now, and nobody has been told."""
        orders = self.system.documents["orders"]
        template = await orders.find_one({})
        assert template is not None, "guests got somewhere, so there is an order"
        pile = [_expired_untold(Order.model_validate(template["state"])) for _ in range(BACKLOG)]
        await orders.insert_many(pile)
        self.backlog |= {document["outbox"][0]["id"] for document in pile}


def _expired_untold(template: Order) -> Json:
    """An order like that one, as the extras service leaves it when it dies right after the deadline's write."""
    order_id = OrderId(f"ord_{uuid.uuid4().hex[:26]}")
    # The template may have been through anything by now, a refund included.
    unpaid = {"status": OrderStatus.PENDING_PAYMENT, "session": None, "waiting": ()}
    no_money = {"received": None, "refunded": None, "refunds": (), "failed_refunds": ()}
    ids = {"order_id": order_id, "payment_id": payment_id_of(order_id)}
    pending = template.model_copy(update={**ids, **unpaid, **no_money})
    expired = transitions.expired(pending)
    assert isinstance(expired, Applied)
    envelopes = Delivery("chaos", "chaos", "deadline").sent_by(order_id, 2, expired.messages)
    moment = datetime.now(UTC)
    return {
        "_id": order_id,
        "version": 2,
        "state": expired.state.model_dump(mode="json"),
        "handled": ["chaos"],
        "outbox": [envelope.to_document() for envelope in envelopes],
        "updated_at": moment,
        "unsent_since": moment - timedelta(seconds=3),
    }
