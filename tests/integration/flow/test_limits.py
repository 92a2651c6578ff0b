"""The gateway's limits over real sockets and a real broker."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.support.guest import problem
from tests.support.system import EXTRAS, System
from tests.support.waiting import until


async def test_orders_beyond_the_backlog_are_refused_until_it_is_worked_off(own_system: Callable[..., Any]) -> None:
    system: System = await own_system(max_waiting_orders=2, reply_timeout=0.2)
    guest = system.guest()
    await system.parts[EXTRAS].stop()

    async def refused() -> Any:
        answer = await guest.place()
        return answer if answer.status_code != 202 else None

    answer = await until(refused, "an order is refused because others wait")
    waiting = await system.depth("extras.commands")
    again = await guest.place()

    problem(answer, 503, "too-many-orders-waiting")
    assert answer.headers["retry-after"] == "5"
    problem(again, 503, "too-many-orders-waiting")
    assert await system.depth("extras.commands") == waiting

    await system.parts[EXTRAS].start()

    async def taken() -> bool:
        return (await guest.place()).status_code in (201, 202)

    await until(taken, "orders are taken again")


async def test_a_guest_who_asks_too_often_is_refused_and_others_are_not(own_system: Callable[..., Any]) -> None:
    system: System = await own_system(guest_rate="5/day")
    guest, other = system.guest(), system.guest()

    answers = [await guest.http.get("/v1/orders") for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    problem(answers[5], 429, "too-many-requests")
    assert int(answers[5].headers["retry-after"]) > 0
    assert (await other.http.get("/v1/orders")).status_code == 200


async def test_a_live_stream_too_many_is_refused_and_one_that_closes_makes_room(
    own_system: Callable[..., Any],
) -> None:
    system: System = await own_system(max_live_streams=1)
    guest = system.guest()
    order_id = (await guest.order())["order_id"]
    path = f"/v1/orders/{order_id}/live"

    async with guest.watching(order_id) as events:
        assert (await anext(events)).event == "orders.order-state"
        problem(await guest.http.get(path), 429, "too-many-live-streams")

    async def opens() -> bool:
        async with guest.http.stream("GET", path) as answer:
            return answer.status_code == 200

    await until(opens, "the place of the closed stream is free")


async def test_a_body_too_large_is_refused(system: System) -> None:
    guest = system.guest()

    answer = await guest.http.post("/v1/orders", content=b"[" * 70_000, headers={"Idempotency-Key": "k"})

    problem(answer, 413, "body-too-large")


async def test_many_at_once_are_counted_as_many(own_system: Callable[..., Any]) -> None:
    system: System = await own_system(guest_rate="10/day")
    guest = system.guest()

    answers = await asyncio.gather(*(guest.http.get("/v1/orders") for _ in range(25)))

    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429] * 15
