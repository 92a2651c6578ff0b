"""Sends logged messages once more, as they were, to the queues they went to, and waits until they are handled."""

from collections.abc import Mapping, Sequence
from time import monotonic

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from chassis.messaging.headers import REPLAY_PLAN, known_headers
from contracts.topology import LOG, QUEUES
from tests.support.guest import Json
from tests.support.system import ADAPTER, EXTRAS, NOTIFICATIONS, PAYMENTS, WEBHOOKS, System
from tests.support.waiting import until

QUIET = 0.5
"""Seconds without a message handled after which nothing more is under way."""

COLLECTIONS = ("orders", "payments", "stock")
"""Not `psp_sweeps`: how far the PSP's events were read moves on with the clock, replay or no replay."""

WORK = tuple(queue for queue in QUEUES if queue.bindings and queue.name != LOG)


async def replay(system: System, messages: Sequence[AbstractIncomingMessage]) -> int:
    """Every message with its own id, headers and body. Returns how many deliveries that made."""
    before = await handled(system)
    async with system.channel() as channel:
        sent = sum([await _send(channel, message, system.login) for message in messages])
    await until_quiet(system, before + sent)
    return sent


async def _send(channel: AbstractChannel, logged: AbstractIncomingMessage, login: str) -> int:
    targets = [
        queue.name
        for queue in WORK
        if any((b.exchange, b.routing_key) == (logged.exchange, logged.routing_key) for b in queue.bindings)
    ]
    for target in targets:
        # Past the exchange, so that the log does not grow while it is replayed.
        copy = aio_pika.Message(
            logged.body,
            message_id=logged.message_id,
            correlation_id=logged.correlation_id,
            type=logged.type,
            timestamp=logged.timestamp,
            app_id=logged.app_id,
            reply_to=logged.reply_to,
            content_type=logged.content_type,
            user_id=login,
            headers={**known_headers(logged.headers), REPLAY_PLAN: "chaos"},
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await channel.default_exchange.publish(copy, target)
    return len(targets)


async def until_quiet(system: System, handled_at_least: int) -> None:
    """Wait until so many messages are handled and no more come."""
    seen, since = -1, monotonic()

    async def quiet() -> bool:
        nonlocal seen, since
        now = await handled(system)
        if now != seen:
            seen, since = now, monotonic()
        return now >= handled_at_least and monotonic() - since > QUIET

    await until(quiet, f"{handled_at_least} messages are handled", within=120)


async def handled(system: System) -> int:
    """Messages the services have come to an end with since they started."""
    total = 0
    for part in (EXTRAS, PAYMENTS, ADAPTER, NOTIFICATIONS, WEBHOOKS):
        samples = await system.samples(part, "bellhop_messages_handled")
        total += sum(int(each.value) for each in samples if each.labels["outcome"] != "retried")
    return total


async def documents(system: System) -> dict[str, Json]:
    """Every document as it is, whole."""
    found: dict[str, Json] = {}
    for name in COLLECTIONS:
        found |= {f"{name}/{raw['_id']}": raw async for raw in system.documents[name].find({})}
    return found


async def forget_handled(system: System) -> None:
    """As if every document had handled many other messages since."""
    for name in COLLECTIONS:
        await system.documents[name].update_many({}, {"$set": {"handled": []}, "$unset": {"folded": ""}})


def changed(before: Mapping[str, Json], after: Mapping[str, Json], part: str | None = None) -> dict[str, object]:
    """Documents that differ, or differ in one part, with what they were and became."""

    def of(raw: Json | None) -> object:
        return raw if raw is None or part is None else raw[part]

    return {
        name: (of(before.get(name)), of(after.get(name)))
        for name in sorted({*before, *after})
        if of(before.get(name)) != of(after.get(name))
    }
