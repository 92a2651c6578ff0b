"""Every view in both languages, light and dark, phone and desk: readable for everybody, and nothing sticks out."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Page, expect

from tests.browser.conftest import PHONE, Visit
from tests.support.system import AUTHENTICATION_CARD, DECLINED_CARD

DESK = {"width": 1280, "height": 900}
NARROW = {"width": 320, "height": 640}
SERIOUS = ("serious", "critical")
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "iframes": False,  # the card form is the PSP's
}


@dataclass(frozen=True, slots=True)
class Look:
    name: str
    options: dict[str, Any]
    property_id: str = "alpenhof"
    extra: str = "alm-breakfast"
    total: int = 7200
    shown: str = "72[.,]00"


LOOKS = (
    Look("phone-light-en", {"viewport": PHONE, "color_scheme": "light", "locale": "en-GB", "has_touch": True}),
    Look(
        "phone-dark-kyoto",
        {"viewport": PHONE, "color_scheme": "dark", "locale": "de-DE"},
        "kamogawa",
        "kyo-breakfast",
        11400,
        "11[.,]400",
    ),
    Look(
        "desk-light-kyoto",
        {"viewport": DESK, "color_scheme": "light", "locale": "ja-JP"},
        "kamogawa",
        "kyo-breakfast",
        11400,
        "11[.,]400",
    ),
    Look("desk-dark-de", {"viewport": DESK, "color_scheme": "dark", "locale": "de-DE"}),
)


async def barriers(page: Page) -> list[str]:
    """What axe-core finds serious, with the elements it means; and whether the page scrolls sideways."""
    found = (await Axe().run(page, options=RULES)).response["violations"]
    serious = [
        f"{one['id']}: {[node['html'][:120] for node in one['nodes']]}" for one in found if one["impact"] in SERIOUS
    ]
    overhang = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*serious, *([f"{overhang} px stick out"] if overhang > 0 else [])]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
async def test_no_view_has_a_serious_barrier(visit: Visit, look: Look) -> None:
    guest = await visit(property_id=look.property_id, **look.options)
    found: dict[str, list[str]] = {}

    async def seen(view: str) -> None:
        found[view] = await barriers(guest.page)
        await guest.picture(f"look-{look.name}-{view}", whole="dialog" not in view)

    await seen("1-extras")
    await guest.choose(look.extra, 2)
    await guest.page.click(f"#{look.extra}-add")
    await expect(guest.page.locator("#total")).to_have_text(re.compile(rf"^\D*{look.shown}\D*$"))
    await seen("2-chosen")
    await guest.page.click("#order")
    order_id = await guest.at_payment()
    await guest.pay(DECLINED_CARD)
    await expect(guest.page.locator("#pay-trouble")).not_to_be_empty()
    await seen("3-payment")
    await guest.pay()
    await expect(guest.confirmation).to_be_visible()
    await seen("4-dialog-confirmed")
    await guest.confirms()
    await guest.was_charged_once(order_id, total=look.total)
    await guest.choose(look.extra)
    await seen("5-orders")

    assert {view: barriers for view, barriers in found.items() if barriers} == {}


async def test_the_quieter_views_have_no_serious_barrier_either(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    found: dict[str, list[str]] = {}

    await guest.pay(AUTHENTICATION_CARD)
    await expect(guest.page.locator("dialog iframe")).to_be_visible()
    await guest.page.reload()
    await guest.is_at("authenticate")
    found["authenticate"] = await barriers(guest.page)
    await guest.page.click(".way-back a")
    await guest.page.click(f"#cancel-{order_id}")
    found["cancel"] = await barriers(guest.page)
    await guest.page.keyboard.press("Escape")
    await guest.page.evaluate("sessionStorage.clear()")
    await guest.page.goto(guest.link.partition("#")[0] + "?")
    await expect(guest.page.locator("h1")).to_have_text("Please use your personal link")
    found["welcome"] = await barriers(guest.page)

    assert {view: barriers for view, barriers in found.items() if barriers} == {}


async def test_nothing_sticks_out_on_the_narrowest_phone(visit: Visit) -> None:
    guest = await visit(viewport=NARROW, locale="de-DE")  # the longer words

    await guest.choose("alm-transfer", 2)
    await guest.choose("alm-massage", 2)
    wide = await guest.page.evaluate("document.documentElement.scrollWidth")
    await guest.picture("narrow-extras")
    await guest.page.click("#order")
    await guest.at_payment()
    await guest.fill()
    wide_at_payment = await guest.page.evaluate("document.documentElement.scrollWidth")
    await guest.picture("narrow-payment", whole=True)

    assert (wide, wide_at_payment) == (320, 320)


async def test_the_whole_flow_can_be_done_with_the_keyboard_alone(visit: Visit) -> None:
    guest = await visit(viewport=DESK)

    async def tab_to(selector: str) -> None:
        for _ in range(40):
            if await guest.page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
                return
            await guest.page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key does not lead to {selector}")

    async def press(selector: str, *keys: str) -> None:
        await tab_to(selector)
        for key in keys:
            await guest.page.keyboard.press(key)

    await press("#alm-breakfast-add", "Enter")
    await press("#alm-breakfast-more-0", "Enter", "Space")
    await press("#alm-breakfast-less-0", "Enter")
    await press("#alm-breakfast-day-0", "ArrowDown")
    await press("#order", "Enter")
    order_id = await guest.at_payment()
    await expect(guest.page.locator("#card-form[data-ready]")).to_be_visible()
    await tab_to("iframe")
    for text in ("4242424242424242", "1234", "123"):
        await guest.page.keyboard.type(text)
        await guest.page.keyboard.press("Tab")
    await press("#pay", "Enter")
    await expect(guest.confirmation).to_be_visible()
    assert await guest.page.evaluate("document.activeElement.closest('dialog') !== null")
    await guest.page.keyboard.press("Enter")

    await expect(guest.orders.first).to_have_attribute("data-status", "confirmed")
    assert [line["day"] for line in (await guest.orders_at_the_hotel())[0]["lines"]] == ["2038-02-02"]
    await guest.was_charged_once(order_id)


async def test_the_last_one_taken_away_leaves_the_focus_where_it_was(visit: Visit) -> None:
    guest = await visit()
    await guest.choose("alm-spa")

    await guest.page.focus("#alm-spa-less-0")
    await guest.page.keyboard.press("Enter")

    assert await guest.page.evaluate("document.activeElement.id") == "alm-spa-add"


async def test_the_language_can_be_changed_and_what_was_chosen_stays(visit: Visit) -> None:
    guest = await visit(locale="fr-FR")
    await guest.choose("alm-spa", 2)

    await guest.page.click("#language-de")
    await expect(guest.page.locator("h1")).to_have_text("Extras für Ihren Aufenthalt")
    await guest.page.reload()

    await expect(guest.page.locator("#total")).to_have_text("90,00\N{NO-BREAK SPACE}€")
    await expect(guest.page.locator("html")).to_have_attribute("lang", "de")
    await expect(guest.page.locator("#alm-spa-day-0 option").first).to_have_text("Mo., 1. Feb.")
    assert await guest.page.evaluate("document.activeElement === document.body")
