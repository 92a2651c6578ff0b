"""A guest, their reception and an extra that the hotel approves first, in a real Chromium."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import PHONE, Visit
from tests.browser.reception import Receptions
from tests.support.desk import intent_of
from tests.support.guest import body
from tests.support.system import System

EXTRA = "alm-early-checkin"


async def test_reception_approves_and_only_then_the_guest_is_charged(
    visit: Visit, receptions: Receptions, system: System
) -> None:
    guest, lena = await visit(), await receptions.opens("reception", "lena")
    await expect(guest.page.locator(".extra", has_text="Early check-in")).to_contain_text("nothing is charged")
    await guest.choose(EXTRA)
    await guest.page.click("#order")
    order_id = await guest.at_payment()
    await guest.fill()
    await expect(guest.page.locator(".panel .approval")).to_contain_text("until the hotel says yes")
    await guest.picture("approval-1-payment-phone", whole=True)
    await guest.page.click("#pay")
    await guest.is_at("approval")
    await guest.picture("approval-2-waits-phone", whole=True)
    assert (await intent_of(system, order_id))["amount_received"] == 0

    await lena.sees(order_id)
    await expect(lena.page.locator("#approval-title")).to_be_visible()
    await lena.check("8-approval")
    await lena.page.click("#approve")
    await expect(lena.page.locator("#effect")).to_contain_text("€40.00 are charged")
    await lena.page.click("#do")

    await expect(lena.page.locator(".chip.good")).to_be_visible()
    await expect(lena.page.locator(".history")).to_contain_text("lena approved the order.")
    await expect(guest.confirmation).to_contain_text("€40.00")
    await guest.confirms()
    await guest.was_charged_once(order_id, total=4000)


TAKEN_OUT = "Der Kurs entfällt an diesem Tag."


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
async def test_reception_takes_a_line_out_and_the_guest_pays_only_what_is_left(
    visit: Visit, receptions: Receptions, system: System, locale: str
) -> None:
    language = locale[:2]
    guest = await visit(locale=locale)
    lena = await receptions.opens("reception", "lena", viewport=PHONE, locale=locale)
    await guest.choose(EXTRA)
    await guest.choose("alm-breakfast")
    await guest.page.click("#order")
    order_id = await guest.at_payment()
    await guest.pay()
    await guest.is_at("approval")

    await lena.sees(order_id)
    await lena.page.click("#approve")
    effect, boxes = lena.page.locator("#effect"), lena.page.locator(".line-choice input")
    await expect(boxes).to_have_count(2)
    await expect(lena.page.locator("#reason")).to_be_hidden()
    await boxes.nth(0).uncheck()
    await boxes.nth(1).uncheck()
    await expect(lena.page.locator("#do")).to_be_disabled()
    await boxes.nth(0).check()
    await expect(effect).to_contain_text(amount_in(4000, locale))
    await expect(effect).to_contain_text(amount_in(2400, locale))
    await lena.page.fill("#reason", TAKEN_OUT)
    await lena.check(f"9-taken-out-{language}")
    await lena.page.click("#do")

    await expect(lena.page.locator(".chip.good")).to_be_visible()
    await expect(lena.page.locator("#taken-out")).to_contain_text(TAKEN_OUT)
    await lena.check(f"10-taken-out-done-{language}")
    await expect(guest.confirmation).to_contain_text(amount_in(4000, locale))
    await expect(guest.confirmation).to_contain_text(TAKEN_OUT)
    await guest.picture(f"approval-4-taken-out-{language}-phone", whole=True)
    await guest.confirms()
    await expect(guest.orders.first.locator("s")).to_have_count(1)
    await guest.picture(f"approval-5-taken-out-orders-{language}-phone", whole=True)
    await guest.was_charged_once(order_id, total=4000)
    receipt = body(await guest.guest.http.get(f"/v1/orders/{order_id}/receipt"), 200)
    assert receipt["paid"]["amount"] == receipt["receipts"][0]["shares"][0]["gross"]["amount"] == 4000


def amount_in(minor: int, locale: str) -> str:
    whole, part = divmod(minor, 100)
    return f"€{whole}.{part:02}" if locale == "en-GB" else f"{whole},{part:02}"


async def test_a_declined_guest_reads_why_and_the_bank_shows_no_charge(
    visit: Visit, receptions: Receptions, system: System
) -> None:
    guest = await visit(locale="de-DE")
    lena = await receptions.opens("reception", "lena", viewport=PHONE)
    await guest.choose(EXTRA)
    await guest.page.click("#order")
    order_id = await guest.at_payment()
    await guest.pay()
    await guest.is_at("approval")

    await lena.sees(order_id)
    await lena.page.click("#decline")
    await expect(lena.page.locator("#effect")).to_contain_text("Nothing is charged")
    await lena.page.fill("#reason", "Das Zimmer wird bis zehn gebraucht.")
    await lena.page.click("#do")

    await guest.is_at("declined")
    await expect(guest.page.locator(".panel")).to_contain_text("Das Zimmer wird bis zehn gebraucht.")
    await guest.picture("approval-3-declined-phone", whole=True)
    await expect(lena.page.locator(".chip").first).to_have_text("declined")
    intent = await intent_of(system, order_id)
    assert (intent["status"], intent["amount_received"]) == ("canceled", 0)
    await guest.page.click(".panel a.button")
    await expect(guest.orders.first).to_contain_text("Nicht möglich")
    await expect(guest.orders.first).to_contain_text("Das Zimmer wird bis zehn gebraucht.")
