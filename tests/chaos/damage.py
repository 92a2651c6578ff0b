"""What is broken, one thing after the other, while guests come and go."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from time import time
from urllib.parse import urlsplit

from chassis.decision import Applied
from chassis.errors import StoreUnavailableError
from chassis.messaging.amqp import connection_for_tools
from chassis.messaging.envelope import Delivery
from chassis.messaging.own_causes import DEADLINE
from chassis.runtime.metrics import Metrics
from chassis.storage.store import Store
from contracts.ids import OrderId, payment_id_of
from contracts.orders import OrderStatus
from contracts.payments import PaymentSucceeded
from contracts.psp import PspPaymentSucceeded
from contracts.topology import EVENTS, EXTRAS_PAYMENTS, PAYMENTS_PSP
from extras_service.order import closure
from extras_service.order.state import Order
from ops.core.dead_letters.letters import DeadLetters
from tests.chaos import poison
from tests.chaos.duty import is_advised
from tests.chaos.faulty import Point
from tests.chaos.guests import PERSISTENCE, Crowd, Story
from tests.chaos.processes import SANDBOX, ProcessSystem
from tests.support.guest import Json
from tests.support.operator import Operator
from tests.support.outages import frozen_process, frozen_server
from tests.support.system import ADAPTER, EXTRAS, GATEWAY, PAYMENTS, SERVICES
from tests.support.waiting import until

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

CUT = (
    (PAYMENTS_PSP, PspPaymentSucceeded.wire_kind()),
    (EXTRAS_PAYMENTS, PaymentSucceeded.wire_kind()),
)
"""Bindings that an operator removes by mistake."""

FROZEN = 5.0
"""Seconds that the broker does nothing: longer than `publish_timeout` of the services under chaos."""

PSP_FROZEN = 13.0
"""Seconds that the PSP does nothing: longer than `stripe_timeout`."""

STRANGERS = 300
"""Slow senders at the webhook: more than it reads bodies at once."""

LOOKS = 25
"""More than the 20 deliveries after which RabbitMQ 4 drops a message by default."""

_ENDLESS = (
    b"POST %s HTTP/1.1\r\nHost: %s\r\nStripe-Signature: t=%d,v1=" + b"00" * 32 + b"\r\nContent-Length: 100000\r\n\r\n{"
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
        outages = [
            self.kill_broker,
            self.kill_store,
            self.lose_psp,
            self.freeze_broker,
            self.freeze_store,
            self.freeze_psp,
        ]
        return [*weak, *kills, *outages, self.remove_binding, self.crowd_the_webhook, self.operate, self.poison]

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
        """The PSP does not answer; it is back once the adapter has noticed. Its ledger is intact."""
        before = self._put_off()
        await self.system.stop_part(SANDBOX)
        self.done["PSP outages"] += 1
        self.crowd.let_in(1)
        await self._noticed(before)
        await self._start(SANDBOX)

    async def freeze_broker(self) -> None:
        """It does nothing for longer than a publish may take; its connections stay open."""
        with frozen_server(self.system.broker):
            self.done["broker frozen"] += 1
            self.crowd.let_in(1)
            await asyncio.sleep(FROZEN)

    async def freeze_store(self) -> None:
        """It does nothing until a service has noticed; its connections stay open."""
        before = self._put_off()
        with frozen_server(self.system.store):
            self.done["store frozen"] += 1
            self.crowd.let_in(1)
            await self._noticed(before)

    async def freeze_psp(self) -> None:
        """It takes connections and answers nothing, for longer than the adapter waits for an answer."""
        with frozen_process(self.system.processes[SANDBOX].pid):
            self.done["PSP frozen"] += 1
            self.crowd.let_in(1)
            await asyncio.sleep(PSP_FROZEN)

    async def remove_binding(self) -> None:
        """A slip: events of successful payments reach no queue. The operator on duty puts it right (duty.py)."""
        queue, kind = self.chance.choice(CUT)
        async with self.system.channel() as channel:
            bound = await channel.get_queue(queue.name, ensure=False)
            await bound.unbind(EVENTS.name, kind)
        self.done["bindings removed"] += 1
        self.crowd.let_in(3)

        async def reported() -> bool:
            if self.crowd.is_empty():
                self.crowd.let_in_one(Story.pays)
            return await is_advised(self.system)

        async def put_right() -> bool:
            return not await is_advised(self.system)

        await until(reported, f"a sender says that {kind} is unroutable", within=60)
        await until(put_right, f"{kind} is routed again", within=PERSISTENCE)

    async def crowd_the_webhook(self) -> None:
        """Hundreds of strangers send the webhook a body that never ends; payments come through beside them."""
        url = urlsplit(self.system.webhook_url)
        strangers = []
        for _ in range(STRANGERS):
            _reader, writer = await asyncio.open_connection(url.hostname, url.port, local_addr=("127.0.0.2", 0))
            writer.write(_ENDLESS % (url.path.encode(), url.netloc.encode(), int(time())))
            strangers.append(writer)
        self.done["slow senders at the webhook"] += STRANGERS
        story = self.crowd.let_in_one(Story.pays)
        try:
            await until(lambda: story.paid or story.given_up, "a guest has paid beside them", within=PERSISTENCE)
        finally:
            for writer in strangers:
                writer.close()

    async def operate(self) -> None:
        """An operator looks again and again while the store goes down and comes back, then replays what is dead."""
        operator = Operator(self.system)
        await self.poison()
        before = self._put_off()
        await asyncio.to_thread(self.system.store.kill)
        self.crowd.let_in(1)
        await self._look_without_a_store()
        await self._noticed(before)
        await asyncio.to_thread(self.system.store.start)
        self.done["store kills"] += 1
        self.done["restarts"] += 1

        async def listed() -> bool:
            return (await operator.runs("dead", "list", code=None)).code == 1

        await until(listed, "the operator sees the dead letters")
        await operator.runs("dead", "replay", "--error", "Unknown", "--why", "chaos", "--yes", code=None)
        self.done["replays by an operator"] += 1

    async def poison(self) -> None:
        self.done["rounds of poison"] += 1
        await poison.spread(self.system, self.done["rounds of poison"])

    async def _look_without_a_store(self) -> None:
        store = Store(self.system.setup.mongodb_url, self.system.setup.database, Metrics("chaos"), timeout=1.0)
        connection = await connection_for_tools(self.system.setup.amqp_url, "chaos", timeout=10)
        async with connection:
            letters = DeadLetters(store, connection)
            looks = await asyncio.gather(*(letters.drain() for _ in range(LOOKS)), return_exceptions=True)
        store.close()
        assert {type(look) for look in looks} == {StoreUnavailableError}
        self.done["looks at dead letters without a store"] += LOOKS

    # How

    async def _start(self, part: str) -> None:
        await self.system.start_part(part)
        self.done["restarts"] += 1

    def _put_off(self) -> int:
        """How often the services have retried, requeued, held or nacked a message so far."""
        said = self.system.said()
        return sum(said[f"message.{how}"] for how in ("retried", "requeued", "held", "nacked"))

    async def _noticed(self, before: int) -> None:
        async def noticed() -> bool:
            await asyncio.sleep(0.1)  # the logs are long
            return self._put_off() > before

        await until(noticed, "a service has noticed", within=60)

    async def _pile_up(self) -> None:
        """Orders that have just expired, without any message sent."""
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
    expired = closure.expired(pending)
    assert isinstance(expired, Applied)
    envelopes = Delivery("chaos", "chaos", DEADLINE).outbox_of(order_id, 2, expired.messages)
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
