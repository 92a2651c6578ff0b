"""An operator at their browser: sees what is wrong, plans a replay, runs it, and looks at an order's story."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, ConsoleMessage, Page, Response, expect

from contracts.ids import OrderId, payment_id_of
from contracts.orders import CancelOrder
from tests.browser.conftest import ARTEFACTS
from tests.support import desk
from tests.support.desk import paid_order
from tests.support.operator import Operator, of_unknown_order
from tests.support.operators_page import operators_token, page_of
from tests.support.parked_outbox import success_is_parked
from tests.support.serving import Served
from tests.support.system import System
from tests.support.waiting import PATIENCE

expect.set_options(timeout=PATIENCE * 1000)
PICTURES = ARTEFACTS / "operators-page"
DESK = {"width": 1280, "height": 860}
_EXPECTED = "status of 503"
"""The page says it itself: on a busy machine a broker may take longer to answer than the page waits."""


@dataclass
class Screen:
    """The page in one window, and what it complained about."""

    page: Page
    operator: Operator
    complaints: list[str]

    @property
    def system(self) -> System:
        return self.operator.system

    async def view(self, name: str) -> None:
        await self.page.click(f"#nav a:has-text('{name}')")

    async def picture(self, name: str) -> None:
        """Keep how it looks, light and dark, to be looked at; and check what a machine can of its accessibility."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        schemes: tuple[Literal["dark", "light"], ...] = ("dark", "light")
        for scheme in schemes:
            await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            await self.page.screenshot(path=PICTURES / f"{name}-{scheme}.png")
        found = await Axe().run(self.page, options={"resultTypes": ["violations"]})
        self.complaints += [
            f"{name}: {one['id']} {one['nodes'][0]['html'][:200]}" for one in found.response["violations"]
        ]


@pytest.fixture
async def screen(chromium: Browser, own_system: Callable[..., Any]) -> AsyncIterator[Screen]:
    system: System = await own_system()
    served = Served("ops_page", lambda: page_of(system))
    await served.start()
    window = await chromium.new_context(viewport=DESK, locale="en-GB")  # type: ignore[arg-type]
    page = await window.new_page()
    window.set_default_timeout(PATIENCE * 1000)
    complaints: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and _EXPECTED not in message.text:
            complaints.append(message.text)

    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    own = urlsplit(served.url).netloc
    page.on("request", lambda asked: None if urlsplit(asked.url).netloc == own else complaints.append(asked.url))
    await page.goto(f"{served.url}/ops#token={operators_token()}")
    yield Screen(page, Operator(system), complaints)
    await window.close()
    await served.stop()
    assert complaints == []


async def test_an_operator_sees_what_is_dead_replays_it_and_looks_at_the_orders_story(screen: Screen) -> None:
    page, system = screen.page, screen.system
    guest = system.guest()
    order_id = OrderId(await paid_order(system, guest))
    cancel = CancelOrder(order_id=order_id, guest_id=guest.guest_id, property_id=guest.property_id)
    await screen.operator.park(cancel, cancel.kind, "extras.commands", "m-cancel", "StoreUnavailableError")

    await expect(page.locator("tr.alarm", has_text="extras.dead")).to_be_visible()
    assert "token" not in page.url
    await screen.picture("1-queues")

    await screen.view("Dead letters")
    await expect(page.locator("tbody", has_text="StoreUnavailableError").first).to_be_visible()
    await page.check("#group-0")
    await screen.picture("2-dead-letters")
    await page.click("#plan")
    await expect(page.locator(".chip.good").first).to_contain_text("1 applied")
    await page.fill("#why", "the store is back, INC-42")
    await screen.picture("3-plan")
    await page.click("#run")
    await expect(page.locator("h1 .chip")).to_have_text("done")
    await expect(page.locator("#progress")).to_contain_text("1 sent")
    await screen.picture("4-done")

    await screen.view("Dead letters")
    await expect(page.locator("main")).to_contain_text("No dead letters wait")
    await guest.sees(order_id, status="cancelled")

    await screen.view("Trace")
    await page.fill("#trace-order", order_id)
    await page.press("#trace-order", "Enter")
    await expect(page.locator(".picture svg .command").first).to_be_visible()
    await expect(page.locator(".picture svg")).to_contain_text("PlaceOrder")
    await screen.picture("5-trace")

    await screen.view("Log")
    await expect(page.locator("h1")).to_have_text("Log")
    await expect(page.locator("tbody tr", has_text="orders.place-order")).to_be_visible()
    await screen.picture("6-log")
    await screen.view("Orders")
    await page.select_option("#f-status", "cancelled")
    await page.click("main form button")
    await expect(page.locator("tbody tr", has_text="cancelled")).to_be_visible()
    await screen.picture("8-orders")
    await screen.view("Audit log")
    await expect(page.locator("tbody")).to_contain_text("the store is back, INC-42")
    await screen.picture("7-audit-log")


async def test_an_operator_puts_a_message_back_that_the_broker_refused(screen: Screen) -> None:
    page, guest = screen.page, screen.system.guest()
    order_id = await success_is_parked(screen.system, guest)

    await screen.view("Dead letters")
    await page.check("#group-0")
    await expect(page.locator("#put-back")).to_be_visible()
    await page.click("tbody a[href*='dl_']")
    await expect(page.locator("main")).to_contain_text(payment_id_of(order_id))
    await expect(page.locator("main")).to_contain_text("ACCESS_REFUSED")
    await screen.picture("12-refused-by-the-broker")
    await page.click("#put-back")
    await page.fill("#ask-why", "rights mended, INC-42")
    await page.click("#ask-do")

    await guest.sees(order_id, status="confirmed")
    await expect(page.locator("main")).to_contain_text("replayed")


