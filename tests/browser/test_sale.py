"""A sale from the order to the day's closing: two guests, their reception, their mailbox, the bank and the books."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from deploy.local.broker import Broker
from deploy.local.store import Store
from tests.browser.conftest import Visit
from tests.browser.reception import Receptions, receptions_of
from tests.browser.test_receipts import begins_as_pdf
from tests.browser.visitor import Visitor
from tests.integration.ops.test_books import VIENNA, day_in, rows
from tests.support.desk import intent_of, is_clean, refunds_of
from tests.support.guest import body
from tests.support.mail_server import MailServer, mail_server
from tests.support.operator import Operator
from tests.support.system import System, system_on
from tests.support.waiting import until

ANNA, BO = "anna@example.org", "bo@example.org"
APPROVED, BREAKFAST = "alm-early-checkin", "alm-breakfast"
BOTH = ("charge", "refund")
REASON = "Das Zimmer wird bis zehn gebraucht."


@pytest.fixture
async def mailbox() -> AsyncIterator[MailServer]:
    async with mail_server() as running:
        yield running


@pytest.fixture
async def hotel(broker: Broker, store: Store, mailbox: MailServer) -> AsyncIterator[System]:
    async with system_on(broker, store, smtp_port=mailbox.port) as system:
        yield system


@pytest.fixture
async def desks(chromium: Browser, hotel: System) -> AsyncIterator[Receptions]:
    async with receptions_of(chromium, hotel) as desks:
        yield desks


async def orders(guest: Visitor, email: str, language: str, *extras: str) -> str:
    """The guest leaves an address, orders, and pays with a card that is only authorised."""
    body(await guest.guest.http.put("/v1/contact", json={"email": email, "language": language}), 200)
    for extra in extras:
        await guest.choose(extra)
    await guest.page.click("#order")
    order_id = await guest.at_payment()
    await guest.pay()
    await guest.is_at("approval")
    return order_id


async def test_one_guest_is_approved_mailed_and_refunded_and_another_declined_and_not_charged(
    desks: Receptions, hotel: System, mailbox: MailServer, visit: Visit
) -> None:
    today = await day_in(VIENNA)
    anna, bo = await visit(on=hotel), await visit(on=hotel, locale="de-DE")
    lena = await desks.opens("manager", "lena")

    def mails_to(address: str) -> list[str]:
        return [str(mail["Subject"]) for mail in mailbox.received if mail["To"] == address]

    order_id = await orders(anna, ANNA, "en", APPROVED, BREAKFAST)
    await lena.sees(order_id)
    await lena.page.click("#approve")
    await lena.page.click("#do")
    await expect(lena.page.locator(".chip.good")).to_be_visible()
    await anna.confirms()
    await anna.was_charged_once(order_id, total=6400)
    await until(lambda: mails_to(ANNA), "Anna is mailed")
    assert mails_to(ANNA) == ["alpenhof: your order is confirmed"]

    async with anna.page.expect_download() as kept:
        await anna.page.click(f"#receipt-{order_id}")
    download = await kept.value
    assert begins_as_pdf(await download.path())

    await lena.page.click("#refund-1")
    await lena.page.fill("#reason", "slept in")
    await lena.page.click("#do")
    await expect(lena.page.locator(".history")).to_contain_text("slept in")
    await until(lambda: len(mails_to(ANNA)) == 2, "Anna is mailed about the refund")
    assert [refund["amount"] for refund in await refunds_of(hotel, order_id)] == [2400]

    declined = await orders(bo, BO, "de", APPROVED)
    await lena.at("orders")
    await lena.sees(declined)
    await lena.page.click("#decline")
    await lena.page.fill("#reason", REASON)
    await lena.page.click("#do")
    await bo.is_at("declined")
    await expect(bo.page.locator(".panel")).to_contain_text(REASON)
    await until(lambda: len(mails_to(BO)) == 1, "Bo is mailed")
    intent = await intent_of(hotel, declined)
    assert (intent["status"], intent["amount_received"]) == ("canceled", 0)

    await is_clean(hotel)
    closed = await Operator(hotel).json("closing", today, "--property", "alpenhof")
    moved = {kind: [(row["order_id"], row["amount"]) for row in rows(closed, "transaction", kind)] for kind in BOTH}
    assert moved == {"charge": [(order_id, "64.00")], "refund": [(order_id, "-24.00")]}
    assert closed["differences"] == []
    [*_, refunded] = [mail for mail in mailbox.received if mail["To"] == ANNA]
    assert [part.get_content_type() for part in refunded.iter_attachments()] == ["application/pdf"]
