"""Two tabs at once, and a network that goes away: one order, one charge, and the page goes on by itself."""

import asyncio
from time import monotonic
from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import PHONE, Visit
from tests.support.system import ADAPTER, AUTHENTICATION_CARD, EXTRAS, GATEWAY
from tests.support.waiting import until


async def test_two_tabs_share_what_is_chosen_and_order_it_once(visit: Visit) -> None:
    press = "document.getElementById('order')?.click()"
    first = await visit()
    second = await first.another_tab()

    await first.choose(quantity=2)
    await expect(second.page.locator("#alm-breakfast-count-0")).to_have_text("2")
    await asyncio.gather(*(tab.page.evaluate(press) for tab in (first, second)))
    for tab in (first, second):
        await expect(tab.page.locator(".stage, .order").first).to_be_visible()

    assert len(await first.orders_at_the_hotel()) == 1


async def test_what_one_tab_orders_the_other_shows(visit: Visit) -> None:
    first = await visit()
    second = await first.another_tab()

    await first.order()

    await expect(second.orders.first).to_have_attribute("data-status", "pending_payment")
    await expect(second.page.locator("#order")).to_have_count(0)


async def test_what_one_tab_pays_the_other_confirms(visit: Visit) -> None:
    first = await visit()
    order_id = await first.order()
    second = await first.another_tab()
    await second.page.click(f"#pay-{order_id}")
    await second.fill()

    await first.pay()

    await first.confirms()
    await second.confirms()
    await first.was_charged_once(order_id)


async def test_two_tabs_that_pay_at_the_same_moment_charge_once(visit: Visit) -> None:
    first = await visit()
    order_id = await first.order()
    second = await first.another_tab()
    await second.page.click(f"#pay-{order_id}")
    await first.fill()
    await second.fill()

    await asyncio.gather(*(tab.page.evaluate("document.getElementById('pay').click()") for tab in (first, second)))

    await first.confirms()
    await second.confirms()
    await first.was_charged_once(order_id)


async def test_a_tab_that_pays_ends_the_banks_question_in_the_other(visit: Visit) -> None:
    first = await visit()
    order_id = await first.order()
    await first.pay(AUTHENTICATION_CARD)
    await expect(first.page.locator("dialog iframe")).to_be_visible()
    second = await first.another_tab()

    await second.page.click(f"#pay-{order_id}")
    await second.page.click("#other-card")
    await second.pay()

    await second.confirms()
    await expect(first.confirmation).to_be_visible()
    await first.was_charged_once(order_id)


UNCOVERED = """() => [...document.querySelectorAll(".top button, .top a, main a, main button")].filter((one) => {
  const { x, y, width, height } = one.getBoundingClientRect();
  const isSeen = width && y >= 0 && y + height <= innerHeight;
  return isSeen && document.elementFromPoint(x + width / 2, y + height / 2)?.closest(".banner");
}).map((one) => one.outerHTML)"""
WIDE = {"width": 1280, "height": 900}


@pytest.mark.parametrize(("language", "viewport"), [("en", PHONE), ("de", PHONE), ("en", WIDE)])
async def test_what_says_that_there_is_no_network_covers_nothing_to_press(
    visit: Visit, language: str, viewport: Any
) -> None:
    guest = await visit(locale=language, viewport=viewport)
    await guest.order()
    other = {"en": "DE", "de": "EN"}[language]

    await guest.without_a_network()

    await expect(guest.page.locator("#banner")).to_contain_text("offline")
    assert await guest.page.evaluate(UNCOVERED) == []
    await guest.picture(f"16-offline-{language}-{viewport['width']}")
    await guest.page.locator("#languages button", has_text=other).click()
    await expect(guest.page.locator("html")).to_have_attribute("lang", other.lower())
    assert await guest.page.evaluate(UNCOVERED) == []
    await guest.without_a_network(away=False)
    await expect(guest.page.locator("#banner")).to_be_hidden()


