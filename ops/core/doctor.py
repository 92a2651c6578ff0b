"""Examines an installation: broker, topology and accounts, document store, PSP, keys, clocks and disk. Changes nothing.

Each part is examined on its own: one that does not answer is a finding, and the others are examined all the same.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from chassis.errors import StoreUnavailableError
from chassis.messaging.broker_address import BrokerAddress
from chassis.runtime.metrics import Metrics
from chassis.runtime.secret_files import SecretFileError, secret_from
from chassis.seal import Seal
from contracts.accounts import ACCOUNTS
from contracts.topology import MARK
from deploy.accounts import definitions
from deploy.management import Management, ManagementError, quoted
from deploy.queue_replacement import drift_at
from extras_service.collections import ExtrasStore
from notifications.collections import NotificationStore
from ops.core.messages import WORK_QUEUES
from ops.core.queues import seen_at
from ops.core.target import Target
from payment_service.collections import PaymentStore
from psp_adapter.configuration import Wanted, compare_all
from psp_adapter.errors import PspUnavailableError
from webhooks.collections import WebhookStore

OLDEST_BROKER = (3, 10)
NEWEST_TESTED_BROKER = (4, 3)
TOLERANCE = timedelta(seconds=60)
"""How far clocks may be apart: docs/time.md."""
LITTLE_DISK = 1 << 30
"""Bytes. RabbitMQ stops all publishers below its own limit, 50 MB by default."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one examination. `advice` says what to do; it is empty if nothing is wrong."""

    part: str
    what: str
    found: str
    advice: str = ""

    @property
    def is_right(self) -> bool:
        return not self.advice


async def examine(target: Target, environment: Mapping[str, str]) -> list[Finding]:
    """Everything that can be seen from here, part by part."""
    parts = (_broker(target), _accounts_and_nodes(target), _store(target), _psp(target, environment))
    findings = [finding for part in parts async for finding in part]
    return [*findings, *of_keys(environment), *_disk(target.stack)]


async def _broker(target: Target) -> AsyncIterator[Finding]:
    seen = await seen_at(target, [MARK.name, *(queue.name for queue in WORK_QUEUES)])
    if isinstance(seen, Exception):
        yield Finding(
            "broker",
            "connection",
            f"is unavailable ({type(seen).__name__})",
            "Check BELLHOP_AMQP_URL, and that the broker runs.",
        )
        return
    yield of_version(seen.version)
    has_mark = seen.consumers[MARK.name] is not None
    yield Finding(
        "broker",
        "topology of this version",
        "declared" if has_mark else "not declared",
        "" if has_mark else "Declare it: bellhop broker (docs/updating.md says in which order).",
    )
    for queue in WORK_QUEUES:
        if (consumers := seen.consumers[queue.name]) is not None:
            yield Finding("services", f"consumers of {queue.name}", str(consumers))


def of_version(version: str) -> Finding:
    """Whether RabbitMQ is one that this version works with: docs/rabbitmq.md."""
    series = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if series < OLDEST_BROKER:
        return Finding("broker", "RabbitMQ", version, "Use RabbitMQ 3.10 or newer.")
    untested = "" if series <= NEWEST_TESTED_BROKER else ", newer than the newest tested series, 4.3"
    return Finding("broker", "RabbitMQ", f"{version}{untested}")


async def _accounts_and_nodes(target: Target) -> AsyncIterator[Finding]:
    """What only the management API says."""
    what = "management API"
    if target.management_url is None:
        yield Finding("broker", what, "none: bindings, accounts and nodes were not compared")
        return
    vhost = BrokerAddress(target.amqp_url).vhost
    try:
        management = Management(target.management_url)
        drift = await asyncio.to_thread(drift_at, management, vhost)
        nodes = await asyncio.to_thread(management.call, "GET", "/api/nodes")
        permissions = await asyncio.to_thread(management.call, "GET", f"/api/vhosts/{quoted(vhost)}/permissions")
        topics = await asyncio.to_thread(management.call, "GET", f"/api/vhosts/{quoted(vhost)}/topic-permissions")
    except ManagementError as error:
        yield Finding("broker", what, str(error), "Check BELLHOP_MANAGEMENT_URL, and that the plugin is enabled.")
        return
    yield Finding("broker", "queues, exchanges and bindings", "compared" if drift else "as declared")
    for one in drift:
        yield Finding("broker", one.queue, one.problem, "See bellhop queues and docs/updating.md.")
    for node in nodes:
        yield of_node(node)
    for finding in _accounts(permissions, topics, vhost):
        yield finding


