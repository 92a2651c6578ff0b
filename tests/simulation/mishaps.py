"""What makes dead letters: handlers that fail for a while, as after a bad deploy, and messages that no one can read."""

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from structlog.contextvars import get_contextvars

from chassis.errors import PermanentError, TransientError
from chassis.messaging.consumer import Consumer
from contracts.orders import CancelOrder
from contracts.topology import COMMANDS
from ops.core.messages import WORK_QUEUES
from tests.simulation.books import orders_of
from tests.simulation.broker.messages import Wire

if TYPE_CHECKING:
    from tests.simulation.world import World

_ODD = "odd-"

MISHAPS: ContextVar["Mishaps"] = ContextVar("what fails in the handlers of a simulation")


class SimulatedBugError(PermanentError):
    """A version of a service cannot handle this message; the next one can."""


class SimulatedTroubleError(TransientError):
    """Something that a handler needs is not there, for longer than the retries last."""


@dataclass
class Mishaps:
    """Which messages no handler takes at present."""

    errors: list[tuple[int, type[Exception]]] = field(default_factory=list)
    """A number to choose messages by, and what they fail with."""

    def raise_for(self, message_id: object) -> None:
        for number, error in self.errors:
            if zlib.crc32(f"{number} {message_id}".encode()) % 3 == 0:
                raise error("the simulation lets this handler fail")

    def begin(self, world: "World", random: Random) -> None:
        """For some minutes, every third message fails: at once, or whenever it is tried."""
        mishap = (random.randrange(2**32), random.choice((SimulatedBugError, SimulatedTroubleError)))
        self.errors.append(mishap)
        until = world.loop.time() + random.choice((20.0, 120.0, 900.0))
        world.loop.call_at(until, self._end, mishap, context=world.loop.world.context)

    def _end(self, mishap: tuple[int, type[Exception]]) -> None:
        if mishap in self.errors:
            self.errors.remove(mishap)


@contextmanager
def handlers_may_fail() -> Iterator[None]:
    handler_of = Consumer._handler_of

    def chosen(consumer: Consumer, body: Any) -> Any:
        MISHAPS.get().raise_for(get_contextvars().get("message_id"))
        return handler_of(consumer, body)

    with patch.object(Consumer, "_handler_of", chosen):
        yield


def send_malformed(world: "World", random: Random) -> None:
    """Another system asks to cancel an order, and says it wrongly: an operator has to correct it."""
    known = orders_of(world)
    if not known:
        return
    order_id = random.choice(list(known))
    guest = known[order_id]["guest"]
    said = {"order_id": order_id, "guest_id": guest["guest_id"], "property_id": guest["property_id"], "reason": 7}
    kind, message_id = CancelOrder.wire_kind(), f"{_ODD}{random.randrange(2**32)}"
    body = json.dumps({"kind": kind, **said}).encode()
    names: dict[str, Any] = {"type": kind, "message_id": message_id, "correlation_id": message_id, "user_id": "gateway"}
    world.broker.enqueue(Wire(body, COMMANDS.name, kind, content_type="application/json", **names))


def is_malformed(wire: Wire) -> bool:
    return (wire.message_id or "").startswith(_ODD)


def refuse_publishes(world: "World", random: Random) -> None:
    """A queue refuses what is published to it, for longer than an outbox waits."""
    name = random.choice(WORK_QUEUES).name
    world.broker.refusing.add(name)
    until = world.loop.time() + random.uniform(200.0, 900.0)
    world.loop.call_at(until, world.broker.refusing.discard, name, context=world.loop.world.context)
