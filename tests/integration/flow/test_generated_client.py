"""Clients that others generate from the OpenAPI document, on a running gateway."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.support.guest import Guest
from tests.support.system import GATEWAY, System

CLIENT = Path(__file__).resolve().parents[3] / "tools" / "openapi" / "build" / "cancel.js"


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/json"}], ids=["no body", "a type of no body"])
async def test_an_order_is_cancelled_without_a_body(guest: Guest, headers: dict[str, str]) -> None:
    order = await guest.order()

    answer = await guest.http.post(f"/v1/orders/{order['order_id']}/cancel", headers=headers)

    assert answer.status_code == 200, answer.text


async def test_a_generated_client_cancels_with_a_body_and_without(system: System, guest: Guest) -> None:
    node = shutil.which("node")
    if node is None or not CLIENT.exists():
        pytest.skip("NOT TESTED: a generated client, for it is not built. Run `make openapi`, which needs node.")
    order = await guest.order()
    token = guest.http.headers["Authorization"].removeprefix("Bearer ")

    running = await asyncio.create_subprocess_exec(
        node, CLIENT, system.parts[GATEWAY].url, token, order["order_id"], stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await running.communicate()

    assert printed.split() == [b"200", b"200"]
