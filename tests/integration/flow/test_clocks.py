"""Services whose machines' clocks are an hour apart: orders, deadlines, webhooks and tokens are as they should be."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.flow.shifted import SHIFT
from tests.integration.flow.test_sigterm import process_of
from tests.support.guest import body
from tests.support.system import ADAPTER, EXTRAS, GATEWAY, PAYMENTS, System
from tests.support.waiting import until

HOUR = 3600
APART = {EXTRAS: -HOUR, PAYMENTS: HOUR, ADAPTER: HOUR, GATEWAY: HOUR}


async def shifted(system: System, stack: AsyncExitStack, folder: Path, shifts: dict[str, int]) -> None:
    """Run parts as processes with wrong clocks instead of in this one. The clocks of sandbox and store are right."""
    for part in shifts:
        await system.parts[part].stop()
    for part, seconds in shifts.items():
        environment = {SHIFT: str(seconds)}
        run = ("tests.integration.flow.shifted", part)
        await stack.enter_async_context(process_of(system, part, folder / f"{part}.log", run, environment))


@pytest.mark.parametrize("sign", [1, -1])
async def test_an_order_is_paid_although_the_services_clocks_are_two_hours_apart(
    own_system: Callable[..., Awaitable[System]], tmp_path: Path, sign: int
) -> None:
    system = await own_system(pay_within=timedelta(minutes=30))
    async with AsyncExitStack() as stack:
        await shifted(system, stack, tmp_path, {part: sign * seconds for part, seconds in APART.items()})
        guest = system.guest()

        order = await guest.order()
        session = body(await guest.ask_for_session(order["order_id"]), 201)
        await system.pay(session)

        await guest.sees(order["order_id"], status="confirmed", payment_status="paid")
        assert await until(system.webhooks_delivered, "every webhook was believed")


async def test_an_instance_an_hour_ahead_expires_no_other_order(
    own_system: Callable[..., Awaitable[System]], tmp_path: Path
) -> None:
    system = await own_system(pay_within=timedelta(minutes=30))
    order = await system.guest().order()  # by the instance whose clock is right

    async with AsyncExitStack() as stack:
        await shifted(system, stack, tmp_path, {EXTRAS: HOUR})
        guest = system.guest()
        await guest.order()  # the other one works, and has swept

    document = await system.document(order["order_id"])
    assert document is not None
    assert document["state"]["status"] == "pending_payment"


async def test_an_order_expires_in_time_although_the_clock_is_an_hour_behind(
    own_system: Callable[..., Awaitable[System]], tmp_path: Path
) -> None:
    system = await own_system(pay_within=timedelta(seconds=2))
    guest = system.guest()
    order = await guest.order()

    async with AsyncExitStack() as stack:
        await shifted(system, stack, tmp_path, {EXTRAS: -HOUR})

        await guest.sees(order["order_id"], status="expired")
