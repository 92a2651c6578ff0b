"""An operator replays the message log: its messages go to their queues again, as a replay of the log sends them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from chassis.messaging.headers import ATTEMPT, REPLAY_PLAN, SENT_AT_MS
from chassis.messaging.provenance import original_of
from contracts.accounts import OPERATOR
from contracts.topology import COMMANDS, EVENTS, LOG
from tests.simulation.broker.messages import Wire

if TYPE_CHECKING:
    from tests.simulation.broker.server import Broker

_KEPT = (SENT_AT_MS, "causation_id", "traceparent")


def logged(broker: "Broker") -> list[Wire]:
    """Commands and events of the log, as they were sent."""
    return [wire for wire in broker.streams[LOG] if _source_of(wire)[0] in (COMMANDS.name, EVENTS.name)]


def _source_of(wire: Wire) -> tuple[str, str]:
    return original_of(wire.exchange, wire.routing_key)


def resent(broker: "Broker", wire: Wire) -> Iterator[Wire]:
    """The message for each queue that takes it, as an operator sends it."""
    exchange, kind = _source_of(wire)
    headers = {name: value for name, value in wire.headers.items() if name in _KEPT}
    for queue in broker.route(exchange, kind):
        if queue in broker.streams or broker.queues[queue].is_exclusive:
            continue
        yield replace(
            wire,
            exchange="",
            routing_key=queue,
            user_id=OPERATOR,
            reply_to=None,
            headers={**headers, ATTEMPT: 1, REPLAY_PLAN: "plan"},
        )
