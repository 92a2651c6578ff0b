"""A storm: everything goes wrong at once, and afterwards every order is final and every cent accounted for.

Two orders for each plot of `stories.py`, or as many as BELLHOP_STORM_ORDERS says. Guests pay, are declined first,
pay slowly, pay at the last moment, cancel before and after paying, or leave; they pay vouchers late or let them expire;
some dispute what they paid, or a part of it, and win, lose and appeal; banks inquire; refunds fail after they seemed to
have succeeded. They ask for what is scarce in two quantities under one key. They pay in euros, yen and dinars.
Meanwhile webhooks are lost, doubled and reordered, and from the middle on are thin events; the PSP's API fails, repeats
stored failures, refuses the key and forgets idempotency keys. In the end the PSP's clock is set a week forward, so that
the disputes without an answer are lost.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from itertools import count, cycle
from pathlib import Path
from time import monotonic

import pytest

from deploy.local.patience import patient
from tests.integration.money.stories import CALM, PLOTS, PROPERTIES, SCARCE, SCARCE_DAY, WAITING, Story, TooLateError
from tests.support.books import all_final, is_settled, ledger_lines, repeated_effects, statuses
from tests.support.desk import Desk, is_clean
from tests.support.guest import Json
from tests.support.system import CATALOGUE, WEBHOOK_SECRET, System
from tests.support.waiting import until

ORDERS = int(os.environ.get("BELLHOP_STORM_ORDERS", str(2 * len(PLOTS))))
AT_ONCE = 32
SEED = int(os.environ.get("BELLHOP_STORM_SEED", "20270201"))
PAY_WITHIN = 15.0
"""Seconds on an idle machine; guests on a busy one get more."""
PLACES = 6
KUWAIT = """
  - extra_id: kw-spa
    property_id: kuwait
    category: spa
    name: {en: Spa}
    unit_price: {amount: 4800, currency: KWD}
    max_quantity: 1
"""
STORM: Json = {
    "webhooks": {
        "drop": {"probability": 0.1},
        "duplicate": {"probability": 0.2},
        "reorder": {"probability": 0.2, "seconds": 0.3},
    },
    "api": {
        "fail_500": {"probability": 0.03},
        "keep_500": {"probability": 0.02},
        "fail_401": {"probability": 0.01},
        "close_after_effect": {"probability": 0.02},
    },
    "seed": SEED,
}


@pytest.mark.timeout(180 + 3 * ORDERS)
async def test_after_a_storm_every_order_is_final_and_every_cent_accounted_for(
    own_system: Callable[..., Awaitable[System]], tmp_path: Path
) -> None:
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(CATALOGUE.read_text() + KUWAIT)
    system = await own_system(
        catalogue=catalogue,
        pay_within=timedelta(seconds=patient(PAY_WITHIN)),
        poll_interval_factor=0.005,
        psp_sweep_every=timedelta(seconds=10),
        settle_after=2.0,
    )
    desks = {property_id: Desk.of(system, property_id) for property_id in PROPERTIES}
    turns = asyncio.Semaphore(AT_ONCE)
    plots = [PLOTS[number % len(PLOTS)] for number in range(ORDERS)]
    random.Random(SEED).shuffle(plots)  # noqa: S311 - chance for a test, not for a secret
    plots.sort(key=lambda plot: plot not in WAITING)  # those that wait for a deadline begin first

    begun, finished = count(1), 0

    async def live(plot: Callable[[Story], Awaitable[None]], property_id: str) -> Story:
        nonlocal finished
        async with turns:
            if next(begun) == ORDERS // 2:
                await send_thin_events(system)
            story = Story(system, system.guest(property_id), desks[property_id])
            await story.order()
            with suppress(TooLateError):
                await plot(story)
                finished += 1
            return story

    started = monotonic()
    async with system.faults(**STORM):
        stories = await asyncio.gather(*map(live, plots, cycle(PROPERTIES)))
        guests_done = monotonic()
        await until(lambda: all_final(system), "every order is final", within=CALM)
    all_done = monotonic()

    await until(lambda: is_settled(system), "every refund has settled and nothing is under way", within=CALM)
    await system.advance_psp_clock(timedelta(days=8))
    await until(lambda: is_settled(system), "the webhooks about lost disputes have come", within=CALM)
    await is_clean(system)
    psp = await system.switch("state", method="GET")
    weather = psp["webhooks"]
    print(  # noqa: T201 - the figures are half of what a storm is for
        f"{ORDERS} orders, {finished} plots to their end, guests {guests_done - started:.1f} s, "
        f"final after {all_done - started:.1f} s, clean after {monotonic() - started:.1f} s, {await statuses(system)}, "
        f"refunds {psp['refunds']}, disputes {psp['disputes']}, webhooks {weather}"
    )
    assert min(weather["dropped"], weather["duplicated"], weather["reordered"]) > 0, "there was no storm"
    assert await system.order_count() == len({story.order_id for story in stories}) == ORDERS
    books = await ledger_lines(system)
    wrong = [problem for story in stories if (problem := await story.wrong(books))]
    assert wrong == []
    assert await repeated_effects(system) == {}
    await until(lambda: only_sold_places_are_held(system), "no place is held that is not sold", within=CALM)


async def send_thin_events(system: System) -> None:
    """Change the PSP's endpoint, as when a hotel moves to event destinations while guests pay."""
    endpoint = {"url": system.webhook_url, "secret": WEBHOOK_SECRET, "payload": "thin"}
    await system.switch("webhook-endpoint", endpoint)


async def only_sold_places_are_held(system: System) -> bool:
    """Never more than there are, and of those only what confirmed orders have."""
    held: Counter[str] = Counter()
    async for day in system.documents["stock"].find({"state.day": SCARCE_DAY}):
        for hold in day["state"]["holds"]:
            held[hold["order_id"]] += hold["quantity"]
    assert held.total() <= PLACES
    assert await system.documents["orders"].find_one({"state.lines.extra_id": SCARCE["extra_id"]}), "nothing was scarce"
    sold: Counter[str] = Counter()
    async for order in system.documents["orders"].find({"state.status": "confirmed"}):
        scarce = [line for line in order["state"]["lines"] if line["extra_id"] == SCARCE["extra_id"]]
        sold[order["_id"]] += sum(line["quantity"] for line in scarce)
    return held == +sold
