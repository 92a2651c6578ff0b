"""What the page costs a guest: bytes, time, and a layout that stays where it is."""

from playwright.async_api import expect

from tests.browser.conftest import Visit

BUDGET = 60 * 1024
SOON_MS = 1000
STILL = 0.01

WATCH_SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => list.getEntries().forEach((one) => {
  if (!one.hadRecentInput) window.shifts += one.value;
})).observe({ type: "layout-shift", buffered: true });
"""
OUR_FILES = """
performance.getEntries()
  .filter((one) => ["navigation", "resource"].includes(one.entryType))
  .filter((one) => /^[/](page[/].*)?$/.test(new URL(one.name).pathname))
  .map((one) => ({ name: one.name, size: one.encodedBodySize }))
"""


async def test_our_files_weigh_little_and_the_extras_are_there_within_a_second(visit: Visit) -> None:
    guest = await visit()
    await guest.page.reload()  # the first visit started the browser and the services
    cold = await guest.window.new_page()

    cdp = await guest.window.new_cdp_session(cold)
    await cdp.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await cold.goto(guest.link)
    await expect(cold.locator(".extra").first).to_be_visible()
    shown = await cold.evaluate("performance.now()")
    files = await cold.evaluate(OUR_FILES)

    assert len(files) > 10
    assert 0 < sum(file["size"] for file in files) < BUDGET
    assert shown < SOON_MS * 3  # under the load of other tests; see docs/guest-page.md for what was measured


async def test_nothing_moves_while_the_page_loads_and_while_the_card_form_appears(visit: Visit) -> None:
    guest = await visit()
    await guest.window.add_init_script(WATCH_SHIFTS)

    await guest.page.reload()
    await expect(guest.page.locator(".extra").first).to_be_visible()
    at_first = await guest.page.evaluate("window.shifts")
    await guest.order()
    await guest.page.reload()
    await expect(guest.page.locator("#card-form[data-ready]")).to_be_visible()
    at_payment = await guest.page.evaluate("window.shifts")
    await guest.page.click(".way-back a")
    await expect(guest.orders.first).to_be_visible()
    with_orders = await guest.page.evaluate("window.shifts")

    assert max(at_first, at_payment, with_orders) < STILL, (at_first, at_payment, with_orders)
