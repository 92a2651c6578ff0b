"""The desk in a real Chromium: two receptions, one running system, and what they see of each other's work."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from playwright.async_api import Browser, expect

from client import calls
from deploy.local.ports import HOST
from tests.browser.conftest import PHONE
from tests.browser.reception import PICTURES, Receptions
from tests.support.desk import Desk, paid_order, refunds_of
from tests.support.guest import BREAKFAST, LATE_CHECKOUT, body, token
from tests.support.operator import Operator
from tests.support.situations import PLACES, disputed, sold_out_review, taken
from tests.support.system import GATEWAY, System
from tests.support.waiting import until
from tests.support.webhook_receiver import webhook_receiver

BUDGET = 64 * 1024
"""Bytes over the wire: a little more than the guest's page may weigh, for six tabs."""


async def test_an_order_is_seen_live_refunded_in_part_and_fulfilled_by_two_receptions_at_once(
    receptions: Receptions, system: System
) -> None:
    lena, otto = await receptions.opens(), await receptions.opens("reception", "otto", viewport=PHONE, locale="de-DE")
    order_id = await paid_order(system, system.guest())

    await expect(lena.page.locator(f"#row-{order_id} .chip")).to_have_text("confirmed")
    await lena.check("1-orders")
    await otto.check("2-orders-phone-german")
    await lena.sees(order_id)
    await otto.sees(order_id)
    await lena.check("3-order")
    await expect(otto.page.locator("#fulfil")).to_be_visible()
    assert await otto.page.locator("#refund, #cancel").count() == 0  # what the role may not

    await lena.page.click("#refund")
    await expect(lena.page.locator("#effect")).to_contain_text("€48.00 go back to the guest")
    await lena.page.fill("#amount", "100")
    await expect(lena.page.locator("#do")).to_be_disabled()
    await lena.page.fill("#amount", "12,50")
    await expect(lena.page.locator("#effect")).to_contain_text("€12.50 go back to the guest")
    await expect(lena.page.locator("#effect")).to_contain_text("€35.50 of the payment stay")
    await lena.page.fill("#reason", "cold eggs")
    await lena.check("4-refund")
    await lena.page.keyboard.press("Enter")
    await expect(lena.page.locator(".history")).to_contain_text("lena refunded €12.50: cold eggs")
    await expect(otto.page.locator(".sums")).to_contain_text("12,50")

    for each in (lena, otto):
        await each.page.click("#fulfil")
        await expect(each.page.locator("#do")).to_be_visible()
    await lena.page.evaluate("document.querySelector('#do').click()")
    await otto.page.evaluate("document.querySelector('#do').click()")
    for each in (lena, otto):
        await expect(each.page.locator("#fulfil")).to_have_count(0)
        await expect(each.page.locator(".chip.good")).to_be_visible()

    assert [refund["amount"] for refund in await refunds_of(system, order_id)] == [1250]
    seen = await Desk.of(system).sees(order_id)
    assert seen["status"] == "fulfilled"
    assert [action["action"] for action in seen["staff"]["actions"]] == ["fulfilled"]


async def test_one_line_is_fulfilled_and_the_other_refunded(receptions: Receptions, system: System) -> None:
    guest = system.guest()
    order_id = await paid_order(system, guest, BREAKFAST, LATE_CHECKOUT)
    lena = await receptions.opens()
    await lena.sees(order_id)

    await lena.page.click("#fulfil-0")
    await expect(lena.page.locator("#effect")).to_contain_text("has received: Breakfast buffet")
    await lena.page.click("#do")
    await expect(lena.page.locator("tbody tr >> nth=0")).to_contain_text("received")
    await lena.page.click("#refund-1")
    await lena.page.fill("#reason", "left early")
    await lena.page.click("#do")
    await expect(lena.page.locator(".history")).to_contain_text("left early")
    await lena.check("7-line-by-line")

    seen = await Desk.of(system).sees(order_id)
    assert seen["status"] == "confirmed"
    assert [each["line"] for each in seen["staff"]["fulfilled_lines"]] == [0]
    assert [(each["line"], each["amount"]) for each in seen["refunds"]] == [(1, seen["lines"][1]["line_total"])]