def of_node(node: Mapping[str, Any]) -> Finding:
    """One node of the broker, as the management API lists it."""
    name = f"node {node.get('name')}"
    if not node.get("running"):
        return Finding("broker", name, "not running", "Start it: queues need a majority of the nodes.")
    alarms = [alarm for alarm in ("mem_alarm", "disk_free_alarm") if node.get(alarm)]
    free = f"{int(node.get('disk_free') or 0) >> 20} MiB of disk free"
    if alarms or node.get("partitions"):
        found = ", ".join([*alarms, *(f"cut off from {other}" for other in node.get("partitions") or ())])
        return Finding(
            "broker", name, f"{found}; {free}", "It takes no messages: free memory or disk, or heal the cluster."
        )
    return Finding("broker", name, free)


def _accounts(permissions: Any, topics: Any, vhost: str) -> Iterator[Finding]:
    """Whether each service has an account of its own, with the rights of this version."""
    wanted = definitions(vhost, {})
    for account in ACCOUNTS:
        what, name = f"account {account.name}", account.name
        rights = [_rights(each) for each in wanted["permissions"] if each["user"] == name]
        rights += [_rights(each) for each in wanted["topic_permissions"] if each["user"] == name]
        has = [_rights(each) for each in (*permissions, *topics) if each["user"] == name]
        if not has:
            yield Finding("broker", what, "missing", "Create the accounts: bellhop broker.")
        elif sorted(rights) != sorted(has):
            yield Finding("broker", what, "has other rights than this version's", "Set them again: bellhop broker.")
        else:
            yield Finding("broker", what, "has the rights of this version")


def _rights(entry: Mapping[str, str]) -> tuple[str, str, str, str]:
    return entry.get("exchange", ""), entry.get("configure", ""), entry["write"], entry["read"]


async def _store(target: Target) -> AsyncIterator[Finding]:
    store = target.store(Metrics("bellhop"))
    for collections in (ExtrasStore, PaymentStore, NotificationStore, WebhookStore):
        collections(store)
    try:
        server, here = await store.server(), datetime.now(UTC)
        yield Finding("store", "server", server.version)
        yield of_clocks(abs(server.time - here))
        missing = await store.missing_indexes()
        created = "The services create them at their start: start or restart them, or see their logs."
        yield Finding("store", "indexes", ", ".join(missing) or "all there", created if missing else "")
    except StoreUnavailableError as error:
        yield Finding("store", "connection", str(error), "Check BELLHOP_MONGODB_URL, and that the store runs.")
    finally:
        store.close()


def of_clocks(apart: timedelta) -> Finding:
    """The store's clock is the one that all services use; this machine's stands for theirs."""
    advice = "Synchronise the clocks of both machines (docs/time.md)." if apart > TOLERANCE else ""
    return Finding("clocks", "this machine and the store", f"{apart.total_seconds():.1f} s apart", advice)


async def _psp(target: Target, environment: Mapping[str, str]) -> AsyncIterator[Finding]:
    psp = target.psp()
    wanted = Wanted(
        target.stripe_api_key,
        environment.get("BELLHOP_STRIPE_ACCOUNT") or None,
        target.webhook_url or environment.get("BELLHOP_WEBHOOK_URL") or None,
        environment.get("BELLHOP_STRIPE_PUBLISHABLE_KEY") or None,
    )
    try:
        for comparison in await compare_all(psp, wanted):
            yield Finding("psp", comparison.what, comparison.found, comparison.advice)
    except PspUnavailableError as error:
        yield Finding(
            "psp", "connection", str(error), "Check STRIPE_API_KEY, and that Stripe can be reached from here."
        )
    finally:
        await psp.close()


def of_keys(environment: Mapping[str, str]) -> Iterator[Finding]:
    """The seal keys, where this environment has them."""
    what, same = "BELLHOP_SEAL_KEYS", "gateway, PSP adapter, notification and webhook service must hold the same"
    try:
        if keys := secret_from(environment, what):
            Seal(SecretStr(keys))
    except (SecretFileError, ValueError) as error:
        yield Finding("keys", what, str(error), "Give it comma-separated Fernet keys, the newest first.")
        return
    yield Finding("keys", what, f"usable; {same}" if keys else f"not set here; {same}")


def _disk(folder: Path | None) -> Iterator[Finding]:
    if folder is None:
        return
    free = shutil.disk_usage(folder).free
    advice = "Free some: the broker stops taking messages when its disk is full." if free < LITTLE_DISK else ""
    yield Finding("disk", str(folder), f"{free >> 20} MiB free", advice)
