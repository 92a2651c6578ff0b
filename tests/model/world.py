"""One order's world, by numbers, and one step that it takes."""

from typing import NamedTuple

from contracts.payments import RefundStage
from payment_service.payment.state import Payment
from tests.model.adapter import FORGOTTEN, OLDER, REFUSED
from tests.model.bounds import Left
from tests.model.flight import ALIKE, with_sent
from tests.model.rules import (
    NAMES,
    Decided,
    Receiver,
)

STORES = {Receiver.ORDER: "extras", Receiver.PAYMENT: "payment"}


class Backup(NamedTuple):
    """A store as it was, and since then: what its service was sent, a command as -1 - its number, and what it said."""

    of: Receiver
    state: int
    sent: tuple[int, ...] = ()
    said: frozenset[int] = frozenset()


class Restored(NamedTuple):
    """A store that went back: what of the log is still to be sent to its service, in the log's order.

    `said`: what the service has said before, and the other may have handled under the same id. `was`: the order's
    number and the payment's at that time, if nothing was under way then. `left`: what might happen then.
    """

    of: Receiver
    behind: tuple[int, ...]
    said: frozenset[int]
    was: tuple[int, int] | None
    left: Left
    is_unreconciled: bool = False
    has_diverged: bool = False
    """It has handled what was not from the log: what it says from then on has other ids than before (decision 21)."""


class World(NamedTuple):
    """Everything that counts, by numbers.

    `flight` holds the messages under way, sorted: message number times 8, plus the number of its twins' common id, or 0
    for a message that is alone. `answered` are the twins' ids of which one was applied, `known` the sessions whose
    secret the guest has: both one bit each. `aside` are messages that an operator is going to send again.
    """

    order: int
    payment: int
    psp: int
    flight: tuple[int, ...]
    known: int
    answered: int
    left: Left
    aside: tuple[int, ...] = ()
    backup: Backup | None = None
    restored: Restored | None = None


class Step(NamedTuple):
    """One thing that happens. `free`: the system or the PSP does it by itself, sooner or later."""

    what: str
    world: World
    free: bool = False
    message: int = -1
    parked: str = ""
    again: str = ""


def payment_changed(world: World, rest: tuple[int, ...], decided: Decided) -> World:
    after = world._replace(payment=decided.state, flight=with_sent(rest, decided.sent))
    return with_said(after, Receiver.PAYMENT, decided.sent)


def without_outcome(payment: Payment) -> tuple[str, ...]:
    stages = (RefundStage.REQUESTED, RefundStage.PENDING)
    return tuple(each.refund_id for each in payment.refunds if each.stage in stages and not each.unresolved)


def code_of(name: str) -> int:
    """A command as a number, beside those of messages."""
    return -1 - NAMES.index(name)


def set_aside(world: World, step: Step, code: int) -> Step:
    left = step.world.left._replace(replays=world.left.replays - 1)
    aside = tuple(sorted((*world.aside, code)))
    return step._replace(
        what=f"{step.what} and an operator will send it again",
        world=step.world._replace(left=left, aside=aside),
        free=False,
    )


def recorded(world: World, of: Receiver, code: int) -> World:
    """The log has what was sent to a service since the backup of its store."""
    if world.backup is None or world.backup.of is not of or world.backup.sent.count(code) == ALIKE:
        return world
    return world._replace(backup=world.backup._replace(sent=(*world.backup.sent, code)))


def diverged(world: World, of: Receiver, decided: Decided) -> World:
    restored = world.restored
    if restored is None or not restored.behind or restored.of is not of or not decided.is_applied:
        return world
    return world._replace(restored=restored._replace(has_diverged=True))


def with_said(world: World, of: Receiver, sent: tuple[int, ...]) -> World:
    """What a service has said since the backup of its store."""
    if world.backup is None or world.backup.of is not of or not sent:
        return world
    return world._replace(backup=world.backup._replace(said=world.backup.said.union(sent)))


def is_behind(world: World, of: Receiver | None = None) -> bool:
    """Whether a store, or this one, was restored and does not know yet what the log knows."""
    restored = world.restored
    return restored is not None and bool(restored.behind or restored.is_unreconciled) and of in (None, restored.of)


def left_after(left: Left, said: str) -> Left | None:
    """What may still happen after the PSP was asked with this end; None when that may not happen any more."""
    after = left._replace(
        silent=left.silent - said.startswith("silent"),
        forgets=left.forgets - (said == FORGOTTEN),
        older=left.older - (said == OLDER),
        refuses=left.refuses - said.startswith(REFUSED),
    )
    return after if min(after) >= 0 else None