async def test_a_refund_whose_answer_is_lost_is_made_once(receptions: Receptions, system: System) -> None:
    lena = await receptions.opens()
    order_id = await paid_order(system, system.guest())
    await lena.sees(order_id)
    lost = 0

    async def lose_the_answer(route: Any) -> None:
        nonlocal lost
        await route.fetch()
        lost += 1
        await route.abort()

    await lena.page.route("**/refunds", lose_the_answer, times=1)
    await lena.page.click("#refund")
    await lena.page.fill("#amount", "10.00")
    await lena.page.fill("#reason", "one towel missing")
    await lena.page.click("#do")
    await expect(lena.page.locator("dialog .trouble")).to_contain_text("it happens only once")
    await lena.page.click("#do")

    await expect(lena.page.locator("dialog")).to_have_count(0)
    assert lost == 1
    await expect(lena.page.locator(".sums")).to_contain_text("€10.00")
    assert [refund["amount"] for refund in await refunds_of(system, order_id)] == [1000]


async def test_the_day_sheet_shows_what_is_due_and_is_made_for_paper(receptions: Receptions, system: System) -> None:
    order_id = await paid_order(system, system.guest())
    desk = await receptions.opens("reception", color_scheme="dark")

    await desk.page.click("#tabs a >> nth=1")
    day = (await Desk.of(system).sees(order_id))["lines"][0]["day"]
    await desk.page.goto(f"{system.parts[GATEWAY].url}/desk#/day/{day}")

    await expect(desk.page.locator(f"a[href='#/order/{order_id}']")).to_be_visible()
    await desk.check("5-day-sheet-dark")
    await desk.page.emulate_media(media="print", color_scheme="light")
    await expect(desk.page.locator(".top")).to_be_hidden()
    await desk.page.screenshot(path=str(PICTURES / "6-day-sheet-print.png"))


async def test_orders_are_searched_and_what_is_found_can_be_linked_to(receptions: Receptions, system: System) -> None:
    guest = system.guest()
    order_id = await paid_order(system, guest)
    desk = await receptions.opens("reception")

    await desk.page.select_option("#f-by", "guest_id")
    await desk.page.fill("#f-text", guest.guest_id)
    await desk.page.select_option("#f-status", "confirmed")
    await desk.page.keyboard.press("Enter")
    await desk.page.click("#find")
    await expect(desk.page.locator("section[aria-labelledby=list-title] .row")).to_have_count(1)
    await desk.page.reload()

    await expect(desk.page.locator(f"#row-{order_id}")).to_be_visible()
    await expect(desk.page.locator("#f-text")).to_have_value(guest.guest_id)


async def test_a_guests_token_is_refused_and_a_pasted_one_lets_staff_in(chromium: Browser, system: System) -> None:
    page = await (await chromium.new_context(viewport=PHONE, locale="en-GB")).new_page()  # type: ignore[arg-type]
    await page.goto(f"{system.parts[GATEWAY].url}/desk#token={token()}")
    await expect(page.locator(".notice")).to_contain_text("needs the role reception")

    await page.fill("#token", token(sub="rosa", role="reception", property="alpenhof"))
    await page.keyboard.press("Enter")

    await expect(page.locator("#foot")).to_contain_text("rosa, reception")
    await page.context.close()


async def test_the_desk_weighs_little(receptions: Receptions) -> None:
    desk = await receptions.opens()

    sizes = await desk.page.evaluate(
        "performance.getEntriesByType('resource').filter((one) => /^[/]desk[/]/.test(new URL(one.name).pathname))"
        ".map((one) => one.encodedBodySize)"
    )

    assert len(sizes) > 10
    assert 0 < sum(sizes) < BUDGET


async def test_two_managers_who_refund_the_whole_order_at_once_refund_it_once(
    receptions: Receptions, system: System
) -> None:
    order_id = await paid_order(system, system.guest())
    lena, otto = await receptions.opens(), await receptions.opens("manager", "otto")
    for each in (lena, otto):
        await each.sees(order_id)
        await each.page.click("#refund")
        await each.page.fill("#reason", "the kitchen was closed")

    presses = [each.page.evaluate("document.querySelector('#do').click()") for each in (lena, otto)]
    await asyncio.gather(*presses)

    for each in (lena, otto):
        await expect(each.page.locator(".sums")).to_contain_text("€48.00")
        await expect(each.page.locator("#refund")).to_have_count(0)
    refused = [each for each in (lena, otto) if await each.page.locator("dialog").count()]
    assert len(refused) == 1
    await expect(refused[0].page.locator("dialog .trouble")).not_to_be_empty()
    assert [refund["amount"] for refund in await refunds_of(system, order_id)] == [4800]


