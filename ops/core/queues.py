"""The state of all queues: depth, age, consumers and rates."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity

from chassis.messaging.amqp import server_version
from chassis.messaging.broker_address import BrokerAddress
from chassis.messaging.envelope import utc_now
from contracts.topology import MARK, QUEUES
from deploy.management import Management, ManagementError, quoted
from deploy.topology_drift import by_queue, drift_of
from ops.core.dead_letters.letters import DeadLetter
from ops.core.message_log.stream import LogStream, NoLogError
from ops.core.messages import WORK_QUEUES, Filter
from ops.core.session import OperatorSession
from ops.core.target import Target

_LOOK_BACK = timedelta(hours=1)
_API_TIMEOUT = 3.0
"""Seconds for each of the management API's answers. The page asks again every two seconds."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """The state of a queue. Unknown values are None."""

    name: str
    role: str
    """work, reads, retry, dead, log, or other: a queue that the topology does not have."""
    exists: bool
    messages: int
    """Ready plus unacknowledged; for dead queues, including drained letters that are waiting."""
    consumers: int
    coming: float | None
    """Messages published to it per second."""
    leaving: float | None
    """Messages acknowledged per second."""
    oldest: datetime | None
    """The time at which its oldest message was sent, or failed."""
    drift: tuple[str, ...] = ()
    """Its differences from the topology, bindings included; empty if the management API does not answer."""
    stuck: int = 0
    """Messages whose delay or deliveries are over and that find no queue to go to."""

    @property
    def problem(self) -> str | None:
        """The problem for the operator, if any."""
        if not self.exists:
            return "not declared yet"
        if self.drift:
            return "; ".join(self.drift)
        if self.stuck:
            return f"{self.stuck} stuck: the queue they go to next is missing or unavailable (bellhop broker)"
        if self.role in ("work", "reads") and self.consumers == 0:
            return "no consumer"
        if self.role == "dead" and self.messages:
            return "bellhop dead list"
        return None


async def look(connection: AbstractConnection, target: Target, waiting: Sequence[DeadLetter]) -> list[QueueState]:
    """All queues, in the topology's order. `waiting` are the drained dead letters that wait.

    Rates and drift come from the broker's management API: None and empty if it does not answer. Queues that are not in
    the topology come last.
    """
    listed = await _listed(target)
    rates = {str(queue["name"]): queue for queue in listed[0]} if listed else {}
    drift = by_queue(drift_of(*listed)) if listed else {}
    counts = {queue.name: await _count(connection, queue.name) for queue in QUEUES}
    sent = await _oldest(connection, {q.name: counts[q.name] for q in WORK_QUEUES})
    states = []
    for queue in QUEUES:
        count, stats = counts[queue.name], rates.get(queue.name, {})
        messages, consumers = count or (0, 0)
        letters = [letter for letter in waiting if letter.dead_queue == queue.name]
        failed = [letter.failed_at for letter in letters]
        states.append(
            QueueState(
                name=queue.name,
                role=queue.role,
                exists=count is not None,
                # RabbitMQ 4.3 reports stuck messages before it counts them among the queue's messages.
                messages=max(messages, stats.get("messages", 0), stats.get("messages_dlx", 0)) + len(letters),
                consumers=consumers,
                coming=_rate(stats, "publish"),
                leaving=_rate(stats, "ack"),
                oldest=min(failed, default=sent.get(queue.name)),
                stuck=stats.get("messages_dlx", 0),
                drift=tuple(drift.pop(queue.name, ())),
            )
        )
    return [*states, *(_other(name, problems, rates) for name, problems in sorted(drift.items()))]


def _other(name: str, problems: Sequence[str], rates: Mapping[str, Mapping[str, Any]]) -> QueueState:
    messages = int(rates.get(name, {}).get("messages", 0))
    return QueueState(name, "other", name in rates or name == MARK.name, messages, 0, None, None, None, tuple(problems))


async def _count(connection: AbstractConnection, name: str) -> tuple[int, int] | None:
    """Numbers of ready messages and of consumers; None if the queue does not exist."""
    channel = await connection.channel()
    try:
        declared = (await channel.declare_queue(name, passive=True)).declaration_result
        return declared.message_count or 0, declared.consumer_count or 0
    except ChannelNotFoundEntity:
        return None
    finally:
        await channel.close()


async def _oldest(connection: AbstractConnection, counts: Mapping[str, tuple[int, int] | None]) -> dict[str, datetime]:
    """The time at which the oldest message of each queue was sent, from the log: the waiting ones are the latest.

    Reading the queue itself would count as a delivery, and after 20 of them the broker drops a message.
    """
    newest = {name: deque[datetime](maxlen=count[0]) for name, count in counts.items() if count and count[0]}
    if not newest:
        return {}
    now = utc_now()
    try:
        async with aclosing(LogStream(connection).up_to_now(now - _LOOK_BACK)) as messages:
            async for seen in messages:
                for name in seen.queues:
                    if name in newest and seen.sent_at is not None:
                        newest[name].append(seen.sent_at)
    except NoLogError:
        return {}
    return {name: times[0] for name, times in newest.items() if times}


async def _listed(target: Target) -> tuple[Any, Any, Any] | None:
    """Queues, exchanges and bindings by the management API; None where there is none, or it does not answer."""
    if target.management_url is None:
        return None
    broker = BrokerAddress(target.amqp_url)
    url, vhost = broker.like_this(target.management_url), quoted(broker.vhost)

    def listed() -> tuple[Any, Any, Any]:
        management = Management(url, timeout=_API_TIMEOUT)
        queues, exchanges, bindings = (
            management.call("GET", f"/api/{what}/{vhost}") for what in ("queues", "exchanges", "bindings")
        )
        return queues, exchanges, bindings

    try:
        return await asyncio.to_thread(listed)
    except ManagementError:
        return None


def _rate(stats: Mapping[str, Any], what: str) -> float | None:
    if not stats:
        return None
    rate = stats.get("message_stats", {}).get(f"{what}_details", {}).get("rate", 0.0)
    return round(float(rate), 1)


@dataclass(frozen=True, slots=True)
class BrokerSeen:
    """What a connection shows of a broker without its management API."""

    version: str
    consumers: Mapping[str, int | None]
    """By queue; None: the queue does not exist."""


async def seen_at(target: Target, names: Sequence[str]) -> BrokerSeen | Exception:
    """The broker's version and the consumers of these queues, or why it cannot be asked."""
    try:
        async with target.connection() as connection:
            counts = {name: await _count(connection, name) for name in names}
            return BrokerSeen(server_version(connection), {name: seen and seen[1] for name, seen in counts.items()})
    except (AMQPError, OSError, TimeoutError) as error:
        return error


async def look_at(session: OperatorSession) -> list[QueueState]:
    """Drain the dead queues into the store, then look at every queue."""
    await session.letters.drain()
    return await look(session.connection, session.target, await session.letters.matching(Filter()))
