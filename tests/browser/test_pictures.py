"""An owner makes an extra with a picture; a guest sees it, orders it, and reads when and where."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Visit
from tests.browser.test_looks import DESK, barriers
from tests.browser.test_weight import STILL, WATCH_SHIFTS
from tests.integration.flow.test_catalogue import Owner
from tests.support.guest import Json, body
from tests.support.pictures import jpeg
from tests.support.system import System

SPA = "#alm-whirlpool-add"
LONG = (
    "A whirlpool under the stars, with a view of the valley. " * 8
).strip() + "\n\nTowels and bathrobes are in the cabin."


@pytest.fixture
async def whirlpool(system: System) -> AsyncIterator[Json]:
    """An extra with a picture, slots, VAT and much to read, at a hotel with an address."""
    owner = Owner(system)
    uploaded = body(await owner.uploads(jpeg(1500, 1000)), 201)
    extra: Json = {
        "name": {"en": "Whirlpool", "de": "Whirlpool am Abend"},
        "description": {"en": LONG, "de": LONG},
        "picture": {
            "picture_id": uploaded["picture_id"],
            "alt": {"en": "A whirlpool in the evening", "de": "Ein Whirlpool am Abend"},
        },
        "category": "spa",
        "unit_price": {"amount": 6900, "currency": "EUR"},
        "vat_rate": 1000,
        "max_quantity": 2,
        "needs_day": True,
        "slots": [{"at": "15:00", "places": 50}, {"at": "17:00", "places": 50}],
    }
    known = next(
        (
            each
            for each in body(await owner.asks("GET", "catalogue"), 200)["extras"]
            if each["extra_id"] == "alm-whirlpool"
        ),
        None,
    )
    body(await owner.asks("POST", "catalogue", {"extra_id": "alm-whirlpool", "definition": extra}), 201)
    assert known is None or known["status"] == "retired"
    hotel = body(await owner.asks("GET", "property"), 200)
    placed = hotel["definition"] | {"name": {"en": "Hotel Alpenhof"}, "address": "Dorfstraße 1\n6020 Innsbruck"}
    changed = body(await owner.asks("PUT", "property", {"version": hotel["version"], "definition": placed}), 200)
    yield extra
    listed = body(await owner.asks("GET", "catalogue"), 200)["extras"]
    version = next(each["version"] for each in listed if each["extra_id"] == "alm-whirlpool")
    body(await owner.asks("POST", "catalogue/alm-whirlpool/retire", {"version": version}), 200)
    back = {"version": changed["version"], "definition": hotel["definition"]}
    body(await owner.asks("PUT", "property", back), 200)


@pytest.mark.parametrize("viewport", ["phone", "desk"])
async def test_a_guest_sees_the_picture_orders_and_reads_when_and_where(
    visit: Visit, whirlpool: Json, viewport: str
) -> None:
    guest = await visit(**({"viewport": DESK} if viewport == "desk" else {}))
    extra = guest.page.locator(".extra", has=guest.page.locator(SPA))
    picture = extra.locator("img")

    await picture.scroll_into_view_if_needed()
    await expect(picture).to_have_attribute("alt", whirlpool["picture"]["alt"]["en"])
    await guest.page.wait_for_function("document.querySelector('.picture').naturalWidth > 0")
    await expect(extra.locator(".vat")).to_have_text("incl. 10% VAT")
    await expect(extra.locator("details")).not_to_have_attribute("open", "")
    await guest.picture(f"pictured-{viewport}-1-extras", whole=True)
    await extra.locator("summary").click()
    await expect(extra.get_by_text("Towels and bathrobes")).to_be_visible()
    assert await barriers(guest.page) == []
    await guest.choose("alm-whirlpool")
    await guest.page.select_option("#alm-whirlpool-slot-0", "17:00")
    await guest.picture(f"pictured-{viewport}-2-chosen", whole=True)
    await guest.page.click("#order")
    order_id = await guest.at_payment()
    await guest.pay()

    await expect(guest.confirmation).to_contain_text("17:00")
    await expect(guest.confirmation.locator(".where")).to_contain_text("Hotel Alpenhof")
    await expect(guest.confirmation.locator(".where")).to_contain_text("6020 Innsbruck")
    assert await barriers(guest.page) == []
    await guest.picture(f"pictured-{viewport}-3-confirmed")
    await guest.confirms()
    await guest.was_charged_once(order_id, total=6900)


async def test_what_was_chosen_survives_the_change_of_language_with_its_day_and_slot(
    visit: Visit, whirlpool: Json
) -> None:
    guest = await visit()
    await guest.choose("alm-whirlpool", 2)
    await guest.page.select_option("#alm-whirlpool-day-0", "2038-02-04")
    await guest.page.select_option("#alm-whirlpool-slot-0", "17:00")

    await guest.page.click("#language-de")

    await expect(guest.page.locator("h1")).to_have_text("Extras für Ihren Aufenthalt")
    await expect(guest.page.locator("#alm-whirlpool-count-0")).to_have_text("2")
    await expect(guest.page.locator("#alm-whirlpool-day-0")).to_have_value("2038-02-04")
    await expect(guest.page.locator("#alm-whirlpool-slot-0")).to_have_value("17:00")
    await expect(guest.page.locator(".extra .picture")).to_have_attribute("alt", whirlpool["picture"]["alt"]["de"])
    await expect(guest.page.locator(".vat").last).to_have_text("inkl. 10\N{NO-BREAK SPACE}% MwSt.")
    await guest.page.click("#order")
    await guest.at_payment()
    [order] = await guest.orders_at_the_hotel()
    assert [(line["quantity"], line["day"], line["slot"]) for line in order["lines"]] == [(2, "2038-02-04", "17:00")]


@pytest.mark.usefixtures("whirlpool")
async def test_nothing_moves_when_pictures_come_late_or_not_at_all(visit: Visit) -> None:
    guest = await visit()
    await guest.window.add_init_script(WATCH_SHIFTS)

    await guest.page.reload()
    picture = guest.page.locator(".extra .picture")
    await picture.scroll_into_view_if_needed()
    await guest.page.wait_for_function("document.querySelector('.picture').naturalWidth > 0")
    loaded = await picture.bounding_box()
    assert await guest.page.evaluate("window.shifts") < STILL

    async def lost(route: Route) -> None:
        await route.abort()

    await guest.page.route("**/v1/pictures/**", lost)
    await guest.page.evaluate("scrollTo(0, 0)")  # to where it was, the browser scrolls while the page is still short
    await guest.page.reload()
    await picture.scroll_into_view_if_needed()
    without = await picture.bounding_box()
    await guest.picture("pictured-phone-4-without")

    assert await guest.page.evaluate("document.querySelector('.picture').naturalWidth") == 0
    assert await guest.page.evaluate("window.shifts") < STILL
    assert without is not None
    assert loaded is not None
    assert (without["width"], without["height"]) == (loaded["width"], loaded["height"])
    await guest.choose("alm-whirlpool")
    await expect(guest.page.locator("#total")).to_contain_text("69")
