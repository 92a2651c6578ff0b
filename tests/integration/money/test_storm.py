"""A storm: everything goes wrong at once, and afterwards every order is final and every cent accounted for.

60 orders, or as many as BELLHOP_STORM_ORDERS says. Guests pay, are declined first, pay slowly, pay at the last moment,
cancel before and after paying, or leave; some dispute what they paid, and win or lose; they ask for what is scarce in
two quantities under one key. They pay in euros, yen and dinars. Meanwhile webhooks are lost, doubled and reordered, and
the PSP's API fails, repeats stored failures, refuses the key and forgets idempotency keys.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from time import monotonic

import httpx
import pytest

from tests.integration.flow.guest import BREAKFAST, Guest, Json
from tests.integration.flow.system import CATALOGUE, DECLINED_CARD, GOOD_CARD, PROCESSING_CARD, System
from tests.integration.flow.waiting import until
from tests.integration.money.books import Line, all_final, books_of, broken, is_settled, repeated_effects, statuses
from tests.integration.money.desk import Desk, audited, cancel

ORDERS = int(os.environ.get("BELLHOP_STORM_ORDERS", "60"))
AT_ONCE = 24
SEED = 20270201
PAY_WITHIN = timedelta(seconds=15)
CALM = 60.0 + ORDERS / 2
"""Seconds after the last guest until every order must be final."""
SCARCE_DAY, PLACES = "2027-02-04", 6
SCARCE: Json = {"extra_id": "alm-massage", "day": SCARCE_DAY}
KUWAIT = """
  - extra_id: kw-spa
    property_id: kuwait
    category: spa
    name: {en: Spa}
    unit_price: {amount: 4800, currency: KWD}
    max_quantity: 1
