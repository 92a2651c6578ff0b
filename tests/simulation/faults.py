"""What goes wrong: drawn from the seed and a profile, one by one, so that each can be left out."""

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from stripe_sandbox.faults import ApiFaults, Delay, Fault, FaultPlan, Reorder, WebhookFaults
from tests.simulation import dashboard, mishaps

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Profile:
    """How often what goes wrong. Numbers of faults are per hundred orders, chances per call."""

    kills: float = 0
    restarts: float = 0
    connections_lost: float = 0
    channels_closed: float = 0
    failovers: float = 0
    majorities_lost: float = 0
    """Half of the queues have no leader for long."""
    broker_crashes: float = 0
    store_crashes: float = 0
    psp_outages: float = 0
    keys_forgotten: float = 0
    replays: float = 0
    sessions_cancelled: float = 0
    """At the PSP, by a person in its dashboard."""
    bugs: float = 0
    """For some minutes, every third message fails in its handler."""
    malformed: float = 0
    """Messages that no service can read, and an operator can correct."""
    refusals: float = 0
    """A queue refuses what is published to it, for longer than an outbox waits."""
    deploys: float = 0
    """A service rolls forward and back, instance by instance."""
    restores: float = 0
    """A store is restored from a backup of up to twenty minutes before, and brought up to date."""
    mail_restores: float = 0
    """The same of the e-mails that were recorded. In histories that restore them."""
    is_watched: bool = False
    """Whether alarms are evaluated while it runs."""
    has_outage: bool = False
    """A fault that lasts (outages.py), of the kind that the seed names."""
    hours: float = 0
    """In which guests arrive; 0: a guest every 0.4 s."""
    operators: int = 0
    """People who look, correct, discard, restore and replay all the time."""
    dashboard_refunds: float = 0
    disputes: float = 0
    store_lost: float = 0
    store_unanswered: float = 0
    confirms_lost: float = 0
    psp_lost: float = 0
    psp_unanswered: float = 0
    psp_failing: float = 0
    webhooks_dropped: float = 0
    webhooks_doubled: float = 0
    webhooks_late: float = 0
    webhooks_reordered: float = 0
    mail_outages: float = 0
    mails_deferred: float = 0
    mails_refused: float = 0
    mails_unanswered: float = 0
    receiver_outages: float = 0
    """Of the systems that hear of orders. In histories that have them."""
    hooks_refused: float = 0
    hooks_unanswered: float = 0
    webhooks_days_late: float = 0
    """In one of four histories: seeds 2, 6, …"""


PROFILES = {
    "calm": Profile(is_watched=True),
    "outages": Profile(is_watched=True, has_outage=True, hours=0.6, operators=1),
    "rough": Profile(
        kills=12,
        restarts=4,
        connections_lost=8,
        channels_closed=4,
        failovers=3,
        majorities_lost=0.5,
        replays=5,
        sessions_cancelled=3,
        dashboard_refunds=2,
        disputes=2,
        store_lost=0.001,
        store_unanswered=0.002,
        confirms_lost=0.001,
        psp_unanswered=0.01,
        psp_failing=0.01,
        webhooks_dropped=0.03,
        webhooks_doubled=0.1,
        webhooks_late=0.05,
        webhooks_reordered=0.1,
        webhooks_days_late=0.1,
        mail_outages=1,
        mails_deferred=0.05,
        mails_refused=0.02,
        mails_unanswered=0.05,
        receiver_outages=1,
        hooks_refused=0.05,
        hooks_unanswered=0.05,
    ),
    "bad-day": Profile(
        kills=25,
        restarts=5,
        connections_lost=15,
        channels_closed=6,
        failovers=5,
        majorities_lost=1,
        broker_crashes=1,
        store_crashes=1.5,
        psp_outages=1,
        keys_forgotten=1,
        sessions_cancelled=5,
        bugs=5,
        malformed=8,
        refusals=2,
        deploys=5,
        restores=1,
        dashboard_refunds=3,
        disputes=3,
        operators=2,
        store_lost=0.001,
        store_unanswered=0.003,
        confirms_lost=0.001,
        psp_unanswered=0.02,
        psp_failing=0.02,
        webhooks_dropped=0.05,
        webhooks_doubled=0.1,
        webhooks_late=0.1,
        webhooks_reordered=0.1,
        webhooks_days_late=0.1,
        mail_outages=2,
        mails_deferred=0.1,
        mails_refused=0.05,
        mails_unanswered=0.05,
        receiver_outages=2,
        hooks_refused=0.1,
        hooks_unanswered=0.1,
    ),
    "hostile": Profile(
        kills=60,
        restarts=10,
        deploys=4,
        dashboard_refunds=6,
        disputes=6,
        connections_lost=30,
        channels_closed=20,
        failovers=15,
        majorities_lost=4,
        broker_crashes=2,
        store_crashes=3,
        psp_outages=2,
        keys_forgotten=4,
        replays=20,
        sessions_cancelled=15,
        store_lost=0.004,
        store_unanswered=0.01,
        confirms_lost=0.005,
        psp_lost=0.02,
        psp_unanswered=0.05,
        psp_failing=0.05,
        webhooks_dropped=0.2,
        webhooks_doubled=0.2,
        webhooks_late=0.2,
        webhooks_reordered=0.2,
        webhooks_days_late=0.25,
        mail_outages=4,
        mail_restores=4,
        mails_deferred=0.2,
        mails_refused=0.05,
        mails_unanswered=0.1,
        receiver_outages=4,
        hooks_refused=0.2,
        hooks_unanswered=0.2,
    ),
}