async def test_a_letter_is_read_corrected_and_put_aside_from_the_keyboard(screen: Screen) -> None:
    page = screen.page
    letter = of_unknown_order(1)
    await screen.operator.park(letter, letter.kind, "extras.payments", "m-1", "UnknownOrderError")
    await screen.view("Dead letters")
    await page.click("td a.code >> nth=0")

    await expect(page.locator(".body")).to_contain_text('"amount": 100')
    await page.focus("#edit")
    await page.keyboard.press("Enter")
    body = await page.input_value("#edit-body")
    await page.fill("#edit-body", body.replace('"amount": 100', '"amount": 4800'))
    await page.fill("#edit-why", "typo in the import")
    await screen.picture("8-letter")
    await page.keyboard.press("Enter")
    await expect(page.locator(".body")).to_contain_text('"amount": 4800')
    await page.click("text=Put aside…")
    await page.keyboard.type("a test order")
    await page.keyboard.press("Enter")

    await expect(page.locator("dd", has_text="discarded")).to_be_visible()


async def test_who_moves_by_keyboard_is_not_thrown_back_when_the_queues_are_looked_at_again(screen: Screen) -> None:
    page = screen.page
    await expect(page.locator("tbody tr").first).to_be_visible()

    await page.focus("#nav a:has-text('Trace')")
    await screen.operator.park(b"{", "orders.place-order.v1", "extras.commands", "m-1", "MalformedMessageError")
    await expect(page.locator(".badge")).to_have_text("1")

    await expect(page.locator("#nav a:has-text('Trace')")).to_be_focused()


async def test_a_press_is_not_lost_while_the_queues_are_looked_at_again(screen: Screen) -> None:
    page = screen.page
    await expect(page.locator("tbody tr").first).to_be_visible()

    await page.hover("#nav a:has-text('Trace')")
    await page.mouse.down()
    await screen.operator.park(b"{", "orders.place-order.v1", "extras.commands", "m-1", "MalformedMessageError")
    async with page.expect_response(has_a_dead_letter):
        pass
    await page.evaluate("() => new Promise((done) => setTimeout(done, 100))")
    await page.mouse.up()

    await expect(page.locator("h1", has_text="Trace")).to_be_visible()
    await expect(page.locator(".badge")).to_have_text("1")


async def has_a_dead_letter(answer: Response) -> bool:
    if not answer.url.endswith("/queues"):
        return False
    return any(queue["role"] == "dead" and queue["messages"] for queue in (await answer.json())["queues"])


async def test_a_token_that_is_not_an_operators_opens_nothing(screen: Screen) -> None:
    page = screen.page
    guests = screen.system.guest().http.headers["authorization"].removeprefix("Bearer ")

    await page.goto(f"{page.url.partition('#')[0]}#token={guests}")

    await expect(page.locator("h1")).to_have_text("Operators only")
    await expect(page.locator("main")).to_contain_text("operator's token")
    screen.complaints[:] = [said for said in screen.complaints if "403" not in said]


async def test_a_reader_sees_everything_and_is_offered_nothing_that_acts(screen: Screen) -> None:
    page = screen.page
    letter = of_unknown_order(1)
    await screen.operator.park(letter, letter.kind, "extras.payments", "m-1", "UnknownOrderError")
    await page.goto(f"{page.url.partition('#')[0]}#token={operators_token('reader')}")
    await expect(page.locator("#who")).to_have_text("opal, reader")

    await screen.view("Dead letters")
    await expect(page.locator("main")).to_contain_text("only looks")
    await screen.picture("9-reader")
    await page.click("td a.code >> nth=0")
    await expect(page.locator(".body")).to_contain_text('"amount": 100')

    await expect(page.locator("#plan, #edit, #discard, #run, .acts button")).to_have_count(0)


async def test_a_run_that_stops_at_a_changed_forecast_says_so_and_goes_on_when_allowed(screen: Screen) -> None:
    page, system = screen.page, screen.system
    guest = system.guest()
    order_id = OrderId(await paid_order(system, guest))
    cancel = CancelOrder(order_id=order_id, guest_id=guest.guest_id, property_id=guest.property_id)
    await screen.operator.park(cancel, cancel.kind, "extras.commands", "m-cancel", "StoreUnavailableError")
    await screen.view("Dead letters")
    await page.check("#group-0")
    await page.click("#plan")
    await expect(page.locator(".chip.good").first).to_contain_text("1 applied")
    (await desk.cancel(guest, order_id)).raise_for_status()

    await page.fill("#why", "as planned, INC-42")
    await page.click("#run")
    await expect(page.locator("h1 .chip")).to_have_text("stopped")
    await expect(page.locator("#reason")).to_contain_text("is now ignored: cancelled already")
    await screen.picture("10-forecast-changed")
    await page.check("#accept-changes")
    await page.fill("#why", "it does no harm, INC-42")
    await page.click("#run")

    await expect(page.locator("h1 .chip")).to_have_text("done")
    await expect(page.locator("#progress")).to_contain_text("1 sent")
    await screen.view("Audit log")
    await expect(page.locator("tbody")).to_contain_text("done: 1 sent")
    await screen.picture("11-audit-log")
