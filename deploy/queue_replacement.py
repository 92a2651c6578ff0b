"""Replaces queues that exist with other properties than the topology's. RabbitMQ cannot change a queue's arguments."""

import asyncio
from typing import Any

from chassis.messaging.amqp import connection_for_tools
from chassis.messaging.broker_address import BrokerAddress
from contracts.topology import EARLIER_MARKS, MARK, MARKS, QUEUES, READS
from deploy.management import Management, quoted
from deploy.topology_drift import Drift, drift_of

_COUNTS_AFTER = 12.0
"""Seconds. A quorum queue reports its counts every five, and the management API collects them every five."""


def drift_at(management: Management, vhost: str) -> list[Drift]:
    """The differences between the broker and the topology. Raises ManagementError."""
    lists = (management.call("GET", f"/api/{what}/{quoted(vhost)}") for what in ("queues", "exchanges", "bindings"))
    return drift_of(*lists)


async def replace_empty(amqp_url: str, management_url: str) -> dict[str, str]:
    """Delete queues that exist with other properties, are empty and have no consumer. Returns why others were left.

    `declare_topology` declares them again. A queue is unbound before it is counted, so that no message can arrive in
    between: it would not be confirmed, and its sender keeps it. Queries may be lost, so their queue is replaced in any
    case; its consumers are restored by themselves. Raises ManagementError, and aio-pika's errors if the broker is
    unavailable.
    """
    management, vhost = Management(management_url), BrokerAddress(amqp_url).vhost
    otherwise = {drift.queue for drift in drift_at(management, vhost) if drift.is_otherwise}
    ours = [queue for queue in QUEUES if queue.name in otherwise]
    for queue in ours:
        for exchange in {binding.exchange for binding in queue.bindings}:
            _unbind(management, vhost, queue.name, exchange)
    if ours:
        await asyncio.sleep(_COUNTS_AFTER)
    left = {}
    async with await connection_for_tools(amqp_url, "bellhop", timeout=10) as connection:
        channel = await connection.channel()
        for queue in ours:
            # The broker's own count is exact, and leaves out what is unacknowledged; the management API's is late.
            now = (await channel.declare_queue(queue.name, passive=True)).declaration_result
            seen = management.call("GET", f"/api/queues/{quoted(vhost)}/{quoted(queue.name)}")
            messages = max(now.message_count or 0, seen.get("messages", 0) + seen.get("messages_dlx", 0))
            is_needed = queue not in READS and (messages or now.consumer_count)
            if is_needed:
                left[queue.name] = f"{messages} messages, {now.consumer_count} consumers"
                unchanged = await channel.get_queue(queue.name, ensure=False)
                for binding in queue.bindings:
                    await unchanged.bind(binding.exchange, binding.routing_key)
            else:
                await channel.queue_delete(queue.name)
    return left


def remove_old_marks(management: Management, vhost: str) -> None:
    """Remove marks of topologies that this one does not contain, so that services of those versions cannot start."""
    for queue in management.call("GET", f"/api/queues/{quoted(vhost)}?columns=name"):
        name = str(queue["name"])
        if name.startswith(MARKS) and name not in (MARK.name, *EARLIER_MARKS):
            management.call("DELETE", f"/api/queues/{quoted(vhost)}/{quoted(name)}")


def _unbind(management: Management, vhost: str, queue: str, exchange: str) -> None:
    path = f"/api/bindings/{quoted(vhost)}/e/{quoted(exchange)}/q/{quoted(queue)}"
    bindings: list[dict[str, Any]] = management.call("GET", path)
    for binding in bindings:
        management.call("DELETE", f"{path}/{quoted(str(binding['properties_key']))}")
