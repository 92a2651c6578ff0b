"""One Idempotency-Key sent with two bodies at once: one order, its places and no others."""

import asyncio
from datetime import date

from contracts.ids import ExtraId
from extras_service.stock.state import stock_id
from tests.support.desk import cancel
from tests.support.guest import Json, body
from tests.support.system import System
from tests.support.waiting import until

MASSAGE = ExtraId("alm-massage")
LATER_STAY = {"stay_from": "2038-03-01", "stay_to": "2038-03-08"}
"""Days that no other test of this system uses."""

ROUNDS = 8
"""Which of the two is first is chance."""


def massage(day: str, quantity: int = 1) -> Json:
    return {"extra_id": MASSAGE, "quantity": quantity, "day": day}


async def held(system: System, day: str) -> dict[str, int]:
    """Places held or sold on a day, by order."""
    stock = await system.documents["stock"].find_one({"_id": stock_id(MASSAGE, date.fromisoformat(day))})
    found: dict[str, int] = {}
    for hold in stock["state"]["holds"] if stock else ():
        found[hold["order_id"]] = found.get(hold["order_id"], 0) + hold["quantity"]
    return found


async def test_two_quantities_under_one_key_hold_what_the_one_order_has(system: System) -> None:
    day = "2038-03-01"
    for number in range(ROUNDS):
        guest = system.guest(**LATER_STAY)

        answers = await asyncio.gather(
            *(guest.place(massage(day, quantity), key=f"two-quantities-{number}") for quantity in (1, 2))
        )

        [order] = [body(answer, 201) for answer in answers if answer.is_success]
        ordered = order["lines"][0]["quantity"]

        async def as_ordered(order_id: str = order["order_id"], ordered: int = ordered) -> bool:
            return (await held(system, day)).get(order_id) == ordered

        await until(as_ordered, "the day holds what the order has, and no more")
        body(await cancel(guest, order["order_id"]), 200)


async def test_two_days_under_one_key_block_only_the_ordered_day(system: System) -> None:
    days = ("2038-03-02", "2038-03-03")
    for number in range(ROUNDS):
        guest = system.guest(**LATER_STAY)

        answers = await asyncio.gather(*(guest.place(massage(day, 2), key=f"two-days-{number}") for day in days))

        [order] = [body(answer, 201) for answer in answers if answer.is_success]
        [other] = [day for day in days if day != order["lines"][0]["day"]]

        async def is_free(order_id: str = order["order_id"], day: str = other) -> bool:
            return order_id not in await held(system, day)

        await until(is_free, "the day that was not ordered is free again", within=10)
        assert (await held(system, order["lines"][0]["day"]))[order["order_id"]] == 2
        body(await cancel(guest, order["order_id"]), 200)
