"""What guests of the storm do, and what comes of it: one story for each order."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx

from tests.support.books import Line, broken
from tests.support.desk import Desk, cancel
from tests.support.guest import BREAKFAST, Guest, Json
from tests.support.system import DECLINED_CARD, GOOD_CARD, PROCESSING_CARD, REFUND_FAILS_CARD, System
from tests.support.waiting import until

CALM = 90.0
"""Seconds after which a guest must see what has come of a step, and after the last guest every order must be final."""
PART = 1000
"""Minor units that are refunded or disputed, of an order that costs more at every property."""
SCARCE_DAY = "2038-02-04"
SCARCE: Json = {"extra_id": "alm-massage", "day": SCARCE_DAY}
PROPERTIES: Mapping[str, tuple[str, Json]] = {
    "alpenhof": ("EUR", BREAKFAST),
    "kamogawa": ("JPY", BREAKFAST | {"extra_id": "kyo-breakfast"}),
    "kuwait": ("KWD", {"extra_id": "kw-spa", "quantity": 1}),
}
"""What guests order at each property when nothing scarce is left, and its currency: of two, no and three decimals."""


class TooLateError(Exception):
    """The order was closed before the guest could do what the plot says, as on a slow machine: the plot ends there."""


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
    given_back: int = 0
    """Minor units that staff refunded while the order stayed confirmed."""
    outside: int = 0
    """Minor units that staff gave back past the PSP."""
    ends_as: str | None = None
    """The payment status in the end, where the plot decides it."""

    @property
    def currency(self) -> str:
        return PROPERTIES[self.guest.property_id][0]

    @property
    def reference(self) -> str:
        """The PaymentIntent of the session."""
        return str(self.session["client_secret"]).partition("_secret")[0]

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
        await self.pays_and_is_confirmed()
        await self.cancel()

    async def pays_and_gets_a_part_back(self) -> None:
        await self.pays_and_is_confirmed()
        await self.refund_part()
        self.given_back = PART
        # Not those that a request's own repetitions still need, which the PSP keeps for a day.
        await self.system.switch("idempotency-keys/forget", {"older_than_s": 30})

    async def pays_and_hears_later_that_the_part_did_not_come(self) -> None:
        await self.pays_and_is_confirmed(REFUND_FAILS_CARD)
        await self.refund_part()
        refund = await until(self.troubled_refund, "staff see that the refund has failed", within=CALM)
        settle = partial(self.desk.settle_outside, self.order_id, refund["refund_id"], PART, currency=self.currency)
        await answered(settle, 200, 409)
        self.ends_as = "paid"

    async def pays_and_cancels_and_the_refund_fails(self) -> None:
        await self.pays_and_is_confirmed(REFUND_FAILS_CARD)
        await self.cancel()
        order = await self.guest.sees(self.order_id, status="needs_review", within=CALM)
        self.outside = order["total"]["amount"]
        settle = partial(self.desk.resolve, self.order_id, "settled-outside", self.outside, currency=self.currency)
        await answered(settle, 200, 409)

    async def pays_and_wins_a_dispute(self) -> None:
        await self.dispute("won")
        self.ends_as = "paid"

    async def pays_and_loses_a_dispute(self) -> None:
        await self.dispute("under_review", "lost")
        self.ends_as = "charged_back"

    async def pays_and_wins_by_appeal(self) -> None:
        await self.dispute("lost", "appeal_needs_response", "appeal_under_review", "won", amount=PART)
        self.ends_as = "paid"

    async def pays_and_loses_by_appeal(self) -> None:
        await self.dispute("won", "appeal_needs_response", "lost", amount=PART)
        self.ends_as = "charged_back"

    async def pays_and_leaves_a_dispute_unanswered(self) -> None:
        await self.dispute()
        self.ends_as = "charged_back"  # when its time is over

    async def loses_a_part_and_cancels(self) -> None:
        await self.dispute("lost", amount=PART)
        await self.guest.sees(self.order_id, payment_status="charged_back", within=CALM)
        await answered(lambda: self.desk.cancel(self.order_id), 200)
        self.given_up = True

    async def is_inquired_about(self) -> None:
        await self.dispute("warning_under_review", "warning_closed", begins_as="warning_needs_response")
        self.ends_as = "paid"

    async def is_refunded_while_inquired_about(self) -> None:
        inquiry = await self.dispute(begins_as="warning_needs_response")
        order = await self.guest.see(self.order_id)
        await self.refund(None)
        self.given_back = order["total"]["amount"]
        await self.system.switch(f"disputes/{inquiry['id']}/status", {"status": "warning_closed"})
        self.ends_as = "refunded"

    async def dispute(self, *steps: str, amount: int | None = None, begins_as: str = "needs_response") -> Json:
        """Pay, and the bank takes these steps, however late the hotel hears of them."""
        await self.pays_and_is_confirmed()
        how = {"amount": amount, "status": begins_as}
        dispute = await self.system.switch(f"payment_intents/{self.reference}/dispute", how)
        for status in steps:
            await self.system.switch(f"disputes/{dispute['id']}/status", {"status": status})
        return dispute

    async def pays_a_voucher_after_the_usual_deadline(self) -> None:
        usual = datetime.fromisoformat(self.session["pay_until"])
        await self.take_voucher()
        await until(lambda: datetime.now(UTC) > usual + timedelta(seconds=2), "the usual deadline has passed")
        await self.system.switch(f"payment_intents/{self.reference}/pay")
        self.paid = True

    async def lets_a_voucher_expire_and_pays_by_card(self) -> None:
        await self.take_voucher()
        await self.system.switch(f"payment_intents/{self.reference}/expire")
        await self.pay()

    async def lets_a_voucher_expire_and_leaves(self) -> None:
        await self.take_voucher()
        await self.system.switch(f"payment_intents/{self.reference}/expire")
        self.given_up = True

    async def take_voucher(self) -> None:
        """Returns when the order waits for as long as the voucher can be paid."""

        async def waits() -> bool:
            answer = await self.guest.look(self.order_id)
            if not answer.is_success:
                return False
            order = answer.json()
            if order["status"] != "pending_payment":
                self.given_up = True
                raise TooLateError
            pay_until = order["pay_until"]
            return bool(pay_until) and datetime.fromisoformat(pay_until) > datetime.now(UTC) + timedelta(days=2)

        async def shown() -> bool:
            with suppress(httpx.HTTPError):
                answer = await self.system.show_voucher(self.session, "oxxo")
                return answer.is_success or await waits()
            return False

        await until(shown, "the guest has a voucher")
        await until(waits, "the order waits for the voucher", within=CALM)

    async def pays_and_is_confirmed(self, card: str = GOOD_CARD) -> None:
        await self.pay(card)
        if not self.paid:
            raise TooLateError
        await self.guest.sees(self.order_id, status="confirmed", within=CALM)

    async def refund_part(self) -> None:
        await self.refund(PART)

    async def refund(self, amount: int | None) -> None:
        key = os.urandom(8).hex()
        await again(lambda: self.desk.refund(self.order_id, amount, key=key, currency=self.currency))

    async def troubled_refund(self) -> Json | None:
        answer = await self.desk.look(self.order_id)
        refunds: list[Json] = answer.json()["refunds"] if answer.is_success else []
        return next((refund for refund in refunds if refund["needs_attention"]), None)

    async def leaves(self) -> None:
        self.given_up = True

    # What came of it

    async def wrong(self, books: Mapping[str, list[Line]]) -> str | None:
        order = await self.guest.see(self.order_id)
        if self.ends_as not in (None, order["payment_status"]):
            return f"{self.order_id} ends as {order['payment_status']} instead of {self.ends_as}"
        return broken(
            order,
            books.get(self.order_id, []),
            paid=self.paid,
            given_up=self.given_up,
            given_back=(self.given_back,),
            outside=self.outside,
        )


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
    Story.pays_and_hears_later_that_the_part_did_not_come,
    Story.pays_and_cancels_and_the_refund_fails,
    Story.pays_and_loses_a_dispute,
    Story.pays_and_wins_by_appeal,
    Story.pays_and_loses_by_appeal,
    Story.pays_and_leaves_a_dispute_unanswered,
    Story.loses_a_part_and_cancels,
    Story.is_inquired_about,
    Story.is_refunded_while_inquired_about,
    Story.pays_a_voucher_after_the_usual_deadline,
    Story.lets_a_voucher_expire_and_pays_by_card,
    Story.lets_a_voucher_expire_and_leaves,
    Story.leaves,
)

WAITING = (
    Story.pays_at_the_last_moment,
    Story.pays_a_voucher_after_the_usual_deadline,
    Story.lets_a_voucher_expire_and_leaves,
    Story.leaves,
)
"""Plots that end no sooner than a deadline of the order."""


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