async def test_a_dispute_is_listed_and_explained(receptions: Receptions, system: System) -> None:
    order_id = await paid_order(system, system.guest())
    lena = await receptions.opens()

    await disputed(system, order_id)

    row = lena.page.locator(f"li:has(#disputed-{order_id})")
    await expect(row).to_contain_text("The guest disputes €48.00")
    await lena.check("8-disputes")
    await lena.page.click(f"#disputed-{order_id}")
    await expect(lena.page.locator("section:has(#disputes-title)")).to_contain_text("The guest disputes €48.00")


async def test_a_review_without_a_place_is_accepted_only_after_a_word_of_warning(
    receptions: Receptions, system: System
) -> None:
    day, guest = "2038-02-04", system.guest()
    order_id = await sold_out_review(system, guest, day)
    lena = await receptions.opens()
    await lena.page.click(f"#odd-{order_id}")

    await lena.page.click("#accept")
    await expect(lena.page.locator("#force")).to_be_hidden()
    await lena.page.fill("#reason", "agreed with the masseur")
    await lena.page.click("#do")
    await expect(lena.page.locator("dialog .trouble")).to_contain_text("No place is left")
    await lena.check("9-force")
    await lena.page.check("#force")
    await lena.page.click("#do")

    await expect(lena.page.locator(".chip.good")).to_have_text("confirmed")
    assert await taken(system, day) == PLACES + 1


async def test_days_and_times_are_the_propertys_whatever_the_devices_clock(
    receptions: Receptions, system: System
) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):  # it is never the same day in both
        desk = await receptions.opens("reception", timezone_id=zone)
        await desk.at("day")
        today = datetime.now(ZoneInfo("Europe/Vienna")).date()

        shown = date.fromisoformat(await desk.page.input_value("#day"))

        assert shown in (today, today + timedelta(days=1))  # midnight may have passed meanwhile


async def test_a_line_without_a_day_is_on_the_sheet_of_the_stay_until_it_is_received(
    receptions: Receptions, system: System
) -> None:
    guest = system.guest()
    order_id = await paid_order(system, guest, BREAKFAST, LATE_CHECKOUT)
    desk = await receptions.opens("reception")
    day = (await Desk.of(system).sees(order_id))["lines"][0]["day"]
    await desk.at(f"day/{day}")

    await expect(desk.page.locator("#any-day")).to_be_visible()
    line = desk.page.locator(f"#any-day ~ .extra a[href='#/order/{order_id}']")
    await expect(line).to_be_visible()
    await desk.check("19-any-day")
    body(await Desk.of(system).fulfil(order_id), 200)

    await expect(line).to_have_count(0)


async def test_a_manager_closes_the_day_and_saves_it_for_a_spreadsheet(receptions: Receptions, system: System) -> None:
    order_id = await paid_order(system, system.guest())
    lena = await receptions.opens()
    day = datetime.now(ZoneInfo("Europe/Vienna")).date().isoformat()

    await lena.at(f"closing/{day}")
    await expect(lena.page.locator("#closing-total")).to_be_visible()
    transactions = lena.page.locator("section:has(> #closing-transaction)")
    await expect(transactions.locator(f"a[href='#/order/{order_id}']")).to_be_visible()
    await expect(transactions).to_contain_text("€48.00")
    await lena.check("20-closing")
    async with lena.page.expect_download() as saved:
        await lena.page.click("#csv")

    file = await saved.value
    assert file.suggested_filename == f"closing-{day}.csv"
    assert order_id in (await file.path()).read_text()


async def test_the_closing_fits_a_phone_in_german(receptions: Receptions, system: System) -> None:
    await paid_order(system, system.guest())
    lena = await receptions.opens(viewport=PHONE, locale="de-DE", color_scheme="dark")

    await lena.at("closing")

    await expect(lena.page.locator("#closing-total")).to_have_text("Summen")
    await lena.check("21-closing-phone-dark-german")


