"""A property's own name and colours on the guest's page: what its owner writes, readable whatever it is."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import PHONE, Visit
from tests.browser.reception import Receptions
from tests.browser.test_looks import barriers
from tests.integration.flow.test_catalogue import Owner
from tests.support.guest import body
from tests.support.system import System

GARISH = {"accent": "#ffff00", "background": "#00004d"}
OWN_DARK_PAPER = "rgb(22, 25, 26)"


@pytest.fixture
async def rename(system: System) -> AsyncIterator[Any]:
    """Change the property's definition over HTTP; undone at the end."""
    owner = Owner(system)
    first = body(await owner.asks("GET", "property"), 200)["definition"]

    async def change(**changes: Any) -> None:
        now = body(await owner.asks("GET", "property"), 200)
        sent = {"version": now["version"], "definition": {**first, **changes}}
        body(await owner.asks("PUT", "property", sent), 200)

    yield change
    await change()


async def _variable(page: Page, name: str) -> str:
    shown: str = await page.evaluate("name => getComputedStyle(document.documentElement).getPropertyValue(name)", name)
    return shown.strip()


async def test_guests_see_the_name_and_the_colours_that_the_owner_wrote(visit: Visit, rename: Any) -> None:
    await rename(
        name={"en": "Alpenhof Inn", "de": "Gasthof Alpenhof"}, theme={"accent": "#0a6b4f", "background": "#eef5f1"}
    )

    guest = await visit(locale="en-GB", color_scheme="light")

    await expect(guest.page.locator("#hotel")).to_have_text("Alpenhof Inn")
    assert await _variable(guest.page, "--accent") == "#0a6b4f"
    assert await _variable(guest.page, "--paper") == "#eef5f1"
    await guest.page.click("#language-de")
    await expect(guest.page.locator("#hotel")).to_have_text("Gasthof Alpenhof")
    await expect(guest.page).to_have_title(re.compile("^Extras für Ihren Aufenthalt .* Gasthof Alpenhof$"))
    await guest.picture("own-look-light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_colour_that_an_owner_writes_makes_the_page_unreadable(visit: Visit, rename: Any, scheme: str) -> None:
    await rename(theme=GARISH)

    guest = await visit(viewport=PHONE, locale="en-GB", color_scheme=scheme)
    await guest.choose("alm-breakfast")

    assert await _variable(guest.page, "--accent") not in {"", GARISH["accent"] if scheme == "light" else "#2e4a3f"}
    paper = await guest.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == OWN_DARK_PAPER) == (scheme == "dark")
    assert await barriers(guest.page) == []
    await guest.picture(f"own-look-garish-{scheme}")


async def test_colours_follow_a_device_that_turns_dark_while_the_page_is_open(visit: Visit, rename: Any) -> None:
    await rename(theme={"accent": "#0a6b4f", "background": None})
    guest = await visit(locale="en-GB", color_scheme="light")
    assert await _variable(guest.page, "--accent") == "#0a6b4f"

    await guest.page.emulate_media(color_scheme="dark")

    await guest.page.wait_for_function(
        "getComputedStyle(document.documentElement).getPropertyValue('--accent').trim() !== '#0a6b4f'"
    )
    assert await barriers(guest.page) == []


async def test_the_page_works_although_the_property_cannot_be_asked(visit: Visit, system: System) -> None:
    guest = await visit(locale="en-GB")
    await guest.page.route("**/v1/property", lambda route: route.abort())
    await guest.page.reload()

    await expect(guest.page.locator("#alm-breakfast-add")).to_be_visible()
    await expect(guest.page.locator("#hotel")).not_to_be_empty()


async def test_an_owner_sees_the_page_of_guests_beside_what_is_typed(receptions: Receptions, rename: Any) -> None:
    owner = await receptions.opens("owner", "hilde", color_scheme="light")
    page = owner.page
    await owner.at("property")
    await expect(page.locator(".preview .hotel")).to_have_text("alpenhof")

    await page.fill("#f-name-en", "Alpenhof Inn")
    await page.fill("#f-theme-accent", "#7a2231")
    await page.fill("#f-theme-background", "#f0e0e0")
    await page.fill("#f-address", "Dorfstraße 1\n6020 Innsbruck")
    await page.fill("#f-time_zone", "Europe/")

    await expect(page.locator(".preview .hotel")).to_have_text("Alpenhof Inn")
    await expect(page.locator(".preview .where")).to_contain_text("6020 Innsbruck")
    await expect(page.locator(".preview .primary")).to_have_css("background-color", "rgb(122, 34, 49)")
    await expect(page.locator(".preview")).to_have_css("background-color", "rgb(240, 224, 224)")
    await expect(page.locator(".preview .extras > li")).to_have_count(1)
    desk_button = page.locator("#save")
    assert await desk_button.evaluate("one => getComputedStyle(one).backgroundColor") != "rgb(122, 34, 49)"
    await owner.check("18-property-preview")
