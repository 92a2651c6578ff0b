"""A service is stopped in the middle of its work, as in every rollout: nothing is lost, nothing done twice."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from deploy.local.patience import patient
from tests.integration.flow.test_counted import FLOW
from tests.support.guest import Guest
from tests.support.system import ADAPTER, EXTRAS, GATEWAY, PAYMENTS, System
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parents[3]
ORDERS, AT_ONCE = 30, 6


@asynccontextmanager
async def process_of(
    system: System,
    part: str,
    log: Path,
    run: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Process]:
    """`python -m <part>`, or what is to `run` instead, ready to work; at the end it must be gone."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *(run or (part,)),
            cwd=ROOT,
            env={**os.environ, **system.environment(part), **(environment or {})},
            stdout=output,
            stderr=output,
        )

    async def ready() -> bool:
        assert process.returncode is None, f"{part} ended with {process.returncode}; see {log}"
        try:
            return (await system.operator(part, "/health/ready")).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    try:
        await until(ready, f"{part} is ready", within=60)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), patient(30))


async def confirm_one(system: System, guest: Guest) -> str:
    """A guest who tries again, with the same key, until it works."""
    key = os.urandom(8).hex()
    placed = await until(lambda: done(guest.place(key=key)), "the order is placed", within=60)
    order_id: str = placed["order_id"]
    session = await until(lambda: done(guest.ask_for_session(order_id)), "the session is open", within=60)
    assert (await system.pay(session)).status_code == httpx.codes.OK
    await guest.sees(order_id, status="confirmed", payment_status="paid", within=60)
    return order_id


async def done(asking: Awaitable[httpx.Response]) -> dict[str, str] | None:
    answer = await asking
    assert answer.status_code in (201, 202, 503), answer.text
    return answer.json() if answer.status_code == httpx.codes.CREATED else None


@pytest.mark.parametrize("part", [EXTRAS, PAYMENTS, ADAPTER])
async def test_every_order_is_confirmed_although_a_service_is_asked_to_stop_in_the_middle(
    own_system: Callable[[], Awaitable[System]], tmp_path: Path, part: str
) -> None:
    system = await own_system()
    await system.parts[part].stop()
    guest = system.guest()
    turns = asyncio.Semaphore(AT_ONCE)
    confirmed: list[str] = []

    async def one() -> None:
        async with turns:
            confirmed.append(await confirm_one(system, guest))

    async with process_of(system, part, tmp_path / "first.log") as first:
        orders = asyncio.gather(*(one() for _ in range(ORDERS)))
        await until(lambda: len(confirmed) >= AT_ONCE, "some orders are through and others under way", within=60)
        assert len(confirmed) < ORDERS
        first.send_signal(signal.SIGTERM)
        exit_code = await asyncio.wait_for(first.wait(), patient(30))
        async with process_of(system, part, tmp_path / "second.log"):
            await orders

    # uvicorn passes the signal on once it has stopped in order.
    assert exit_code in (0, -signal.SIGTERM)
    assert len(set(confirmed)) == ORDERS
    for order_id in confirmed:
        log = await system.log_of(order_id, *FLOW)
        assert set(log) == set(FLOW)
        assert log["orders.order-confirmed.v1"] == 1
        assert log["payments.payment-succeeded.v1"] == 1
        assert len(await system.intents(order_id)) == 1
    assert set((await system.parked()).values()) == {0}


async def test_a_gateway_asked_to_stop_answers_the_requests_it_has_and_ends_its_live_streams(
    own_system: Callable[[], Awaitable[System]], tmp_path: Path
) -> None:
    system = await own_system()
    await system.parts[GATEWAY].stop()
    guest = system.guest()

    async def asked() -> bool:
        return system.opening.total > 0

    async with process_of(system, GATEWAY, tmp_path / "gateway.log") as gateway:
        order_id: str = (await guest.order())["order_id"]
        async with guest.watching(order_id) as stream, system.faults(api={"latency_ms": 1500}):
            assert (await anext(stream)).event == "orders.order-state"
            session = asyncio.create_task(guest.ask_for_session(order_id))
            await until(asked, "the PSP is being asked")
            gateway.send_signal(signal.SIGTERM)
            answer = await session
            rest = [event async for event in stream]
        exit_code = await asyncio.wait_for(gateway.wait(), patient(30))

    assert answer.status_code == httpx.codes.CREATED
    assert rest == []
    assert exit_code in (0, -signal.SIGTERM)