EVENTS = (
    "kills",
    "restarts",
    "connections_lost",
    "channels_closed",
    "failovers",
    "majorities_lost",
    "broker_crashes",
    "store_crashes",
    "psp_outages",
    "keys_forgotten",
    "replays",
    "sessions_cancelled",
    "bugs",
    "malformed",
    "refusals",
    "deploys",
    "restores",
    "dashboard_refunds",
    "disputes",
    "mail_outages",
    "mail_restores",
    "receiver_outages",
)
PUBLISHES = ("confirmed", "refused", "late")
"""What becomes of what is published to a queue without a leader."""

_LATE_SHARE, _DEADLINES_SHARE = 0.1, 0.2
"""Of all faults, those that strike while payments are late, and those that strike while most deadlines pass."""
_OF_THE_BROKER = ("majorities_lost", "broker_crashes")
"""Half of these strike then: what a sweep has decided and cannot publish, no message brings back."""
_FIRST_DEADLINE = 1800.0


@dataclass(frozen=True, slots=True)
class Happening:
    """One fault: when it strikes, and a number to draw its details from."""

    number: int
    kind: str
    at: float

    def strike(self, world: "World") -> None:
        random = Random(f"fault {self.number} {self.kind} {self.at}")  # noqa: S311 - chance for tests, not for secrets
        world.count_fault(self.kind)
        match self.kind:
            case "kills":
                # After any step of any service: at every await there is.
                world.kill_after_step(1 + random.randrange(400), random.uniform(0.5, 15.0))
            case "restarts":
                random.choice(world.instances).stop()
            case "connections_lost":
                if world.broker.connections:
                    random.choice(world.broker.connections).drop()
            case "channels_closed":
                channels = [channel for each in world.broker.connections for channel in each.channels]
                if channels:
                    random.choice(channels).end_by_broker()
            case "failovers":
                queue = random.choice(list(world.broker.queues))
                world.broker.fail_over(queue, random.uniform(0.1, 8.0), publishes=random.choice(PUBLISHES))
            case "majorities_lost":
                seconds, publishes = random.uniform(10.0, 90.0), random.choice(PUBLISHES[1:])
                for queue in list(world.broker.queues):
                    if random.random() < 0.5:
                        world.broker.fail_over(queue, seconds, publishes=publishes)
            case "broker_crashes":
                world.broker.crash(random.uniform(1.0, 60.0))
            case "store_crashes":
                world.store.crash(random.uniform(0.5, 60.0))
            case "psp_outages":
                world.psp.go_down(random.uniform(5.0, 300.0))
            case "keys_forgotten":
                world.psp.forget_keys()
            case "sessions_cancelled":
                dashboard.cancel(world, random)
            case "replays":
                world.replay_one(random)
            case "bugs":
                world.servers.mishaps.begin(world, random)
            case "malformed":
                mishaps.send_malformed(world, random)
            case "refusals":
                mishaps.refuse_publishes(world, random)
            case "deploys":
                world.deploy(random)
            case "dashboard_refunds":
                dashboard.refund(world, random)
            case "disputes":
                dashboard.dispute(world, random)
            case "mail_outages":
                world.mail.go_down(random.uniform(5.0, 900.0))
            case "receiver_outages":
                world.receivers.go_down(random.uniform(5.0, 900.0))
            case "restores":
                world.restore_one(random)
            case "mail_restores":
                world.restore_mails(random)
            case _:
                raise ValueError(f"no such fault: {self.kind}")


def drawn(seed: int, profile: Profile, orders: int, window: float) -> tuple[Happening, ...]:
    """The faults of one history."""
    random = Random(f"faults {seed}")  # noqa: S311 - chance for tests, not for secrets
    happenings: list[Happening] = []
    for kind in EVENTS:
        expected = getattr(profile, kind) * orders / 100
        number = int(expected) + (random.random() < expected % 1)
        for _ in range(number):
            share = random.random()
            if share < _LATE_SHARE:
                at = random.uniform(window, 2600.0)
            elif share < _LATE_SHARE + (0.5 if kind in _OF_THE_BROKER else _DEADLINES_SHARE):
                at = _FIRST_DEADLINE + random.uniform(-30.0, window + 60.0)
            else:
                at = random.uniform(0.0, window + 30.0)
            happenings.append(Happening(len(happenings), kind, at))
    return tuple(happenings)


def apply(profile: Profile, world: "World", seed: int) -> None:
    """What happens by chance to each call, from now on."""
    store, broker, psp = world.store, world.broker, world.psp
    store.lost, store.unanswered = profile.store_lost, profile.store_unanswered
    broker.confirms_lost = profile.confirms_lost
    psp.lost, psp.unanswered = profile.psp_lost, profile.psp_unanswered
    webhooks = WebhookFaults(
        drop=Fault(probability=profile.webhooks_dropped),
        duplicate=Fault(probability=profile.webhooks_doubled),
        delay=Delay(probability=profile.webhooks_late, seconds=90.0),
        reorder=Reorder(probability=profile.webhooks_reordered, seconds=20.0),
    )
    api = ApiFaults(
        fail_500=Fault(probability=profile.psp_failing / 2),
        fail_429=Fault(probability=profile.psp_failing / 4),
        keep_500=Fault(probability=profile.psp_failing / 4),
        close_after_effect=Fault(probability=profile.psp_unanswered / 2),
    )
    mail = world.mail
    mail.deferred, mail.refused, mail.unanswered = (
        profile.mails_deferred,
        profile.mails_refused,
        profile.mails_unanswered,
    )
    world.receivers.refused, world.receivers.unanswered = profile.hooks_refused, profile.hooks_unanswered
    psp.use(FaultPlan(webhooks=webhooks, api=api, seed=seed))