"""
PROPERTIES: Mapping[str, tuple[str, Json]] = {
    "alpenhof": ("EUR", BREAKFAST),
    "kamogawa": ("JPY", BREAKFAST | {"extra_id": "kyo-breakfast"}),
    "kuwait": ("KWD", {"extra_id": "kw-spa", "quantity": 1}),
}
"""What guests order at each property when nothing scarce is left, and its currency: of two, no and three decimals."""
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


@dataclass
class Story:
    """One guest with one order, and what the guest saw happen to the money."""

    system: System
    guest: Guest
    desk: Desk
    order_id: str = ""
    session: Json = field(default_factory=dict)
    paid: bool = False
    given_up: bool = False

    async def order(self) -> None:
        has_scarce = self.guest.property_id == "alpenhof"
        self.order_id = (has_scarce and await self.order_scarce()) or await self.order_plenty()
        self.session = await again(lambda: self.guest.ask_for_session(self.order_id))

    async def order_plenty(self) -> str:
        key = os.urandom(8).hex()
        _, line = PROPERTIES[self.guest.property_id]
        return str((await again(lambda: self.guest.place(line, key=key)))["order_id"])

    async def order_scarce(self) -> str | None:
        """Ask for one and for two of what is scarce, at once and under one key. None when it is sold out."""
        key = os.urandom(8).hex()

        async def decided(quantity: int) -> httpx.Response | None:
            answer = await self.guest.place(SCARCE | {"quantity": quantity}, key=key)
            return answer if answer.status_code in (201, 422) else None

        answers = await asyncio.gather(
            *(until(lambda q=quantity: decided(q), "the order is taken or refused", within=CALM) for quantity in (1, 2))  # type: ignore[misc]
        )
        taken = {str(answer.json()["order_id"]) for answer in answers if answer.is_success}
        return taken.pop() if taken else None

    async def pay(self, card: str = GOOD_CARD) -> None:
        """As Stripe.js does: a lost answer is asked for again, and a PaymentIntent that is paid already is paid."""

        async def attempt() -> str | None:
            try:
                answer = await self.system.pay(self.session, card)
            except httpx.HTTPError:
                return None
            error = answer.json().get("error", {})
            return None if answer.status_code >= 500 else str(error.get("payment_intent", answer.json()).get("status"))

        status = await until(attempt, "the PSP has taken the card or refused it")
        self.paid = status in ("succeeded", "processing")

    async def cancel(self) -> None:
        answer = await answered(lambda: cancel(self.guest, self.order_id), 200, 409)
        # 409: its deadline has passed and its session is being closed; the PSP decides whether it is paid or expired.
        self.given_up = answer.status_code == 200

    # What may happen

    async def pays(self) -> None:
        await self.pay()

    async def is_declined_first(self) -> None:
        await self.pay(DECLINED_CARD)
        await self.pay()

    async def pays_slowly(self) -> None:
        await self.pay(PROCESSING_CARD)

    async def pays_slowly_and_cancels(self) -> None:
        await self.pay(PROCESSING_CARD)
        await self.cancel()

    async def pays_at_the_last_moment(self) -> None:
        # The sweeper needs up to 0.2 s: some are in time, some while the order expires, some too late.
        last = datetime.fromisoformat(self.session["pay_until"]) + timedelta(seconds=random.uniform(0, 0.5))  # noqa: S311
        await until(lambda: datetime.now(UTC) > last, "the last moment has come")
        await self.pay()

    async def cancels(self) -> None:
        await self.cancel()

    async def pays_and_cancels_at_once(self) -> None:
        await asyncio.gather(self.pay(), self.cancel())

    async def pays_and_cancels_later(self) -> None:
        await self.pay()
        await self.guest.sees(self.order_id, status="confirmed", within=CALM)
        await self.cancel()

    async def pays_and_gets_a_part_back(self) -> None:
        await self.pay()
        await self.guest.sees(self.order_id, status="confirmed", within=CALM)
        key = os.urandom(8).hex()
        currency, _ = PROPERTIES[self.guest.property_id]
        await again(lambda: self.desk.refund(self.order_id, 1000, key=key, currency=currency))
        # Not those that a request's own repetitions still need, which the PSP keeps for a day.
        await self.system.switch("idempotency-keys/forget", {"older_than_s": 30})

    async def pays_and_wins_a_dispute(self) -> None:
        await self.dispute("won")
        await self.guest.sees(self.order_id, payment_status="paid", within=CALM)

    async def pays_and_loses_a_dispute(self) -> None:
        await self.dispute("lost")
        await self.guest.sees(self.order_id, payment_status="charged_back", within=CALM)

    async def dispute(self, outcome: str) -> None:
        await self.pay()
        await self.guest.sees(self.order_id, status="confirmed", within=CALM)
        reference = self.session["client_secret"].partition("_secret")[0]
        dispute = await self.system.switch(f"payment_intents/{reference}/dispute")
        await self.guest.sees(self.order_id, payment_status="disputed", within=CALM)
        await self.system.switch(f"disputes/{dispute['id']}/close", {"status": outcome})

    async def leaves(self) -> None:
        self.given_up = True

    # What came of it

    async def wrong(self, books: Mapping[str, list[Line]]) -> str | None:
        order = await self.guest.see(self.order_id)
        return broken(order, books.get(self.order_id, []), paid=self.paid, given_up=self.given_up)


PLOTS: tuple[Callable[[Story], Awaitable[None]], ...] = (
    Story.pays,
    Story.is_declined_first,
    Story.pays_slowly,
    Story.pays_slowly_and_cancels,
    Story.pays_at_the_last_moment,
    Story.cancels,
    Story.pays_and_cancels_at_once,
    Story.pays_and_cancels_later,
    Story.pays_and_gets_a_part_back,
    Story.pays_and_wins_a_dispute,
    Story.pays_and_loses_a_dispute,
    Story.leaves,
)


async def answered(ask: Callable[[], Awaitable[httpx.Response]], *final: int) -> httpx.Response:
    """Ask until there is an answer; every request of a guest is safe to repeat."""

    async def attempt() -> httpx.Response | None:
        answer = await ask()
        assert answer.status_code in (*final, 202, 503), answer.text
        return answer if answer.status_code in final else None

    return await until(attempt, "the gateway has answered", within=CALM)


async def again(ask: Callable[[], Awaitable[httpx.Response]]) -> Json:
    """As `answered`, for a request that must succeed."""
    return dict((await answered(ask, 200, 201)).json())


@pytest.mark.timeout(180 + 3 * ORDERS)
async def test_after_a_storm_every_order_is_final_and_every_cent_accounted_for(
    own_system: Callable[..., Awaitable[System]], tmp_path: Path
) -> None:
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(CATALOGUE.read_text() + KUWAIT)
    system = await own_system(
        catalogue=catalogue,
        pay_within=PAY_WITHIN,
        poll_pace=0.005,
        psp_sweep_every=timedelta(seconds=10),
        settle_after=2.0,
    )
    desks = {property_id: Desk.of(system, property_id) for property_id in PROPERTIES}
    turns = asyncio.Semaphore(AT_ONCE)
    plots = [PLOTS[number % len(PLOTS)] for number in range(ORDERS)]
    random.Random(SEED).shuffle(plots)  # noqa: S311 - chance for a test, not for a secret

    async def live(plot: Callable[[Story], Awaitable[None]], property_id: str) -> Story:
        async with turns:
            story = Story(system, system.guest(property_id), desks[property_id])
            await story.order()
            await plot(story)
            return story

    started = monotonic()
    async with system.faults(**STORM):
        stories = await asyncio.gather(*map(live, plots, cycle(PROPERTIES)))
        guests_done = monotonic()
        await until(lambda: all_final(system), "every order is final", within=CALM)
    all_done = monotonic()

    await until(lambda: is_settled(system), "every refund has settled and nothing is under way", within=CALM)
    weather = (await system.switch("state", method="GET"))["webhooks"]
    print(  # noqa: T201 - the figures are half of what a storm is for
        f"{ORDERS} orders, guests {guests_done - started:.1f} s, final after {all_done - started:.1f} s, "
        f"{await statuses(system)}, webhooks {weather}"
    )
    assert min(weather["dropped"], weather["duplicated"], weather["reordered"]) > 0, "there was no storm"
    assert await system.order_count() == len({story.order_id for story in stories}) == ORDERS
    books = await books_of(system)
    wrong = [problem for story in stories if (problem := await story.wrong(books))]
    assert wrong == []
    assert (await audited(system)).findings == ()
    assert await repeated_effects(system) == {}
    await until(lambda: only_sold_places_are_held(system), "no place is held that is not sold", within=CALM)
    assert await system.parked() == {"extras.dead": 0, "payments.dead": 0, "psp.dead": 0}


async def only_sold_places_are_held(system: System) -> bool:
    """Never more than there are, and of those only what confirmed orders have."""
    held: Counter[str] = Counter()
    async for day in system.documents["stock"].find({"state.day": SCARCE_DAY}):
        for hold in day["state"]["holds"]:
            held[hold["order_id"]] += hold["quantity"]
    assert held.total() <= PLACES
    sold: Counter[str] = Counter()
    async for order in system.documents["orders"].find({"state.status": "confirmed"}):
        scarce = [line for line in order["state"]["lines"] if line["extra_id"] == SCARCE["extra_id"]]
        sold[order["_id"]] += sum(line["quantity"] for line in scarce)
    return held == +sold
