"""Every card of the sandbox, as the guest meets it on the payment page."""

from datetime import timedelta

from playwright.async_api import expect

from stripe_sandbox.cards import CARDS
from tests.browser.conftest import Visit
from tests.support.fixtures import MakeSystem
from tests.support.system import (
    AUTHENTICATION_CARD,
    PROCESSING_CARD,
    PROCESSING_THEN_FAILING_CARD,
)

TAKEN = ("succeeds", "disputed", "slow_refund", "failing_refund")
DECLINED = {
    "generic_decline": "was declined",
    "insufficient_funds": "balance does not suffice",
    "expired_card": "has expired",
    "incorrect_cvc": "security code",
    "processing_error": "could not be reached",
}
SPECIAL = ("authenticates", "processes", "processes_fails")


def test_every_card_of_the_sandbox_is_tried_here() -> None:
    assert {card.behaviour for card in CARDS} == {*TAKEN, *DECLINED, *SPECIAL}


async def test_each_good_card_is_confirmed(visit: Visit) -> None:
    guest = await visit()

    for card in CARDS:
        if card.behaviour in TAKEN:
            order_id = await guest.order()
            await guest.fill(card.number)
            await guest.card.locator("#cvc").fill("1234" if card.brand == "amex" else "123")
            await guest.page.click("#pay")
            await guest.confirms()
            await guest.was_charged_once(order_id)

    assert len(await guest.orders_at_the_hotel()) == len([card for card in CARDS if card.behaviour in TAKEN])


async def test_each_declined_card_is_said_in_words_also_after_a_reload_and_a_good_one_pays_after_all(
    visit: Visit,
) -> None:
    guest = await visit()
    order_id = await guest.order()

    for card in CARDS:
        if card.behaviour in DECLINED:
            await guest.pay(card.number)
            await guest.reads(DECLINED[card.behaviour])
    await guest.picture("10-declined-phone", whole=True)
    await guest.page.reload()
    await guest.reads(DECLINED["processing_error"])
    await guest.pay()

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_what_is_missing_in_the_card_form_is_said_there_and_nothing_is_sent(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await expect(guest.page.locator("#card-form[data-ready]")).to_be_visible()

    await guest.page.click("#pay")
    await expect(guest.card.locator("#number-error")).to_contain_text("incomplete")

    assert [intent["status"] for intent in await guest.system.intents(order_id)] == ["requires_payment_method"]
    await guest.pay()
    await guest.confirms()


async def test_the_bank_asks_and_the_guest_answers(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()

    await guest.pay(AUTHENTICATION_CARD)
    await guest.answer_the_bank()

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_guest_the_bank_does_not_recognise_may_use_another_card(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()

    await guest.pay(AUTHENTICATION_CARD)
    await guest.answer_the_bank("fail")
    await guest.reads("could not confirm that it is you")
    await guest.pay()

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_payment_that_takes_its_time_is_confirmed_when_the_money_has_come(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()

    await guest.pay(PROCESSING_CARD)
    await guest.is_at("processing")
    await guest.picture("11-processing-phone")
    [intent] = await guest.system.intents(order_id)
    await guest.system.switch(f"payment_intents/{intent['id']}/settle", {"outcome": "succeed"})

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_payment_that_fails_in_the_end_lets_the_guest_try_another_card(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()

    await guest.pay(PROCESSING_THEN_FAILING_CARD)
    await guest.is_at("processing")
    [intent] = await guest.system.intents(order_id)
    await guest.system.switch(f"payment_intents/{intent['id']}/settle", {"outcome": "fail"})
    await guest.reads("was declined")
    await guest.pay()

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_session_that_has_expired_says_so_and_offers_the_same_again(
    visit: Visit, own_system: MakeSystem
) -> None:
    system = await own_system(pay_within=timedelta(seconds=2))  # type: ignore[misc]
    guest = await visit(on=system)
    await guest.choose("alm-private-spa")
    await guest.page.select_option("#alm-private-spa-day-0", "2038-02-03")
    await guest.page.select_option("#alm-private-spa-slot-0", "17:00")
    await guest.order()

    await guest.is_at("lapsed")
    await guest.picture("12-lapsed-phone")
    await guest.page.click("#choose-again")

    await expect(guest.page.locator("#alm-breakfast-count-0")).to_have_text("2")
    await expect(guest.page.locator("#alm-private-spa-slot-0")).to_have_value("17:00")
    await expect(guest.orders.first).to_have_attribute("data-status", "expired")
