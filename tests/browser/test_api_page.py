"""The page of the API in a real browser: under its own policy, from its own files."""

from playwright.async_api import Browser, expect

from tests.support.system import GATEWAY, System


async def test_the_page_of_the_api_shows_every_route_and_asks_no_other_site(chromium: Browser, system: System) -> None:
    address = system.parts[GATEWAY].url
    page = await (await chromium.new_context()).new_page()
    asked: set[str] = set()
    complaints: list[str] = []
    page.on("request", lambda request: asked.add(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)

    await page.goto(f"{address}/docs")
    await expect(page.locator("#operations-guests-place_order")).to_be_visible()

    assert all(url.startswith((address, "data:")) for url in asked)
    assert complaints == []
    await page.context.close()
