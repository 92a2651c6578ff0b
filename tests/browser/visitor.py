"""A guest at their browser: what they see and press on the page."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, FrameLocator, Locator, Page, Request, expect

from tests.support.guest import Guest, Json
from tests.support.system import GATEWAY, GOOD_CARD, System
from tests.support.waiting import PATIENCE

expect.set_options(timeout=PATIENCE * 1000)

# What Chromium says of answers the page deals with: an order that is not payable, a network that is away.
_EXPECTED = re.compile(r"Failed to load resource|net::ERR_|could not be loaded|did not load|could not be reached")


class Visitor:
    """One guest in a browser window of their own. `complaints` collects what no page should say."""

    def __init__(self, window: BrowserContext, page: Page, system: System, guest: Guest, pictures: Path) -> None:
        self.window = window
        self.page = page
        self.system = system
        self.guest = guest
        self.complaints: list[str] = []
        self.pictures = pictures
        window.set_default_timeout(PATIENCE * 1000)
        window.on("page", self._listen)
        self._listen(page)

    @property
    def link(self) -> str:
        """The link the hotel sent."""
        token = self.guest.http.headers["authorization"].removeprefix("Bearer ")
        return f"{self.system.parts[GATEWAY].url}/#token={token}"

    def _listen(self, page: Page) -> None:
        allowed = {urlsplit(self.system.parts[GATEWAY].url).netloc, urlsplit(self.system.sandbox.url).netloc}

        def said(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and not _EXPECTED.search(message.text):
                self.complaints.append(f"console: {message.text}")

        def asked(request: Request) -> None:
            if urlsplit(request.url).netloc not in allowed:
                self.complaints.append(f"asked another site: {request.url}")

        page.on("console", said)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", asked)

    async def open(self) -> None:
        """Follow the link, until the extras are there."""
        await self.page.goto(self.link)
        await expect(self.page.locator(".extra").first).to_be_visible()

    async def another_tab(self) -> "Visitor":
        """The same guest, the same browser, the same link, in a second tab."""
        tab = Visitor(self.window, await self.window.new_page(), self.system, self.guest, self.pictures)
        tab.complaints = self.complaints
        await tab.open()
        return tab

    # The upselling page

    async def choose(self, extra_id: str = "alm-breakfast", quantity: int = 1) -> None:
        await self.page.click(f"#{extra_id}-add")
        for _ in range(quantity - 1):
            await self.page.click(f"#{extra_id}-more-0")

    async def order(self) -> str:
        """Choose breakfast for two, press Order, and arrive at the payment page. Returns the order's id."""
        await self.choose(quantity=2)
        await self.page.click("#order")
        return await self.at_payment()

    async def at_payment(self) -> str:
        await self.page.wait_for_url("**/#/pay/ord_*")
        return self.page.url.rpartition("/")[2]

    @property
    def orders(self) -> Locator:
        return self.page.locator(".order")

    async def orders_at_the_hotel(self) -> list[Json]:
        """What the gateway says, whatever the page shows."""
        return await self.guest.orders()

    # The payment page

    @property
    def card(self) -> FrameLocator:
        return self.page.frame_locator("#card-form iframe")

    async def fill(self, number: str = GOOD_CARD) -> None:
        await self.page.bring_to_front()
        await expect(self.page.locator("#card-form[data-ready]")).to_be_visible()
        await self.card.locator("#number").fill(number)
        await self.card.locator("#expiry").fill("12 / 34")
        await self.card.locator("#cvc").fill("123")

    async def pay(self, number: str = GOOD_CARD) -> None:
        await self.fill(number)
        await self.page.click("#pay")

    async def answer_the_bank(self, answer: str = "succeed") -> None:
        """In the sandbox's 3-D Secure dialog."""
        await self.page.frame_locator("dialog iframe").locator(f"#{answer}").click()

    async def is_at(self, step: str) -> None:
        """The payment page shows this step."""
        await expect(self.page.locator(f".stage[data-step={step}]")).to_be_visible()

    async def reads(self, text: str) -> None:
        """Why it did not work, as the guest reads it."""
        await expect(self.page.locator("#pay-trouble")).to_contain_text(text)

    # The confirmation

    @property
    def confirmation(self) -> Locator:
        return self.page.locator("dialog.confirmed")

    async def confirms(self) -> None:
        """The confirmation is shown; OK leads to the upselling page with the confirmed order on top."""
        await self.page.bring_to_front()  # a tab behind another is rarely painted, and a press waits for that
        await expect(self.confirmation).to_be_visible()
        await self.confirmation.locator("button").click()
        await expect(self.orders.first).to_have_attribute("data-status", "confirmed")
        await expect(self.confirmation).to_have_count(0)

    async def was_charged_once(self, order_id: str, *, total: int = 4800) -> None:
        """At the PSP: one intent for this order, and one charge; and no second order was left unpaid."""
        [intent] = await self.system.intents(order_id)
        assert (intent["status"], intent["amount_received"]) == ("succeeded", total)
        listed = await self.system.at_psp("charges", payment_intent=intent["id"], limit=100)
        assert [charge["status"] for charge in listed["data"]].count("succeeded") == 1
        assert {order["status"] for order in await self.orders_at_the_hotel()} == {"confirmed"}

    # Around it

    async def without_a_network(self, *, away: bool = True) -> None:
        await self.window.set_offline(away)

    async def picture(self, name: str, *, whole: bool = False) -> None:
        """Keep how it looks, to be looked at."""
        moving = "Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations === 1)"
        await self.page.evaluate(f"{moving}.map((one) => one.finished.catch(() => null))).then(() => null)")
        await self.page.screenshot(path=self.pictures / f"{name}.png", full_page=whole)
