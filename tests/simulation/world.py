"""One history: servers, two instances of each service, people, faults, and what is true at the end of it."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch

from pydantic import SecretStr

from chassis.seal import Seal
from chassis.storage import stored_document
from contracts.money import Money
from contracts.orders import Guest, Staff
from contracts.psp import CreatePspRefund
from extras_service.catalogue.extra import Extra
from ops.core.target import Target
from tests.simulation import alarms, books, faults, laws, letters, mishaps, owner
from tests.simulation.broker.messages import Held
from tests.simulation.broker.queues import Queue
from tests.simulation.broker.server import Broker
from tests.simulation.coverage import Row, counted
from tests.simulation.faults import PROFILES, Happening, Profile
from tests.simulation.gateway import Browsers
from tests.simulation.instances import SEAL_KEY, Instance, Servers, builders, operators_target, simulated_parts
from tests.simulation.loop import SimulatedLoop, StuckError
from tests.simulation.mail import MailServer
from tests.simulation.mishaps import Mishaps, handlers_may_fail
from tests.simulation.operators import Shift
from tests.simulation.outages import OUTAGES, Outage
from tests.simulation.people import LATE_CHECKOUT, Browser, People, Plan, seasides
from tests.simulation.promql import Samples
from tests.simulation.psp import Psp
from tests.simulation.receivers import Receivers, subscribers
from tests.simulation.recording import Recording, recorded
from tests.simulation.replaying import logged, resent
from tests.simulation.report import Account, accounts_of
from tests.simulation.restoring import Restores, restore_mails, restore_one
from tests.simulation.sealing import sealed
from tests.simulation.shortcut import Shortcut
from tests.simulation.staff import PROPERTY, SEASIDE
from tests.simulation.store.server import Collection, Concern, StoreServer
from tests.simulation.watch import SLACK, Interval, Watch
from tests.simulation.writes import Writes

DATABASE = "bellhop"
DAILY_LIMIT = 3
_AT_REST_WITHIN = 6 * 3600.0
"""Seconds after the last fault: the retry tiers take 13 minutes, and missed events are found after 10."""
_LOOK_EVERY = 10.0
_OWNER_GOES_ON = 2400.0
"""Seconds for which the owner changes the catalogue after the last guest has arrived."""
_KEYS_LAST, _DAY_STEP = 24 * 3600.0, 2 * 3600.0
"""Seconds: of idempotency keys at the PSP, and by which days pass."""
_OUTAGE_AT = 300.0
"""Seconds: by then there are payments."""
_STEPS = 15_000
"""Steps for each order after which a history is taken to go in circles; a hostile one takes up to a third of it."""
_OVER_HTTP = 8
"""In one of so many histories people use HTTP: that costs about a third of the processor time more."""
_ACCOUNTS = 2
"""In one of so many histories orders are charged at two accounts."""
_MAIL = 3
"""In one of so many histories there is a mail server."""
_MAIL_RESTORED = 6
"""In one of so many histories the e-mails that were recorded are restored, where there is a mail server."""
_WEBHOOKS, _WEBHOOKS_FROM = 7, 5
"""In one of so many histories other systems hear of orders: the first, and every so many after it."""
_THIN = 8
"""In one of so many histories webhooks bring thin events."""
_LATE_DAYS = 4
"""In one of so many histories webhooks come days late."""
_REPLAYED = 4
"""The whole log is replayed at the end of every history whose number this divides."""
_PACES = (2.0, 5.0, 10.0, 20.0, 30.0, 30.0)
"""How slow periodic work is: rare as it is set, for a round costs processor time whether or not it finds anything."""
_SELDOM, _WATCHED_PACES = 20.0, (10.0, 4.0)
"""How much slower gauges are than other work; and how slow that and gauges are where alarms are judged."""

EXTRAS = (
    Extra.model_validate(
        {
            "extra_id": "breakfast",
            "property_id": PROPERTY,
            "name": {"en": "Breakfast"},
            "category": "food",
            "unit_price": Money(amount=1800, currency="EUR"),
            "max_quantity": 10,
        }
    ),
    Extra.model_validate(
        {
            "extra_id": "massage",
            "property_id": PROPERTY,
            "name": {"en": "Massage"},
            "category": "spa",
            "unit_price": Money(amount=7000, currency="EUR"),
            "max_quantity": 4,
            "needs_day": True,
            "daily_limit": DAILY_LIMIT,
        }
    ),
    Extra.model_validate(
        {
            "extra_id": LATE_CHECKOUT,
            "property_id": PROPERTY,
            "name": {"en": "Late check-out"},
            "category": "room",
            "unit_price": Money(amount=4000, currency="EUR"),
            "max_quantity": 1,
            "needs_approval": True,
        }
    ),
)


@dataclass(frozen=True, slots=True)
class History:
    """Names one history completely."""

    seed: int
    profile: str
    orders: int
    only_orders: tuple[int, ...] | None = None
    """The numbers of the orders that are left, where it was made smaller."""
    only_faults: tuple[int, ...] | None = None
    keeps_log: bool = False
    """Whether its outcome has what the services logged although no law is broken."""

    @property
    def window(self) -> float:
        """Seconds in which guests arrive."""
        return PROFILES[self.profile].hours * 3600 or max(20.0, self.orders * 0.4)

    @property
    def over_http(self) -> bool:
        """Whether people reach the gateway by HTTP, above its ASGI interface, rather than past its routes."""
        return self.seed % _OVER_HTTP == 1

    @property
    def has_accounts(self) -> bool:
        """Whether there are two accounts at the PSP. Not where an outage is of all that there are."""
        return self.seed % _ACCOUNTS == 0 and not PROFILES[self.profile].has_outage

    @property
    def has_mail(self) -> bool:
        """Whether the notification service sends e-mail."""
        return self.seed % _MAIL == 1 or PROFILES[self.profile].has_outage

    @property
    def restores_mail(self) -> bool:
        """Whether the e-mails that the notification service has recorded are restored from a backup."""
        return self.seed % _MAIL_RESTORED == 4

    @property
    def has_webhooks(self) -> bool:
        """Whether another system at each hotel hears of its orders. Not where an outage is of all that there are."""
        return self.seed % _WEBHOOKS == _WEBHOOKS_FROM and not PROFILES[self.profile].has_outage

    @property
    def has_late_days(self) -> bool:
        """Whether webhooks come days late, and old transitions and handled ids are folded early."""
        return self.seed % _LATE_DAYS == 2 and PROFILES[self.profile].webhooks_days_late > 0

    @property
    def command(self) -> str:
        """Lives through it again."""
        words = ["python -m tests.simulation --seeds 1", f"--first {self.seed} --profile {self.profile}"]
        words.append(f"--orders {self.orders}")
        for name, numbers in (("orders", self.only_orders), ("faults", self.only_faults)):
            if numbers is not None:
                words.append(f"--only-{name} {','.join(map(str, numbers)) or 'none'}")
        return " ".join(words)

    def plans(self) -> list[Plan]:
        drawn = (Plan.drawn(self.seed, number, self.window) for number in range(self.orders))
        return [plan for plan in drawn if self.only_orders is None or plan.number in self.only_orders]

    def faults(self) -> list[Happening]:
        drawn = faults.drawn(self.seed, PROFILES[self.profile], self.orders, self.window)
        happens = {"mail_restores": self.restores_mail, "receiver_outages": self.has_webhooks}
        struck = (each for each in drawn if happens.get(each.kind, True))
        return [each for each in struck if self.only_faults is None or each.number in self.only_faults]


@dataclass
class Outcome:
    """What came of a history."""

    history: History
    broken: list[str] = field(default_factory=list)
    """Laws that do not hold, each with what shows it."""
    orders: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    """Names of the problems with which orders were refused."""
    slots: Counter[str] = field(default_factory=Counter)
    """Places that were sold, by slot."""
    rows: Counter[Row] = field(default_factory=Counter)
    """Rows of the state tables that were taken."""
    answers: Counter[str] = field(default_factory=Counter)
    """What the gateway answered over HTTP: status and kind of request."""
    operators: Counter[str] = field(default_factory=Counter)
    """What operators did, and what came of it."""
    alarms: Counter[str] = field(default_factory=Counter)
    """How often each alarm rang, where that was watched."""
    processor: float = 0.0
    """Seconds of processor time."""
    steps: int = 0
    trace: int = 0
    lines: list[str] = field(default_factory=list)
    """What the services logged, where a law is broken."""
    accounts: dict[str, Account] = field(default_factory=dict)
    """Of the orders that a broken law names."""


class World:
    """Everything of one history, on one loop."""

    def __init__(self, history: History) -> None:
        self.history = history
        seed = history.seed
        self.loop = SimulatedLoop(seed, most_steps=_STEPS * (history.orders + 10))
        self.recording = Recording(self.loop)
        self.counted: Counter[str] = Counter()
        self.broker = Broker(self.loop, self._chance("broker"))
        self.store = StoreServer(self.loop, self._chance("store"))
        self.psp = Psp(self.loop, self._chance("psp"), self._webhook)
        if seed % _THIN == 3:
            self.psp.payload = "thin"
        self.random = self._chance("world")
        self.watch = Watch()
        self.outages: list[tuple[Outage, Interval]] = []
        """Those that struck."""
        pace = self.random.choice(_PACES)
        paces = _WATCHED_PACES if self.profile.is_watched else (pace, _SELDOM * pace)
        self.mail = MailServer(self.loop, self._chance("mail"))
        self.receivers = Receivers(self.loop, self._chance("receivers"))
        self.servers = Servers(self.broker, self.store, self.psp, self.mail, self.receivers, Mishaps(), *paces)
        self._seal = Seal(SecretStr(SEAL_KEY))
        self.browsers = Browsers(self.loop, self._gateway)
        self.people = People(self._browser_of, self.psp, self.loop.time, seed)
        build = builders(over_http=history.over_http, with_mail=history.has_mail, with_accounts=history.has_accounts)
        self.instances = [
            Instance(self.loop, service, number, build[service], self.servers) for service in build for number in (1, 2)
        ]
        self.shift: Shift | None = None
        """Of the operators, where there are any."""
        if self.profile.operators:
            self.shift = Shift(self._chance("operators"), self.target, self.recording, self._guests)
            for number in range(1, self.profile.operators + 1):
                desk = partial(self.shift.desk, f"operator-{number}")
                self.instances.append(Instance(self.loop, "operator", number, desk, self.servers))
        self.restores = Restores()
        self.broken: list[str] = []
        self.scraped: Samples | None = None
        """What the services' metrics say at rest; None: it never was."""
        self.early: list[str] = []
        """Messages that were acknowledged before they were handled."""
        self.broker.on_settled = self._settled
        self.writes = Writes(self.loop.time)
        self.store.on_write = self.writes.written

    @property
    def _accounts(self) -> tuple[str, ...]:
        known = tuple(each.name for each in self.psp.accounts)
        return known if self.history.has_accounts else known[:1]

    @property
    def target(self) -> Target:
        return operators_target(with_accounts=self.history.has_accounts)

    def _guests(self) -> list[Guest]:
        return [order.guest for order in self.people.orders if order.acknowledged]

    def _chance(self, what: str) -> Random:
        return Random(f"{what} {self.history.seed}")  # noqa: S311 - chance for tests, not for secrets

    @property
    def profile(self) -> Profile:
        return PROFILES[self.history.profile]

    def collection(self, name: str) -> Collection:
        return self.store.collection(DATABASE, name)

    async def live(self) -> None:
        """From the start of the services to rest."""
        self.broker.declare_topology()
        for extra in (*EXTRAS, *(_at_seaside(each) for each in EXTRAS)):
            self.collection("extras").documents[extra.extra_id] = {
                "_id": extra.extra_id,
                **extra.model_dump(mode="json"),
            }
        for document in subscribers(self._seal, self.loop.unix_time()) if self.history.has_webhooks else ():
            self.collection("webhook_subscribers").insert(document, Concern())
        for document in () if self.profile.is_watched else _unreadable(self.loop.unix_time()):
            self.collection("orders").insert(document, Concern())
        self.psp.start()
        for instance in self.instances:
            instance.is_held = self.profile.has_outage and instance.service == "operator"  # they come when it is over
            instance.start()
        if self.profile.is_watched:
            self.loop.create_task(self.watch.run(self), context=self.loop.world.context)
        faults.apply(self.profile, self, self.history.seed)
        self.psp.days_late = self.profile.webhooks_days_late if self.history.has_late_days else 0.0
        if self.profile.has_outage:
            outage = tuple(OUTAGES.values())[self.history.seed % len(OUTAGES)]
            self.loop.call_at(_OUTAGE_AT, outage.strike, self, self._chance("outage"), context=self.loop.world.context)
        for happening in self.history.faults():
            self.loop.call_at(happening.at, happening.strike, self, context=self.loop.world.context)
        guests = [self.people.live(self.people.order_of(plan)) for plan in self.history.plans()]
        owner_works = owner.work(
            self._chance("owner"), self.people.insist, self.history.window + _OWNER_GOES_ON, self._accounts
        )
        await asyncio.gather(owner_works, *guests)
        if self.outages:
            await asyncio.sleep(max(0.0, self.outages[0][1].end + SLACK - self.loop.time()))
        self.heal()
        await self._days()
        await self._rest()
        if self.history.seed % _REPLAYED == 0:
            await self.replay_all()
        while not all(instance.is_ready for instance in self.instances):  # noqa: ASYNC110 - the world has no such event
            await asyncio.sleep(1.0)
        self.scraped = await alarms.scraped(self)

    def _settled(self, queue: Queue, held: Held, how: str) -> None:
        """As it runs: nothing is acknowledged before its effect is stored and its consequences are confirmed."""
        if queue.name.endswith(letters.DEAD):
            if how == "ack" and not letters.is_stored(self, queue, held):
                self.early.append(f"{held.wire.type} {held.wire.message_id} on {queue.name}, and it is no letter")
        elif (
            queue.name not in self.broker.streams and how == "ack" and held.wire.message_id not in self.recording.ended
        ):
            self.early.append(f"{held.wire.type} {held.wire.message_id} on {queue.name}")

    def heal(self) -> None:
        """Nothing goes wrong any more: what is still open must come to its end by itself."""
        faults.apply(Profile(), self, self.history.seed)
        self.psp.days_late = 0.0
        self.mail.come_back()
        self.receivers.come_back()
        self.servers.mishaps.errors.clear()
        self.broker.refusing.clear()
        if self.shift is not None:
            self.shift.tidy()
        for instance in self.instances:
            if instance.is_held and instance.service == "operator":
                instance.release()

    async def _days(self) -> None:
        """Let the days pass until the last late webhook has come: for idempotency keys as well."""
        left = self.psp.late_until - self.loop.time()
        if left <= 0:
            return
        operators = [each for each in self.instances if each.service == "operator"]
        for each in operators:  # what waits for them waits for days
            each.hold()
        usual, self.loop.idle_step = self.loop.idle_step, _DAY_STEP
        await asyncio.sleep(min(left, _KEYS_LAST))
        self.psp.forget_keys()
        await asyncio.sleep(max(0.0, left - _KEYS_LAST))
        self.loop.idle_step = usual
        for each in operators:
            each.release()

    async def _rest(self) -> None:
        """Wait until nothing is open, twice in a row."""
        until, quiet = self.loop.time() + _AT_REST_WITHIN, 0
        while quiet < 2 and self.loop.time() < until:
            await asyncio.sleep(_LOOK_EVERY * (1 if quiet else 3))
            quiet = quiet + 1 if not laws.open_ends(self) else 0
        self.broken += [f"comes to rest: {what}" for what in laws.open_ends(self)]

    def _browser_of(self, person: Guest | Staff) -> Browser:
        if self.history.over_http:
            return self.browsers.of(person)
        return Shortcut(person, self._gateway, self._seal)

    def _gateway(self) -> Instance:
        """Any that runs."""
        ready = [each for each in self.instances if each.service == "gateway" and each.is_ready]
        if not ready:
            raise ConnectionError("no gateway")
        return self.random.choice(ready)

    async def _webhook(self, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        ready = [each for each in self.instances if each.service == "psp-adapter" and each.is_ready]
        if not ready:
            raise ConnectionError("no adapter")
        return await self.random.choice(ready).webhook(path, body, headers)

    def kill_after_step(self, steps: int, start_again_after: float) -> None:
        """Kill the service whose step that is, right after it; of a step of the world, the next one's."""

        def kill() -> None:
            process = self.loop.current
            instance = next((each for each in self.instances if each.process is process), None)
            if instance is None:
                self.loop.on_step[self.loop.steps + 1] = kill
            else:
                self.recording.warning("process.killed", process=process.name)
                instance.kill(start_again_after=start_again_after)

        self.loop.on_step[self.loop.steps + steps] = kill

    def restore_one(self, random: Random) -> None:
        """A store is restored: of orders and stock, or of payments."""
        self.loop.create_task(restore_one(self, random, self.target), context=self.loop.world.context)

    def restore_mails(self, random: Random) -> None:
        """The e-mails that were recorded are restored."""
        self.loop.create_task(restore_mails(self, random), context=self.loop.world.context)

    def deploy(self, random: Random) -> None:
        """A service rolls forward, and perhaps back: its instances stop and start one after the other."""
        service = random.choice([each.service for each in self.instances if each.service != "operator"])
        rolls = random.choice((1, 2))
        self.loop.create_task(self._roll(service, rolls, random.uniform(1.0, 30.0)), context=self.loop.world.context)

    async def _roll(self, service: str, rolls: int, pause: float) -> None:
        for instance in [each for each in self.instances if each.service == service] * rolls:
            instance.stop()
            await asyncio.sleep(pause)

    def replay_one(self, random: Random) -> None:
        """An operator sends an old message again."""
        known = logged(self.broker)
        for wire in resent(self.broker, random.choice(known)) if known else ():
            self.broker.enqueue(wire)

    async def replay_all(self) -> None:
        """An operator replays the whole log, when the PSP has forgotten its keys. The world must be as it was.

        Without the messages of orders that were refused, or that a person has confirmed after a review: a command that
        changed nothing leaves nothing behind that remembers it. Sold out then, or cancelled already, it may have an
        effect now. And without asking again for refunds that failed: the PSP may make now what it refused then.
        """
        before, money = books.orders_of(self), books.money_of(self)
        refused = {each for each, state in before.items() if state["failed_refunds"]}
        self.psp.forget_keys()
        for wire in logged(self.broker):
            order_id = json.loads(wire.body).get("order_id")
            is_left_out = before.get(order_id, {"accepted": True})["accepted"] or mishaps.is_malformed(wire)
            is_left_out = is_left_out or (wire.type == CreatePspRefund.wire_kind() and order_id in refused)
            for again in () if is_left_out else resent(self.broker, wire):
                self.broker.enqueue(again)
        await self._rest()
        self.broken += laws.differences(before, books.orders_of(self))
        moved = sorted(set(books.money_of(self)) ^ set(money))
        if moved:
            self.broken.append(f"replaying the log changes nothing: money was moved: {moved}")

    def count_fault(self, kind: str) -> None:
        self.counted[kind] += 1
        self.recording.warning(f"fault.{kind}")


def _at_seaside(extra: Extra) -> Extra:
    """The same at the other hotel."""
    return extra.model_copy(update={"extra_id": seasides(extra.extra_id), "property_id": SEASIDE})


def _unreadable(now: float) -> list[dict[str, Any]]:
    """Documents that are due and that this version cannot read: each sweep meets them first."""
    at = datetime.fromtimestamp(now, UTC)
    common = {"version": 1, "handled": [], "outbox": [], "due_at": at, "unsent_since": at, "state": {}}
    return [{"_id": name, "schema": number, **common} for name, number in zip(books.UNREADABLE, (1, 99), strict=True)]


def run(history: History) -> Outcome:
    """Live through a history, and look whether every law holds."""
    began = time.process_time()
    world = World(history)
    outcome = Outcome(history)
    rows = counted(outcome.rows)
    may_fail = handlers_may_fail() if world.shift else nullcontext()
    folds = folded_early() if history.has_late_days else nullcontext()
    with sealed(world.loop, history.seed), recorded(world.recording), simulated_parts(), rows, may_fail, folds:
        try:
            world.loop.run_until_complete(world.live())
        except StuckError as stuck:
            world.broken.append(f"comes to rest: {stuck}: {'; '.join(laws.open_ends(world)[:3])}")
        world.broken += laws.broken(world)
        world.loop.close()
    outcome.broken = world.broken
    outcome.orders = len(world.people.orders)
    outcome.statuses = laws.statuses(world)
    outcome.refusals = Counter(order.refused for order in world.people.orders if order.refused)
    outcome.slots = laws.slots_sold(world)
    outcome.faults = world.counted + Counter(_chances(world))
    if world.shift is not None:
        outcome.operators = world.shift.counted
    outcome.answers = world.browsers.answers
    outcome.alarms = Counter({name: len(rang) for name, rang in world.watch.rang.items()})
    outcome.steps, outcome.trace = world.loop.steps, world.loop.trace
    outcome.processor = time.process_time() - began
    if outcome.broken or history.keeps_log:
        outcome.lines = list(world.recording.about())
    if outcome.broken:
        outcome.accounts = accounts_of(world, outcome.broken)
    return outcome


@contextmanager
def folded_early() -> Iterator[None]:
    """From few transitions on, as with documents that live long. As many are remembered as usual."""
    with patch.multiple(stored_document, FOLDED_FROM=8, LEFT_OPEN=4, BLOCKS_KEPT=32):
        yield


def _chances(world: World) -> Mapping[str, int]:
    """What went wrong by chance."""
    webhooks = Counter[str]()
    for account in world.psp.accounts:
        webhooks.update({f"webhooks {what}": number for what, number in account.state.webhook_counts.items()})
        webhooks[f"payments at {account.name}"] = len(account.state.payment_intents)
    mails = Counter(f"mails {raw['state']['status']}" for raw in world.collection("mails").documents.values())
    heard = {"webhooks of ours taken": len(world.receivers.heard)} if world.receivers.heard else {}
    return webhooks | mails | heard
