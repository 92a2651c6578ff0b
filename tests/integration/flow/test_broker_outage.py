"""The broker is killed under a running system and comes back. One outage, described by several tests."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic

import httpx
import pytest

from deploy.local.patience import patient
from deploy.local.store import Store
from tests.integration.flow.test_webhook import event_about
from tests.support.guest import Guest, Json, body, problem
from tests.support.outages import broker_to_kill, until_streams_survive_a_kill
from tests.support.system import SERVICES, System, system_on
from tests.support.waiting import until

RECOVERY = 60.0


@dataclass
class Outage:
    """What was seen while the broker was away, and the system after it came back."""

    system: System
    guest: Guest
    paid_meanwhile: str
    placing: httpx.Response
    placing_took: float
    reading: httpx.Response
    webhook: httpx.Response
    readiness: dict[str, Json]
    liveness: dict[str, int]


@pytest.fixture(scope="module")
async def outage(store: Store, tmp_path_factory: pytest.TempPathFactory, in_containers: bool) -> AsyncIterator[Outage]:
    folder = tmp_path_factory.mktemp("broker-to-kill")
    with broker_to_kill(folder, in_containers=in_containers) as broker:
        async with system_on(broker, store, reply_timeout=5.0) as system:
            guest = system.guest()
            order_id = (await guest.order())["order_id"]
            session = await guest.session(order_id)
            await until(system.webhooks_delivered, "the PSP has nothing more to tell")
            await until_streams_survive_a_kill(broker, folder)

            await asyncio.to_thread(broker.kill)
            body(await system.pay(session), 200)
            began = monotonic()
            placing = await guest.place(key="during-the-outage")
            took = monotonic() - began
            reading = await guest.look(order_id)
            webhook = await system.post_event(event_about(order_id, "payment_intent.processing"))
            answers = await asyncio.gather(*(system.operator(part, "/health/ready") for part in SERVICES))
            readiness = {part: body(answer, 503) for part, answer in zip(SERVICES, answers, strict=True)}
            liveness = {part: (await system.operator(part, "/health/live")).status_code for part in SERVICES}
            await asyncio.to_thread(broker.start)

            yield Outage(system, guest, order_id, placing, took, reading, webhook, readiness, liveness)


async def test_an_order_is_refused_in_time_with_a_problem(outage: Outage) -> None:
    said = problem(outage.placing, 503, "unavailable")

    assert outage.placing.headers["retry-after"]
    assert "try again" in said["detail"]
    assert outage.placing_took < outage.system.reply_timeout + patient(4)


async def test_a_read_is_refused_with_a_problem(outage: Outage) -> None:
    problem(outage.reading, 503, "unavailable")


async def test_readiness_says_that_the_broker_does_not_answer_while_the_processes_live(outage: Outage) -> None:
    for part in SERVICES:
        assert "does not answer" in outage.readiness[part]["problems"]["broker"], part
        assert "store" not in outage.readiness[part]["problems"], part
        assert outage.liveness[part] == 200


async def test_a_webhook_is_not_thanked_for(outage: Outage) -> None:
    assert body(outage.webhook, 503)["outcome"] == "unpublished"


async def test_every_service_is_ready_again_without_a_restart(outage: Outage) -> None:
    async def all_ready() -> bool:
        answers = [await outage.system.operator(part, "/health/ready") for part in SERVICES]
        return all(answer.status_code == httpx.codes.OK for answer in answers)

    assert await until(all_ready, "all services are ready", within=RECOVERY)


async def test_a_payment_made_meanwhile_is_confirmed_by_the_psps_retry(outage: Outage) -> None:
    await outage.guest.sees(outage.paid_meanwhile, status="confirmed", payment_status="paid", within=RECOVERY)

    assert len(await outage.system.intents(outage.paid_meanwhile)) == 1
    assert await outage.system.times_logged(outage.paid_meanwhile, "orders.order-confirmed.v1") == 1


async def test_the_same_key_after_the_outage_places_the_order_once(outage: Outage) -> None:
    order = await outage.guest.order(key="during-the-outage")

    listed = await outage.guest.orders()
    assert [o["order_id"] for o in listed].count(order["order_id"]) == 1
    assert len(listed) == 2


async def test_an_order_after_the_outage_is_placed_watched_and_paid(outage: Outage) -> None:
    guest = outage.system.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    async with guest.watching(order_id) as events, asyncio.timeout(patient(RECOVERY)):
        await anext(events)
        body(await outage.system.pay(session), 200)
        received = await anext(events)

    assert received.event == "orders.order-confirmed"
    assert set((await outage.system.parked()).values()) == {0}
