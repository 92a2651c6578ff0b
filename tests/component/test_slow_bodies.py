"""Senders that begin a body and do not end it: the genuine sender gets through beside several hundred of them."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

import httpx
import pytest
import structlog
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette

from chassis.runtime.settings import ServiceSettings
from chassis.web.http_server import config_of
from tests.component.test_webhook_under_attack import Door, event, signed
from tests.support.waiting import until

log = structlog.get_logger()

SLOW = 400
"""More than were read at once when a count alone was the limit (256)."""
GENUINE = 40


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[int]:
    """The endpoint behind the server that every service has; its port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(config_of(app, ServiceSettings(amqp_url=SecretStr("amqp://localhost"))))
    task = asyncio.create_task(server._serve([listener]))
    await until(lambda: server.started, "the server has started")
    yield int(listener.getsockname()[1])
    server.should_exit = True
    await task


async def slow(port: int, address: str) -> asyncio.StreamWriter:
    """Announce a body under a signature that looks right, and send 100 bytes of it."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    forged = f"t={int(time.time())},v1={'0' * 64}"
    writer.write(
        f"POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nStripe-Signature: {forged}\r\n"
        f"Content-Length: 200000\r\n\r\n{'x' * 100}".encode()
    )
    await writer.drain()
    return writer


async def genuine(port: int) -> list[tuple[int, float]]:
    """Status and milliseconds of each of Stripe's requests, four at a time."""

    async def post(http: httpx.AsyncClient) -> tuple[int, float]:
        began = time.perf_counter()
        answer = await http.post("/webhooks/stripe", content=event(), headers={"Stripe-Signature": signed(event())})
        return answer.status_code, (time.perf_counter() - began) * 1000

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        answers = []
        for _ in range(GENUINE // 4):
            answers += await asyncio.gather(*(post(http) for _ in range(4)))
        return answers


def figures(answers: list[tuple[int, float]]) -> dict[str, float]:
    """For docs/security.md; `pytest -s` shows them."""
    times = [ms for _, ms in answers]
    through = sum(status == 200 for status, _ in answers)
    return {"through": through, "of": len(answers), "median_ms": round(median(times)), "slowest_ms": round(max(times))}


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["127.0.0.2"], [f"127.0.1.{number}" for number in range(200)]],
    ids=["of its own address", "of one address", "of 200 addresses"],
)
async def test_the_genuine_sender_gets_through_beside_slow_ones(addresses: list[str]) -> None:
    door = Door()

    async with door.bench.running(), serving(door.app) as port:
        alone = await genuine(port)
        writers = [await slow(port, addresses[number % len(addresses)]) for number in range(SLOW)]
        beside = await genuine(port)
        for writer in writers:
            writer.close()

    log.info("senders.alone", **figures(alone))
    log.info("senders.beside_slow_ones", slow=SLOW, addresses=len(addresses), **figures(beside))
    assert [status for status, _ in beside] == [200] * GENUINE
