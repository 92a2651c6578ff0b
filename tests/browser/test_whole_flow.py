"""The whole flow in a real browser: choose, order, pay, be confirmed, and see the order on top."""

from urllib.parse import urlsplit

from playwright.async_api import expect

from tests.browser.conftest import Visit


async def test_a_guest_orders_pays_and_finds_the_confirmed_order_on_top(visit: Visit) -> None:
    guest = await visit()
    await guest.picture("1-extras-phone", whole=True)

    await guest.choose("alm-late-checkout")
    await guest.choose("alm-breakfast", 2)
    await guest.page.select_option("#alm-breakfast-day-0", "2038-02-03")
    await guest.page.click("#alm-breakfast-add")
    await expect(guest.page.locator("#total")).to_have_text("€122.00")
    await guest.picture("2-chosen-phone")
    await guest.page.click("#order")
    order_id = await guest.at_payment()
    await guest.fill()
    await guest.picture("3-payment-phone", whole=True)
    await guest.page.click("#pay")
    await expect(guest.confirmation).to_contain_text("€122.00")
    await guest.picture("4-dialog-confirmed-phone")
    await guest.confirms()

    await guest.picture("5-orders-phone", whole=True)
    await guest.was_charged_once(order_id, total=12200)
    [order] = await guest.orders_at_the_hotel()
    assert [(line["extra_id"], line["quantity"], line["day"]) for line in order["lines"]] == [
        ("alm-late-checkout", 1, None),
        ("alm-breakfast", 2, "2038-02-03"),
        ("alm-breakfast", 1, "2038-02-01"),
    ]


async def test_a_guest_picks_a_time_and_sees_it_in_basket_and_order(visit: Visit) -> None:
    guest = await visit()

    await guest.choose("alm-private-spa")
    await guest.page.select_option("#alm-private-spa-day-0", "2038-02-03")
    await guest.page.select_option("#alm-private-spa-slot-0", "17:00")
    await expect(guest.page.locator(".basket-lines")).to_contain_text("3 February, 17:00")
    await guest.picture("2-slot-phone", whole=True)
    await guest.page.click("#order")
    await guest.at_payment()
    await guest.page.click(".way-back a")

    await expect(guest.orders.first).to_contain_text("3 February, 17:00")
    [order] = await guest.orders_at_the_hotel()
    assert [(line["day"], line["slot"]) for line in order["lines"]] == [("2038-02-03", "17:00")]


async def test_the_token_leaves_the_address_at_once_and_stays_with_the_tab(visit: Visit) -> None:
    guest = await visit()

    at_once = guest.page.url
    await guest.page.reload()

    assert "token" not in at_once
    assert await guest.page.evaluate("history.length") <= 2
    await expect(guest.page.locator(".extra").first).to_be_visible()


async def test_without_a_token_the_page_says_where_to_find_the_link(visit: Visit) -> None:
    guest = await visit()

    stranger = await guest.window.browser.new_page()  # type: ignore[union-attr]
    await stranger.goto(guest.link.partition("#")[0])

    await expect(stranger.locator("h1")).to_have_text("Please use your personal link")
    await stranger.screenshot(path=guest.pictures / "6-no-token.png")
    await stranger.close()


async def test_a_token_the_gateway_does_not_take_ends_the_session_kindly(visit: Visit) -> None:
    guest = await visit()

    await guest.page.evaluate("sessionStorage.setItem('bellhop.token', sessionStorage.getItem('bellhop.token') + 'x')")
    await guest.page.reload()

    await expect(guest.page.locator("h1")).to_have_text("Your session has ended")


async def test_an_order_may_be_paid_later_or_cancelled(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()

    await guest.page.click(".way-back a")
    await expect(guest.orders.first).to_have_attribute("data-status", "pending_payment")
    await guest.picture("7-unpaid-phone")
    await guest.page.click(f"#cancel-{order_id}")
    await guest.picture("8-dialog-cancel-phone")
    await guest.page.click("dialog [data-value=cancel]")

    await expect(guest.orders.first).to_have_attribute("data-status", "cancelled")
    await guest.guest.sees(order_id, status="cancelled", payment_status="unpaid")


async def test_a_press_of_a_button_is_not_lost_while_the_orders_are_shown_again(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.page.click(".way-back a")
    button = guest.page.locator(f"#cancel-{order_id}")

    await button.hover()
    await guest.page.mouse.down()
    async with guest.page.expect_response("**/v1/orders"):
        await guest.page.evaluate("window.dispatchEvent(new Event('online'))")
    await guest.page.evaluate("() => new Promise((done) => setTimeout(done))")
    await guest.page.mouse.up()

    await expect(guest.page.locator("dialog [data-value=cancel]")).to_be_visible()


async def test_a_refund_shows_while_the_guest_looks_at_their_orders(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.pay()
    await guest.confirms()

    await guest.page.click(f"#cancel-{order_id}")
    await guest.page.click("dialog [data-value=cancel]")
    await guest.guest.sees(order_id, status="cancelled", payment_status="refunded")
    await guest.page.evaluate("window.dispatchEvent(new Event('online'))")

    await expect(guest.orders.first).to_contain_text("refunded")


async def test_extras_of_two_currencies_are_ordered_one_after_the_other(visit: Visit) -> None:
    guest = await visit()

    await guest.choose("alm-breakfast")
    await guest.choose("alm-lift-gift")
    await guest.page.click("#order", force=True)

    await expect(guest.page.locator("#order-trouble")).to_contain_text("different currencies")
    assert await guest.orders_at_the_hotel() == []


async def test_an_extra_that_is_taken_is_said_in_words_and_another_day_can_be_ordered(visit: Visit) -> None:
    guest = await visit()
    await guest.choose("alm-massage", 2)
    await guest.page.select_option("#alm-massage-day-0", "2038-02-06")
    for _ in range(3):
        other = guest.system.guest()
        await other.order({"extra_id": "alm-massage", "quantity": 2, "day": "2038-02-06"})

    await guest.page.click("#order")
    await expect(guest.page.locator("#order-trouble")).to_contain_text("taken for that day")
    await guest.picture("9-taken-phone")
    await guest.page.select_option("#alm-massage-day-0", "2038-02-07")
    await guest.page.click("#order")

    await guest.at_payment()


async def test_a_double_click_on_order_and_on_pay_does_one_thing(visit: Visit) -> None:
    guest = await visit()
    sent: list[str] = []
    guest.page.on(
        "request", lambda request: sent.append(urlsplit(request.url).path) if request.method == "POST" else None
    )
    await guest.choose(quantity=2)

    await guest.page.evaluate("const order = document.getElementById('order'); order.click(); order.click()")
    order_id = await guest.at_payment()
    await guest.fill()
    await guest.page.evaluate("const pay = document.getElementById('pay'); pay.click(); pay.click(); pay.click()")
    await guest.confirms()

    assert sent.count("/v1/orders") == len(await guest.orders_at_the_hotel()) == 1
    assert len([path for path in sent if path.endswith("/confirm")]) == 1
    await guest.was_charged_once(order_id)
