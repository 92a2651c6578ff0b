"""Reload and Back at every step: the guest is never stranded, and never charged twice."""

from playwright.async_api import Route, expect

from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.support.system import AUTHENTICATION_CARD, PROCESSING_CARD
from tests.support.waiting import until


async def the_answer_is_lost(guest: Visitor, address: str) -> list[str]:
    """The next POST to this address arrives, and its answer never does. Returns what arrived."""
    arrived: list[str] = []
    answered: list[str] = []

    async def swallow(route: Route) -> None:
        if route.request.method == "POST" and not arrived:
            arrived.append(route.request.url)
            await route.fetch()
            answered.append(route.request.url)
        else:
            await route.continue_()

    await guest.window.route(address, swallow)
    return answered


async def test_a_reload_keeps_what_was_chosen(visit: Visit) -> None:
    guest = await visit()
    await guest.choose("alm-spa", 2)

    await guest.page.reload()

    await expect(guest.page.locator("#alm-spa-count-0")).to_have_text("2")
    await expect(guest.page.locator("#total")).to_have_text("€90.00")


async def test_a_reload_while_ordering_orders_once(visit: Visit) -> None:
    guest = await visit()
    await guest.choose(quantity=2)
    arrived = await the_answer_is_lost(guest, "**/v1/orders")

    await guest.page.click("#order")
    await until(lambda: arrived, "the order has arrived, and its answer was lost")
    await guest.page.reload()

    order_id = await guest.at_payment()
    await guest.pay()
    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_reload_at_the_card_form_shows_the_same_payment(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.fill()

    await guest.page.reload()
    await guest.pay()

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_reload_while_paying_finds_out_that_it_was_paid(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    arrived = await the_answer_is_lost(guest, "**/confirm")

    await guest.pay()
    await until(lambda: arrived, "the payment has arrived, and its answer was lost")
    await guest.page.reload()

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_reload_in_front_of_the_banks_question_asks_it_again(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.pay(AUTHENTICATION_CARD)
    await expect(guest.page.locator("dialog iframe")).to_be_visible()

    await guest.page.reload()
    await guest.is_at("authenticate")
    await guest.picture("14-authenticate-phone")
    await guest.page.click("#authenticate")
    await guest.answer_the_bank()

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_guest_who_cannot_answer_the_bank_may_use_another_card(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.pay(AUTHENTICATION_CARD)
    await expect(guest.page.locator("dialog iframe")).to_be_visible()

    await guest.page.reload()
    await guest.page.click("#other-card")
    await guest.pay()

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_bank_that_sends_the_guest_back_leads_to_the_confirmation(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.pay(AUTHENTICATION_CARD)
    await expect(guest.page.locator("dialog iframe")).to_be_visible()
    [intent] = await guest.system.intents(order_id)

    query = f"payment_intent={intent['id']}&client_secret={intent['client_secret']}"
    await guest.page.goto(f"{guest.system.sandbox.url}/v3/authenticate?{query}")
    await guest.page.click("#succeed")
    await expect(guest.confirmation).to_be_visible()

    assert "secret" not in guest.page.url
    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_a_reload_while_the_payment_is_processed_waits_on(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.pay(PROCESSING_CARD)
    await guest.is_at("processing")

    await guest.page.reload()
    await guest.is_at("processing")
    [intent] = await guest.system.intents(order_id)
    await guest.system.switch(f"payment_intents/{intent['id']}/settle", {"outcome": "succeed"})

    await guest.confirms()


async def test_the_confirmation_is_reported_on_the_upselling_page_when_the_guest_went_back_there(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.pay(PROCESSING_CARD)
    await guest.is_at("processing")

    await guest.page.go_back()
    await expect(guest.orders.first).to_contain_text("being processed")
    [intent] = await guest.system.intents(order_id)
    await guest.system.switch(f"payment_intents/{intent['id']}/settle", {"outcome": "succeed"})

    await guest.confirms()


async def test_a_reload_at_the_confirmation_confirms_again_until_ok(visit: Visit) -> None:
    guest = await visit()
    await guest.order()
    await guest.pay()
    await expect(guest.confirmation).to_be_visible()

    await guest.page.reload()

    await guest.confirms()
    await guest.page.reload()
    await expect(guest.orders.first).to_have_attribute("data-status", "confirmed")
    await expect(guest.confirmation).to_have_count(0)


async def test_back_from_the_card_form_shows_the_unpaid_order_and_orders_nothing_more(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.fill()

    await guest.page.go_back()
    await expect(guest.orders.first).to_have_attribute("data-status", "pending_payment")
    await expect(guest.page.locator("#order")).to_have_count(0)
    await guest.page.go_forward()
    await guest.pay()

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_back_while_paying_still_confirms(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    arrived = await the_answer_is_lost(guest, "**/confirm")
    await guest.pay()
    await until(lambda: arrived, "the payment has arrived")

    await guest.page.go_back()

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_back_at_the_confirmation_shows_it_once_more_over_the_orders(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.pay()
    await expect(guest.confirmation).to_be_visible()

    await guest.page.go_back()
    await expect(guest.orders.first).to_be_attached()

    await guest.confirms()
    await guest.was_charged_once(order_id)


async def test_back_after_ok_leads_to_no_card_form(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.pay()
    await guest.confirms()

    await guest.page.go_back()
    await expect(guest.page.locator(".extra").first).to_be_visible()
    await guest.page.evaluate(f"location.hash = '/pay/{order_id}'")

    await guest.is_at("paid")
    await expect(guest.page.locator("#pay")).to_have_count(0)
    await guest.was_charged_once(order_id)


async def test_a_guest_who_left_and_comes_back_by_their_link_finds_their_order(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.page.close()

    again = Visitor(guest.window, await guest.window.new_page(), guest.system, guest.guest, guest.pictures)
    await again.open()
    await again.page.click(f"#pay-{order_id}")
    await again.pay()

    await again.confirms()
    await again.was_charged_once(order_id)


async def test_a_closed_laptop_wakes_up_to_the_confirmation(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.pay(PROCESSING_CARD)
    await guest.is_at("processing")
    [intent] = await guest.system.intents(order_id)

    laptop = await guest.window.new_cdp_session(guest.page)
    await laptop.send("Page.setWebLifecycleState", {"state": "frozen"})
    await guest.system.switch(f"payment_intents/{intent['id']}/settle", {"outcome": "succeed"})
    await guest.guest.sees(order_id, status="confirmed")
    await laptop.send("Page.setWebLifecycleState", {"state": "active"})

    await guest.confirms()


async def test_a_session_that_ends_while_the_bank_asks_lets_the_guest_answer_first(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.pay(AUTHENTICATION_CARD)
    await expect(guest.page.locator("dialog iframe")).to_be_visible()

    async with guest.page.expect_response(f"**/v1/orders/{order_id}"):
        await guest.window.route(f"**/v1/orders/{order_id}", lambda route: route.fulfill(status=401, json={}))
        await guest.page.evaluate("window.dispatchEvent(new Event('online'))")
    await guest.page.evaluate("new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))")
    meanwhile = await guest.page.locator("h1").inner_text()
    await guest.answer_the_bank()
    await guest.guest.sees(order_id, status="confirmed", payment_status="paid")

    await expect(guest.page.locator("h1")).to_have_text("Your session has ended")
    assert meanwhile == "Payment"
    await guest.was_charged_once(order_id)


async def test_an_order_of_another_guest_is_not_shown(visit: Visit) -> None:
    guest, other = await visit(), await visit()
    order_id = await other.order()

    await guest.page.evaluate(f"location.hash = '/pay/{order_id}'")

    await expect(guest.page.locator("h1")).to_have_text("There is no such order")
