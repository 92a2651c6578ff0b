"""What is left when everything that was broken is mended again: the facts the tests judge."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlsplit

import httpx
from aio_pika.abc import AbstractIncomingMessage

from contracts.topology import LOG, QUEUES
from deploy.local.broker import Broker
from deploy.management import PLAIN_HTTP
from ops.core.audit import Finding
from ops.core.dead_letters.letters import DeadLetter
from ops.core.messages import RecordedMessage
from tests.chaos.guests import Crowd
from tests.support.books import FINAL, everything, ledger_lines, repeated_effects, unsettled
from tests.support.desk import audited
from tests.support.system import DEAD_QUEUES, System
from tests.support.waiting import until

CALM = 90.0
"""Seconds after the last guest until everything must be final: an order's deadline, and the ladder's third rung."""

T = TypeVar("T")

COLLECTIONS = ("orders", "payments", "stock", "psp_sweeps")


@dataclass(frozen=True)
class Aftermath:
    """What there is to know when everything has come to rest."""

    acknowledged: frozenset[str]
    """Orders that were acknowledged to a guest, by a 201 or a 202."""
    statuses: Mapping[str, str]
    """Of every order in the store."""
    wrong: tuple[str, ...]
    """Orders whose money or status differs from what their guests were shown."""
    doubled: tuple[str, ...]
    """Effects that happened more than once."""
    findings: tuple[Finding, ...]
    """What `bellhop audit` finds."""
    parked: tuple[RecordedMessage, ...]
    """What lies in the dead queues, looked at and left there, and what an operator has fetched from them."""
    log: tuple[AbstractIncomingMessage, ...]
    """Every command and event, the oldest first."""

    @property
    def lost(self) -> set[str]:
        """Acknowledged orders that do not exist."""
        return {order_id for order_id in self.acknowledged if order_id not in self.statuses}

    @property
    def sent_again(self) -> int:
        """How often a message went over the bus once more, under the same id."""
        ids = Counter(message.message_id for message in self.log)
        return sum(times - 1 for times in ids.values())


async def come_to_rest(system: System, broker: Broker | None, crowd: Crowd) -> Aftermath:
    """Wait until nothing is under way any more, then look at everything. Fails, saying what, when it takes too long.

    `broker` counts what lies in the queues; without one, only what no consumer has taken is counted.
    """
    await crowd.gone()
    await nothing_left(lambda: under_way(system), "orders that are not final")
    await nothing_left(lambda: unsettled(system), "refunds or webhooks under way")
    await nothing_left(lambda: unsent(system), "documents with unsent messages")
    await nothing_left(lambda: queued(system, broker) if broker else ready(system), "messages in queues")
    books = await ledger_lines(system)
    judged = [await story.wrong(books) for story in crowd.stories]
    return Aftermath(
        acknowledged=frozenset(story.acknowledged for story in crowd.stories),
        statuses={order["_id"]: order["state"]["status"] async for order in system.documents["orders"].find({})},
        wrong=tuple(problem for problem in judged if problem),
        doubled=(*await repeated_effects(system), *await doubled_entries(system)),
        findings=(await audited(system)).findings,
        parked=(*[seen for queue in DEAD_QUEUES for seen in await looked_at(system, queue)], *await fetched(system)),
        log=tuple(await system.log()),
    )


async def now_and_then(look: Awaitable[T]) -> T:
    """What a look shows, no more often than twice a second: some looks read everything there is."""
    await asyncio.sleep(0.5)
    return await look


async def nothing_left(look: Callable[[], Awaitable[Mapping[str, object]]], what: str, *, within: float = CALM) -> None:
    """Wait until a look shows nothing any more; fail, saying what is left, when it takes too long."""
    left: dict[str, object] = {}

    async def nothing() -> bool:
        left.clear()
        left.update(await now_and_then(look()))
        return not left

    try:
        await until(nothing, f"there are no {what}", within=within)
    except AssertionError:
        raise AssertionError(f"{within:g} s after the last guest there are still {what}: {left}") from None


async def under_way(system: System) -> dict[str, str]:
    """Orders that are not at an end, and where they and their payments stand."""
    standing = {}
    query = {"state.status": {"$nin": [*FINAL, "needs_review"]}}
    async for document in system.documents["orders"].find(query):
        order, payment = document["state"], await system.payment_of(document["_id"])
        paid = payment["state"]["status"] if payment else "-"
        standing[document["_id"]] = f"{order['status']}/{order['payment_status']}, payment {paid}"
    return standing


async def unsent(system: System) -> dict[str, int]:
    """Documents that still have messages to send, by collection."""
    query = {"$or": [{"outbox.0": {"$exists": True}}, {"unsent_since": {"$exists": True}}]}
    counts = {name: await system.documents[name].count_documents(query) for name in COLLECTIONS}
    return {name: count for name, count in counts.items() if count}


async def queued(system: System, broker: Broker) -> dict[str, int]:
    """Messages by queue, those included that a consumer has and has not answered; without the log and the dead."""
    assert broker.management_url is not None
    address, vhost = urlsplit(broker.management_url), urlsplit(system.setup.amqp_url).path.removeprefix("/")
    login = (address.username or "", address.password or "")
    async with httpx.AsyncClient(auth=login, trust_env=False, verify=PLAIN_HTTP) as http:
        url = f"http://{address.hostname}:{address.port}/api/queues/{quote(vhost, safe='')}?columns=name,messages"
        answer = await http.get(url)
    counts = {queue["name"]: queue.get("messages", 0) for queue in answer.raise_for_status().json()}
    return {name: count for name, count in counts.items() if count and name not in (LOG, *DEAD_QUEUES)}


async def ready(system: System) -> dict[str, int]:
    """Messages by queue that wait for a consumer; without the log and the dead."""
    counts = {q.name: await system.depth(q.name) for q in QUEUES if q.name not in (LOG, *DEAD_QUEUES)}
    return {name: count for name, count in counts.items() if count}


async def fetched(system: System) -> list[RecordedMessage]:
    """Every dead letter in the store, whatever was decided about it."""
    letters = [DeadLetter.model_validate(raw) async for raw in system.documents["dead_letters"].find({})]
    return [letter.message for letter in letters]


async def looked_at(system: System, queue: str) -> list[RecordedMessage]:
    """Every message of a dead queue, requeued afterwards."""
    seen: list[RecordedMessage] = []
    async with system.channel() as channel:
        declared = await channel.declare_queue(queue, passive=True)
        while (message := await declared.get(fail=False)) is not None:
            seen.append(RecordedMessage.of(message))
    return seen


async def doubled_entries(system: System) -> list[str]:
    """Attempts and refunds that stand twice in a document, or once more than the PSP knows of."""
    doubled = []
    failures = Counter(
        event["data"]["object"]["id"]
        for event in await everything(system, "events")
        if event["type"] == "payment_intent.payment_failed"
    )
    async for document in system.documents["payments"].find({}):
        payment = document["state"]
        attempts = [(attempt["at"], attempt["code"]) for attempt in payment["attempts"]]
        references = [*payment["earlier_sessions"], (payment["session"] or {}).get("psp_reference")]
        if len(attempts) > sum(failures[reference] for reference in references):
            doubled.append(f"{document['_id']} has attempts the PSP knows nothing of: {attempts}")
        refunds = [refund["refund_id"] for refund in payment["refunds"]]
        if len(set(refunds)) != len(refunds):
            doubled.append(f"{document['_id']} has a refund twice: {refunds}")
    return doubled
