"""Another system hears of orders while everything is killed, itself included: of each event, in order, and of no other.

It is a process of its own that verifies what it gets with the library of Standard Webhooks, and writes it down.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import pytest

from deploy.local.broker import Broker
from tests.chaos.aftermath import nothing_left, queued
from tests.chaos.conftest import IMPATIENT, SEED
from tests.chaos.damage import Act, Saboteur
from tests.chaos.faulty import Point
from tests.chaos.guests import Crowd, Story
from tests.chaos.pms import Fate
from tests.chaos.processes import ProcessSystem, processes_on
from tests.chaos.subscriber import Heard, Subject, Subscriber, expected, undelivered
from tests.support.books import unsettled
from tests.support.outages import broker_to_kill, store_to_kill
from tests.support.system import ADAPTER, EXTRAS, PAYMENTS, WEBHOOKS
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(1800)

GUESTS = 2
"""Before each act."""
PLOTS = (Story.pays, Story.is_refunded, Story.cancels)
DELIVERED_WITHIN = 240.0
"""Seconds: a claim lapses after one minute, and the third pause after a failure is two."""


@dataclass(frozen=True)
class Ended:
    """A run that is over. The subscriber still runs."""

    saboteur: Saboteur
    subscriber: Subscriber
    due: frozenset[Subject]
    orders: frozenset[str]


@pytest.fixture(scope="module")
async def ended(tmp_path_factory: pytest.TempPathFactory, in_containers: bool) -> AsyncIterator[Ended]:
    folder = tmp_path_factory.mktemp("webhooks")
    with (
        broker_to_kill(folder, in_containers=in_containers) as broker,
        store_to_kill(folder, in_containers=in_containers) as store,
    ):
        async with processes_on(broker, store, folder / "services", **IMPATIENT) as system:
            chance, subscriber = random.Random(SEED), Subscriber(folder)  # noqa: S311 - chance for a test
            crowd = Crowd(system, chance, PLOTS)
            saboteur = Saboteur(system, crowd, chance)
            try:
                await subscriber.subscribe(system)
                await _break(saboteur, _acts(saboteur, subscriber, broker))
                await _come_to_rest(system, broker, crowd, subscriber)
                due, orders = await expected(system), await system.documents["orders"].distinct("_id")
                yield Ended(saboteur, subscriber, frozenset(due), frozenset(orders))
            finally:
                await crowd.send_away()
                await subscriber.stop()


def _acts(saboteur: Saboteur, subscriber: Subscriber, broker: Broker) -> list[Act]:
    """Everything dies once, and the service of webhooks before and after an attempt as well."""

    async def kill_broker() -> None:
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)

    async def kill_subscriber() -> None:
        """It comes back once a webhook has not reached it."""
        await subscriber.kill()
        subscribers = saboteur.system.documents["webhook_subscribers"]

        async def noticed() -> bool:
            if saboteur.crowd.is_empty():
                saboteur.crowd.let_in_one(Story.pays)
            known = await subscribers.find_one({"_id": subscriber.subscriber_id})
            return known is not None and "ConnectError" in known["state"]["failed_with"]

        await until(noticed, "a webhook has not reached its receiver")
        await subscriber.start()

    points: list[Act] = [partial(saboteur.kill_at, WEBHOOKS, point) for point in (Point.CLAIMED, Point.ANSWERED)]
    services = [partial(saboteur.kill, part) for part in (WEBHOOKS, EXTRAS, PAYMENTS, ADAPTER)]
    others: list[Act] = [*services, kill_broker, saboteur.kill_store, kill_subscriber]
    for acts in (points, others):
        saboteur.chance.shuffle(acts)
    return [*points, *others]  # a claim that the first leave lapses while the others act


async def _break(saboteur: Saboteur, acts: list[Act]) -> None:
    for act in acts:
        saboteur.crowd.let_in(GUESTS)
        await saboteur.crowd.gets_on(saboteur.chance.randint(1, 2 * GUESTS))
        await act()


async def _come_to_rest(system: ProcessSystem, broker: Broker, crowd: Crowd, subscriber: Subscriber) -> None:
    async def unheard() -> dict[str, object]:
        missing = await expected(system) - {each.subject for each in subscriber.kept()}
        return {**{str(each): "not heard" for each in missing}, **await undelivered(system)}

    await crowd.gone()
    await nothing_left(lambda: unsettled(system), "refunds or webhooks of the PSP under way")
    await nothing_left(lambda: queued(system, broker), "messages in queues")
    await nothing_left(unheard, "webhooks that are not delivered", within=DELIVERED_WITHIN)


def test_it_has_heard_of_every_receipt_and_of_every_cancellation(ended: Ended) -> None:
    heard = {each.subject for each in ended.subscriber.kept()}

    assert ended.due - heard == set()
    assert {kind for _, kind, _ in ended.due} == {"order.confirmed", "order.refunded", "order.cancelled"}


def test_it_was_sent_nothing_forged_and_nothing_that_is_not_so(ended: Ended) -> None:
    """Each request was signed with its secret, and says what the store says; sent again, it is the same."""
    heard, kept = ended.subscriber.heard(), ended.subscriber.kept()

    assert ended.subscriber.forged() == []
    assert {each.order_id for each in heard} <= ended.orders
    assert {each.subject for each in heard if each.body["type"] != "order.changed"} - ended.due == set()
    assert len({each.subject for each in kept}) == len(kept), "one webhook for each subject"
    assert len({(each.webhook_id, str(each.body)) for each in heard}) == len({each.webhook_id for each in heard})


def test_it_has_heard_of_each_order_in_order(ended: Ended) -> None:
    by_order: dict[str, list[Heard]] = defaultdict(list)
    for each in ended.subscriber.kept():
        by_order[each.order_id].append(each)

    for order_id, heard in by_order.items():
        versions, receipts = [each.version for each in heard], [each.subject[2] for each in heard if each.subject[2]]
        assert versions == sorted(versions), order_id
        assert receipts == sorted(receipts), order_id
    assert max(map(len, by_order.values())) > 1


def test_some_webhooks_were_refused_or_not_answered_and_came_again(ended: Ended) -> None:
    requests = ended.subscriber.heard()

    assert len(requests) > len({each.webhook_id for each in requests})
    assert {each.fate for each in requests} > {Fate.TAKEN}


async def test_a_webhook_that_another_sender_makes_up_is_refused(ended: Ended) -> None:
    answer = await ended.subscriber.forge(ended.subscriber.kept()[0].body)

    assert answer == 401
    assert ended.subscriber.forged() == ["msg_forged"]
