"""Faults that last: each for longer than the alarms about it wait.

One of them strikes in a history of the profile `outages`, of the kind that the seed names.

While it lasts, the alarms that it names must ring; as long as nothing is wrong, none does.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from contracts.topology import PAYMENTS_COMMANDS
from ops.core.messages import WORK_QUEUES
from stripe_sandbox.faults import ApiFaults, Fault, FaultPlan
from tests.simulation import alarms, dashboard
from tests.simulation.mishaps import SimulatedBugError, SimulatedTroubleError
from tests.simulation.replaying import logged, resent
from tests.simulation.watch import SLACK, STATES, Interval, Watch

if TYPE_CHECKING:
    from tests.simulation.world import World

Begin = Callable[["World", Random], Callable[[], None]]
"""Lets it begin; what that returns ends it."""

_MINUTE, _HOUR = 60.0, 3600.0
_MANY = 700
"""Messages: more than a queue may have waiting."""


@dataclass(frozen=True, slots=True)
class Outage:
    begin: Begin
    seconds: float
    rings: frozenset[str]
    """Alarms that must ring before it is over."""
    may_ring: frozenset[str] = frozenset()
    """Alarms that may ring, or ring on, while it lasts and until all that it held up is through."""
    aftermath: float = 20 * _MINUTE
    """Seconds after its end in which they may."""

    @property
    def name(self) -> str:
        return self.begin.__name__

    def strike(self, world: "World", random: Random) -> None:
        began = world.loop.time()
        if dashboard.unrefunded(world) is None:  # before that, no message is on its way that it could hold up
            world.loop.call_at(began + 30.0, self.strike, world, random, context=world.loop.world.context)
            return
        world.count_fault(self.name)
        world.outages.append((self, Interval(began, began + self.seconds)))
        end = self.begin(world, random)
        world.loop.call_at(began + self.seconds, end, context=world.loop.world.context)


def one_instance_stops(world: "World", random: Random) -> Callable[[], None]:
    """One of two instances of a service is stopped, and not started again."""
    instance = random.choice([each for each in world.instances if each.service != "operator"])
    instance.hold()
    return instance.release


def a_service_stops(world: "World", _random: Random) -> Callable[[], None]:
    """Both instances of it, so that its queues have no consumer."""
    return _stop(world, "payment-service")


def a_queue_grows(world: "World", _random: Random) -> Callable[[], None]:
    """A service that is stopped finds hundreds of messages when it comes back."""
    release = _stop(world, "payment-service")
    _send_again(world, _MANY)
    return release


def _send_again(world: "World", number: int) -> None:
    """So many old commands to the payment service, each perhaps more than once."""
    old = [each for wire in logged(world.broker) for each in resent(world.broker, wire)]
    again = [wire for wire in old if wire.routing_key == PAYMENTS_COMMANDS.name]
    for each in range(number):
        world.broker.enqueue(again[each % len(again)])


def _stop(world: "World", service: str) -> Callable[[], None]:
    held = [each for each in world.instances if each.service == service]
    for instance in held:
        instance.hold()

    def over() -> None:
        for instance in held:
            instance.release()

    return over


def the_psp_is_down(world: "World", _random: Random) -> Callable[[], None]:
    """For longer than the list of its events may stay unread."""
    world.psp.is_up = False
    return world.psp._come_back


def the_key_is_revoked(world: "World", _random: Random) -> Callable[[], None]:
    world.psp.use(FaultPlan(api=ApiFaults(fail_401=Fault(probability=1.0))))
    return lambda: world.psp.use(FaultPlan())


def the_store_is_down(world: "World", _random: Random) -> Callable[[], None]:
    world.store.crash(11 * _MINUTE)
    return lambda: None


def a_queue_refuses(world: "World", _random: Random) -> Callable[[], None]:
    """What is published to it is answered with a nack."""
    world.broker.refusing.add(PAYMENTS_COMMANDS.name)
    return lambda: world.broker.refusing.discard(PAYMENTS_COMMANDS.name)


def bindings_are_missing(world: "World", _random: Random) -> Callable[[], None]:
    queue = PAYMENTS_COMMANDS
    for binding in queue.bindings:
        world.broker.unbind(queue.name, binding.exchange, binding.routing_key)

    def over() -> None:
        for binding in queue.bindings:
            world.broker.bind(queue.name, binding.exchange, binding.routing_key)

    return over


def handlers_have_a_bug(world: "World", random: Random) -> Callable[[], None]:
    """Every third message is parked at once."""
    return _fail(world, random, SimulatedBugError, 1)


def handlers_fail_again_and_again(world: "World", random: Random) -> Callable[[], None]:
    """Nearly every message, whenever it is tried."""
    return _fail(world, random, SimulatedTroubleError, 9)


def retries_do_not_come_back(world: "World", random: Random) -> Callable[[], None]:
    """No work queue takes a message, so those that are in a tier stay there."""
    end = _fail(world, random, SimulatedTroubleError, 9)
    _send_again(world, 20)
    names = [queue.name for queue in WORK_QUEUES]
    world.loop.call_at(world.loop.time() + 90.0, world.broker.refusing.update, names, context=world.loop.world.context)

    def over() -> None:
        end()
        world.broker.refusing.difference_update(names)

    return over


def _fail(world: "World", random: Random, error: type[Exception], shares: int) -> Callable[[], None]:
    errors, added = world.servers.mishaps.errors, [(random.randrange(2**32), error) for _ in range(shares)]
    errors += added

    def over() -> None:
        errors[:] = [each for each in errors if each not in added]

    return over


def the_broker_is_slow(world: "World", _random: Random) -> Callable[[], None]:
    """A message takes some seconds, so that replies come late."""
    latency = world.broker.latency
    usual, latency.usual = latency.usual, 4.0

    def over() -> None:
        latency.usual = usual

    return over


def a_refund_does_not_settle(world: "World", _random: Random) -> Callable[[], None]:
    """For more than a day, in which nothing else happens."""
    dashboard.pend(world, settles_after=25 * _HOUR)
    every, idle = world.watch.every, world.loop.idle_step
    world.watch.every = world.loop.idle_step = 900.0

    def over() -> None:
        world.watch.every, world.loop.idle_step = every, idle

    return over


def the_mail_server_is_down(world: "World", _random: Random) -> Callable[[], None]:
    world.mail.is_up = False
    return world.mail.come_back


def the_mail_server_does_not_answer(world: "World", _random: Random) -> Callable[[], None]:
    """It may have taken every e-mail that it was handed."""
    world.mail.unanswered = 1.0

    def over() -> None:
        world.mail.unanswered = 0.0

    return over


def _named(*names: str) -> frozenset[str]:
    return frozenset(f"Bellhop{name}" for name in names)


_LATE = _named("LateReplies", "MessagesRetried", "OutboxUnsent", "QueueGrows")
"""Whatever holds up messages may bring these."""

_UNTIL_DECIDED = 2 * _HOUR
"""What waits for a message that was parked is parked after it; operators come when all guests are through."""

OUTAGES: Mapping[str, Outage] = {
    outage.name: outage
    for outage in (
        Outage(one_instance_stops, 5 * _MINUTE, _named("ServiceDown")),
        Outage(a_service_stops, 6 * _MINUTE, _named("ServiceDown", "QueueWithoutConsumer"), _LATE),
        Outage(a_queue_grows, 9 * _MINUTE, _named("ServiceDown", "QueueWithoutConsumer", "QueueGrows"), _LATE),
        Outage(
            the_psp_is_down,
            80 * _MINUTE,
            _named("BreakerOpen", "EventsNotBackfilled"),
            _LATE | _named("QueueWithoutConsumer"),
        ),
        Outage(
            the_key_is_revoked,
            10 * _MINUTE,
            _named("RefusedByPsp", "BreakerOpen"),
            _LATE | _named("QueueWithoutConsumer", "MessagesParked", "DeadLetters"),
        ),
        Outage(
            the_store_is_down,
            11 * _MINUTE,
            _named("BreakerOpen"),
            _LATE | _named("QueueWithoutConsumer", "EventsNotBackfilled"),
        ),
        Outage(a_queue_refuses, 10 * _MINUTE, _named("OutboxUnsent"), _LATE),
        Outage(bindings_are_missing, 10 * _MINUTE, _named("Unroutable", "OutboxUnsent"), _LATE),
        Outage(handlers_have_a_bug, 10 * _MINUTE, _named("MessagesParked", "DeadLetters"), _LATE, _UNTIL_DECIDED),
        Outage(
            handlers_fail_again_and_again,
            40 * _MINUTE,
            _named("MessagesRetried"),
            _LATE | _named("MessagesParked", "DeadLetters", "EventsNotBackfilled"),
            _UNTIL_DECIDED,
        ),
        Outage(
            retries_do_not_come_back,
            35 * _MINUTE,
            _named("RetryTierStuck", "OutboxUnsent"),
            _LATE | _named("MessagesParked", "DeadLetters", "EventsNotBackfilled"),
            _UNTIL_DECIDED,
        ),
        Outage(the_broker_is_slow, 25 * _MINUTE, _named("LateReplies"), _LATE),
        Outage(a_refund_does_not_settle, 26 * _HOUR, _named("RefundWaits"), _LATE),
        Outage(the_mail_server_is_down, 40 * _MINUTE, _named("MailServerDown"), _named("QueueWithoutConsumer")),
        Outage(the_mail_server_does_not_answer, 20 * _MINUTE, _named("MailUnknown")),
    )
}


def wrong_alarms(world: "World") -> Iterator[str]:
    """Alarms that did not ring in time, and those that rang for nothing."""
    watch = world.watch
    for outage, interval in world.outages:
        for name in sorted(outage.rings):
            if not any(each.overlaps(interval.begin, interval.end + SLACK) for each in watch.rang.get(name, ())):
                yield f"{name} did not ring: {outage.name.replace('_', ' ')} from {interval.begin:.0f} s"
    for name in STATES:
        for held in watch.held.get(name, ()):
            is_long = held.end - held.begin >= alarms.rules()[name].holds_for + SLACK
            if is_long and not any(each.overlaps(held.begin, held.end) for each in watch.rang.get(name, ())):
                yield f"{name} did not ring from {held.begin:.0f} to {held.end:.0f} s"
    for name, rang in watch.rang.items():
        for each in rang:
            if not _is_explained(world, watch, name, each):
                yield f"{name} rang for nothing at {each.begin:.0f} s"


def _is_explained(world: "World", watch: Watch, name: str, rang: Interval) -> bool:
    if any(each.overlaps(rang.begin - SLACK, rang.end) for each in watch.perhaps.get(name, ())):
        return True
    if any(rang.begin - SLACK <= at <= rang.end for at in world.writes.alarming.get(name, ())):
        return True  # between two looks
    return any(
        name in outage.rings | outage.may_ring and interval.begin <= rang.begin <= interval.end + outage.aftermath
        for outage, interval in world.outages
    )