async def test_ten_seconds_without_a_network_while_paying_charge_once(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.fill()
    gone = monotonic()

    await guest.without_a_network()
    await guest.page.click("#pay")
    await guest.is_at("checking")
    await expect(guest.page.locator("#banner")).to_contain_text("offline")
    await guest.picture("15-offline-phone", whole=True)
    await until(lambda: monotonic() - gone > 10, "ten seconds are over", within=20)
    await guest.without_a_network(away=False)

    await guest.reads("Nothing was charged")
    await expect(guest.page.locator("#banner")).to_be_hidden()
    await guest.pay()
    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_payment_whose_answer_is_lost_is_confirmed_and_not_tried_again(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.fill()
    confirmed = 0

    async def lose_the_answer(route: Route) -> None:
        nonlocal confirmed
        confirmed += 1
        await route.fetch()
        await route.abort("connectionreset")

    await guest.window.route("**/confirm", lose_the_answer)
    await guest.page.click("#pay")

    await guest.confirms()
    assert confirmed == 1
    await guest.was_charged_once(order_id)


async def test_a_guest_without_a_network_orders_as_soon_as_it_is_back(visit: Visit) -> None:
    guest = await visit()
    await guest.choose(quantity=2)

    await guest.without_a_network()
    await guest.page.click("#order")
    await expect(guest.page.locator("#order-trouble")).to_contain_text("longer than usual")
    await guest.without_a_network(away=False)

    order_id = await guest.at_payment()
    await guest.pay()
    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_network_that_leaves_during_the_confirmation_only_delays_it(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.fill()

    async with guest.system.faults(webhooks={"delay": {"next": 1, "match": "payment_intent.succeeded", "seconds": 1}}):
        await guest.page.click("#pay")
        await guest.is_at("awaiting")
        await guest.picture("16-awaiting-phone")
        await guest.without_a_network()
        await guest.guest.sees(order_id, status="confirmed")
    await guest.without_a_network(away=False)

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_the_stream_alone_tells_of_the_confirmation(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.fill()
    await guest.window.route(f"**/v1/orders/{order_id}", lambda route: route.abort())

    await guest.page.click("#pay")

    await expect(guest.confirmation).to_be_visible()


async def test_where_no_stream_passes_the_order_is_asked_for(visit: Visit) -> None:
    guest = await visit()
    await guest.window.route("**/live", lambda route: route.abort())
    order_id = await guest.order()

    await guest.pay()

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_gateway_that_restarts_in_the_middle_strands_no_guest(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.fill()

    await guest.system.parts[GATEWAY].stop()
    await guest.page.click("#pay")
    await guest.is_at("awaiting")
    await guest.system.parts[GATEWAY].start()

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_an_order_that_is_taken_late_is_placed_once_and_paid(visit: Visit) -> None:
    guest = await visit()
    await guest.choose(quantity=2)

    await guest.system.parts[EXTRAS].stop()
    await guest.page.click("#order")
    await expect(guest.page.locator("#order")).to_have_text("Ordering …")
    await guest.system.parts[EXTRAS].start()

    order_id = await guest.at_payment()
    await guest.pay()
    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_payment_session_that_takes_long_is_waited_for(visit: Visit) -> None:
    guest = await visit()

    await guest.system.parts[ADAPTER].stop()
    order_id = await guest.order()
    await guest.is_at("opening")
    await guest.system.parts[ADAPTER].start()

    await guest.pay()
    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_script_of_the_psp_that_does_not_load_is_said_and_can_be_tried_again(visit: Visit) -> None:
    guest = await visit()
    await guest.window.route("**/v3/", lambda route: route.abort())

    order_id = await guest.order()
    await guest.is_at("trouble")
    await guest.picture("17-no-script-phone")
    await guest.window.unroute("**/v3/")
    await guest.page.click("#again")

    await guest.pay()
    await guest.confirms()
    await guest.was_charged_once(order_id)
