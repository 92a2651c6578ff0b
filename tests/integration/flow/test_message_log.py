"""The message log cannot be written: orders go on, readiness says so, and the log says what it misses."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from aio_pika import connect
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ConnectionInternalError

from chassis.messaging import message_log
from chassis.messaging import topology as declaring
from chassis.messaging.amqp import ShieldedConnection
from chassis.messaging.message_log import Copy, MessageLog
from chassis.messaging.topology import verify_topology
from chassis.runtime.metrics import Metrics
from contracts.topology import COPIES, FAILURES, LOG
from deploy.accounts import declare_topology
from deploy.local.broker import Broker
from tests.support.guest import body
from tests.support.log_health import gaps, missed, problems, recovered
from tests.support.system import EXTRAS, NOTIFICATIONS, SERVICES, WEBHOOKS, System
from tests.support.waiting import PATIENCE, until


@asynccontextmanager
async def deleted(system: System) -> AsyncIterator[None]:
    async with system.channel() as channel:
        await channel.queue_delete(LOG)
    yield


@asynccontextmanager
async def refused(system: System) -> AsyncIterator[None]:
    """Every copy is refused, as by a stream whose files cannot be written."""
    arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-max-length": 0, "x-overflow": "reject-publish"}
    async with system.channel() as channel:
        full = await channel.declare_queue("full", durable=True, arguments=arguments)
        await full.bind(COPIES.name, "#")
        yield
        await channel.queue_delete("full")


async def test_a_broker_that_closes_the_connection_over_the_log_gets_all_other_topology(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = broker.new_vhost(name := f"log-{uuid.uuid4().hex[:8]}")

    class Closing(ShieldedConnection):
        def channel(self, *_args: Any, **_named: Any) -> AbstractChannel:
            raise ConnectionInternalError("INTERNAL_ERROR - coordinator_unavailable")

    async def closing(url: str, _name: str, *, timeout: float) -> AbstractConnection:  # noqa: ASYNC109
        return await connect(url, timeout=timeout, connection_class=Closing)

    monkeypatch.setattr(declaring, "connection_for_tools", closing)

    await declare_topology(url)

    async with await connect(url) as connection:
        await verify_topology(connection)  # type: ignore[arg-type]
    broker.drop_vhost(name)


@pytest.mark.parametrize("broken", [deleted, refused])
async def test_orders_are_paid_while_the_log_cannot_be_written_and_it_is_complete_afterwards(
    own_system: Callable[..., Any], broken: Callable[[System], Any]
) -> None:
    system: System = await own_system()
    guest = system.guest()

    async with broken(system):
        order_id = (await guest.order())["order_id"]
        body(await system.pay(await guest.session(order_id)), 200)
        await guest.sees(order_id, status="confirmed", payment_status="paid")
        for part in (each for each in SERVICES if each not in (NOTIFICATIONS, WEBHOOKS)):  # which publish nothing here
            await until(partial(is_unwritten, system, part), f"{part} says that the log is not written")
        said = (await problems(system, EXTRAS))["log"]
        for _ in range(100):  # longer than the second after which the log is tried again
            assert "log" in await problems(system, EXTRAS)
        ready = (await system.operator(EXTRAS, "/health/ready")).status_code

    await declare_topology(system.setup.amqp_url)
    for part in SERVICES:
        await until(partial(recovered, system, part), f"{part} writes the log again")
    assert said.startswith("the message log is not written (")
    assert said.endswith("Orders go on without it.")
    assert ready == 200

    async def is_logged() -> bool:
        return {"orders.place-order.v1", "orders.order-confirmed.v1"} <= (await system.log_of(order_id)).keys()

    await until(is_logged, "what waited is in the log")


async def test_what_is_too_much_to_wait_for_the_log_is_missed_and_the_log_says_so_itself(
    own_system: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_log, "_CAPACITY", 1)
    system: System = await own_system()
    guest = system.guest()

    async with refused(system):
        for _ in range(5):
            await guest.order()
        await until(lambda: missed(system), "copies are missed")
    await until(lambda: recovered(system, EXTRAS), "the log is written again")

    reported = await until(lambda: gaps(system), "the log says what it misses")
    assert {gap.service for gap in reported} <= {"extras-service", "gateway"}
    for gap in reported:
        part = gap.service.replace("-", "_")
        assert await system.counted(part, "bellhop_log_copies", outcome="missed") >= gap.count > 0


async def is_unwritten(system: System, part: str) -> bool:
    return "log" in await problems(system, part)


async def test_what_waits_for_a_log_that_never_answers_is_bounded_and_never_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(message_log, "_CAPACITY", 10)
    metrics = Metrics("test")
    silent = await asyncio.start_server(lambda _reader, _writer: asyncio.sleep(3600), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    log = MessageLog(f"amqp://guest:guest@127.0.0.1:{port}/", "test", metrics)

    log.start()
    for number in range(25):
        log.copy(copy_of(number))

    count = metrics.registry.get_sample_value
    assert count("bellhop_log_copies_waiting", {"service": "test"}) == 10
    assert count("bellhop_log_copies_total", {"service": "test", "outcome": "missed"}) == 15
    await log.stop()
    silent.close()


async def test_the_log_is_tried_again_after_the_client_library_has_cancelled_a_call_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = asyncio.Semaphore(0)
    log = MessageLog("amqp://guest:guest@127.0.0.1:1/", "test", Metrics("test"))

    async def given_up(*_args: object, **_named: object) -> AbstractConnection:
        tries.release()
        raise asyncio.CancelledError

    monkeypatch.setattr(message_log, "connection_for_tools", given_up)
    monkeypatch.setattr(message_log, "_TRY_AGAIN_AFTER", 0.0)

    log.start()
    async with asyncio.timeout(PATIENCE):
        for _ in range(3):
            await tries.acquire()

    assert "gave the connection up" in (await log.check() or "")
    await log.stop()


async def test_a_log_that_is_stopped_at_any_moment_of_its_start_ends(broker: Broker) -> None:
    for steps in range(40):
        log = MessageLog(broker.url, "test", Metrics("test"))
        log.start()
        for _ in range(steps * 3):
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE):
            await log.stop()


def copy_of(number: int) -> Copy:
    text = json.dumps({"number": number}).encode()
    return Copy(FAILURES, "orders.place-order.v1", text, f"m-{number}", "c", {}, datetime.now(UTC))