async def test_a_manager_sees_what_other_systems_were_sent_and_why_it_does_not_arrive(
    receptions: Receptions, system: System
) -> None:
    operator, reason = Operator(system), ("--why", "a test")
    async with webhook_receiver(behaviours=[200], then=b"<img src=x onerror=alert(1)> 503\r\n\r\n") as receiver:
        url = receiver.url.replace("/hooks", "/<b>hooks</b>")
        added = await operator.json("webhooks", "add", url, "--property", "alpenhof", *reason)
        # With its answer the service knows the new subscriber; what follows is not taken.
        await operator.json("webhooks", "test", added["subscriber_id"])
        order_id = await paid_order(system, system.guest())

        async def has_failed() -> bool:
            page = body(await Desk.of(system).answer(calls.list_property_webhooks(order_id)), 200)
            return [each["status"] for each in page["deliveries"]] == ["retrying"]

        await until(has_failed, "an attempt has failed")
        lena, otto = await receptions.opens(), await receptions.opens("reception", "otto")
        await lena.sees(order_id)
        await lena.page.click("#webhooks")

        main = lena.page.locator("main")
        receiving = lena.page.locator(f"#{added['subscriber_id']}")
        await expect(receiving).to_contain_text(f"{HOST}:{receiver.port}/<b>hooks</b>?…")
        await expect(receiving.locator(".chip")).to_have_text("failing")
        await expect(receiving).to_contain_text("Nothing arrives there since")
        await expect(receiving).to_contain_text("<img src=x onerror=alert(1)> 503")
        sent = lena.page.locator(f"li:has(> p a[href='#/order/{order_id}'])")
        await expect(sent).to_contain_text("Order confirmed")

        async def is_shown(status: str) -> bool:
            """Look again until it is: an attempt may be under way when the page looks."""
            await lena.page.click("#look")
            return (await sent.locator(".chip").inner_text()).strip() == status

        await until(lambda: is_shown("not received yet"), "the webhook waits for its next attempt")
        await expect(sent).to_contain_text("next attempt")
        assert await main.locator("img, b").count() == 0
        await expect(main).not_to_contain_text("k-1")
        await lena.check("22-webhooks")

        anna = await receptions.opens(viewport=PHONE, locale="de-DE", color_scheme="dark")
        await anna.at("webhooks")
        await expect(anna.page.locator("li:has-text('Test') .chip").first).to_be_visible()
        await anna.page.fill("#f-order", "ord_unknown")
        await anna.page.keyboard.press("Enter")
        await expect(anna.page.locator("#sent-title")).to_have_text("Gesendet zur Bestellung ord_unknown")
        await expect(anna.page.locator("main")).to_contain_text("Es wurde nichts gesendet.")
        await anna.page.click("form a")
        await expect(anna.page.locator("li:has-text('Bestellung bestätigt')").first).to_be_visible()
        await anna.check("23-webhooks-phone-dark-german")

        await operator.runs("webhooks", "disable", added["subscriber_id"], *reason)
        await until(lambda: is_shown("held back"), "the webhook waits for its subscriber")
        await expect(receiving.locator(".chip")).to_have_text("disabled")
        await expect(receiving).to_contain_text("a test")
        await operator.runs("webhooks", "remove", added["subscriber_id"], "--yes", *reason)
        await lena.page.click("#look")
        await expect(receiving).to_have_count(0)
        await expect(sent).to_contain_text("the system was removed")

    assert await otto.page.locator("#tabs a[href='#/webhooks']").count() == 0
    await otto.at("webhooks")
    await expect(otto.page.locator("#list-title")).to_be_visible()


async def test_an_order_whose_guest_was_erased_says_so(receptions: Receptions, system: System) -> None:
    guest, operator = system.guest(), Operator(system)
    order_id = await paid_order(system, guest)
    await Desk.of(system).fulfil(order_id)
    words = ("guest", "erase", guest.guest_id, "--property", guest.property_id, "--why", "a letter", "--yes")
    report = await operator.json(*words, code=None)

    lena = await receptions.opens()
    await expect(lena.page.locator(f"#row-{order_id}")).to_contain_text("Erased guest")
    await lena.page.click(f"#row-{order_id}")

    await expect(lena.page.locator("h1")).to_have_text("Erased guest")
    await expect(lena.page.locator("#erased")).to_contain_text(report["pseudonym"])
    await expect(lena.page.locator("main")).not_to_contain_text(guest.guest_id)
    await lena.check("erased-order")
