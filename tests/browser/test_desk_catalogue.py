"""The owner's desk in a real Chromium: the catalogue and the property, edited as guests will see them."""

import base64
from typing import Any

from playwright.async_api import expect

from tests.browser.conftest import PHONE, Visit
from tests.browser.reception import Reception, Receptions
from tests.integration.flow.test_catalogue import YOGA, Owner
from tests.support.guest import Json, body
from tests.support.pictures import jpeg
from tests.support.system import System

DROP = """async (file) => {
  const bytes = Uint8Array.from(atob(file), (one) => one.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "hall.jpg", { type: "image/jpeg" }));
  const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  document.querySelector(".drop").dispatchEvent(drop);
}"""


async def made(system: System, extra_id: str, **changes: Any) -> None:
    """An extra of the property, made over HTTP."""
    definition = {**YOGA, "name": {"en": "Yoga", "de": "Yoga"}, **changes}
    body(await Owner(system).asks("POST", "catalogue", {"extra_id": extra_id, "definition": definition}), 201)


async def stored(system: System, extra_id: str) -> Json:
    listed: list[Json] = body(await Owner(system).asks("GET", "catalogue"), 200)["extras"]
    return next(extra for extra in listed if extra["extra_id"] == extra_id)


async def opened(receptions: Receptions, place: str, **options: Any) -> Reception:
    owner = await receptions.opens("owner", "hilde", **options)
    await owner.at(place)
    await expect(owner.page.locator("#edit, #extras").first).to_be_visible()
    return owner


async def test_an_owner_makes_an_extra_sees_all_mistakes_at_once_and_a_guest_finds_it(
    receptions: Receptions, system: System, visit: Visit
) -> None:
    owner = await opened(receptions, "catalogue")
    page = owner.page
    await owner.check("10-catalogue")
    await page.click("#new-extra")
    await expect(page.locator("#edit")).to_be_visible()

    await page.fill("#f-unit_price", "twelve")
    await page.fill("#f-max_quantity", "0")
    await page.fill("#f-lead_hours", "soon")
    await page.click("#f-slots-add")
    await page.fill("#f-slots-0-places", "0")
    await page.click("#save")
    await page.click("#do")
    await expect(page.locator(".mistakes")).to_be_focused()
    wrong = await page.locator("[aria-invalid], .group:has(> .trouble)").evaluate_all("all => all.map((one) => one.id)")
    assert set(wrong) >= {
        *(
            "f-extra_id",
            "f-name",
            "f-category",
            "f-unit_price",
            "f-max_quantity",
            "f-lead_hours",
            "f-slots-0-at",
            "f-slots-0-places",
        )
    }
    await owner.check("11-mistakes")
    await page.click(".mistakes button >> nth=0")
    assert await page.evaluate("document.activeElement.id") in wrong

    await page.fill("#f-extra_id", "alm-moonlight")
    for tag, text in (("en", "Moonlight walk"), ("de", "Mondscheinwanderung")):
        await page.fill(f"#f-name-{tag}", text)
    await page.fill("#f-category", "tour")
    await page.fill("#f-unit_price", "19.50")
    await page.fill("#f-max_quantity", "2")
    await page.fill("#f-lead_hours", "2")
    await page.fill("#f-vat_rate", "10")
    await page.fill("#f-slots-0-at", "21:00")
    await page.fill("#f-slots-0-places", "4")
    await expect(page.locator(".preview h3")).to_have_text("Moonlight walk")
    await expect(page.locator(".preview .price")).to_contain_text("€19.50")
    await page.click(".preview .add")
    await expect(page.locator(".preview select >> nth=1")).to_contain_text("21:00")
    await owner.check("12-new-extra")
    await page.click("#save")
    await page.fill("#reason", "for the winter")
    await page.click("#do")

    await expect(page.locator("h1")).to_have_text("Moonlight walk")
    await expect(page.locator("#versions-title")).to_have_text("Version 1")
    extra = await stored(system, "alm-moonlight")
    assert extra["definition"]["unit_price"] == {"amount": 1950, "currency": "EUR"}
    assert extra["definition"]["slots"] == [{"at": "21:00", "places": 4}]
    assert (extra["definition"]["vat_rate"], extra["versions"][0]["reason"]) == (1000, "for the winter")
    guest = await visit()
    await expect(guest.page.locator("#alm-moonlight-add")).to_be_visible()
    await page.click("#retire")
    await page.click("#do")
    await expect(page.locator(".status .chip")).to_have_text("retired")
    assert (await stored(system, "alm-moonlight"))["status"] == "retired"


async def test_what_the_owner_wants_to_approve_first_is_charged_only_after_that(
    receptions: Receptions, system: System, visit: Visit
) -> None:
    await made(system, "alm-dinner", name={"en": "Hut dinner", "de": "Hüttenabend"}, needs_day=False, slots=[])
    owner = await opened(receptions, "catalogue/alm-dinner")
    page, box = owner.page, owner.page.locator("#f-needs_approval")
    await expect(box).not_to_be_checked()
    await expect(page.locator(".preview .approval")).to_have_count(0)

    await box.check()
    await expect(page.locator(".preview .approval")).to_contain_text("nothing is charged")
    await page.click("#save")
    await page.fill("#reason", "the kitchen must agree")
    await page.click("#do")
    await expect(page.locator("#versions-title")).to_have_text("Version 2")

    assert (await stored(system, "alm-dinner"))["definition"]["needs_approval"] is True
    guest = await visit()
    await expect(guest.page.locator(".extra", has_text="Hut dinner")).to_contain_text("nothing is charged")
    await guest.choose("alm-dinner")
    await guest.page.click("#order")
    await guest.at_payment()
    await guest.fill()
    await expect(guest.page.locator(".panel .approval")).to_contain_text("until the hotel says yes")
    body(await Owner(system).asks("POST", "catalogue/alm-dinner/retire", {"version": 2}), 200)


async def test_a_change_on_an_old_version_says_what_changed_meanwhile_and_keeps_what_is_typed(
    receptions: Receptions, system: System
) -> None:
    await made(system, "alm-yoga-one", unit_price={"amount": 2400, "currency": "EUR"})
    hilde = await opened(receptions, "catalogue/alm-yoga-one")
    page = hilde.page
    dearer = {**(await stored(system, "alm-yoga-one"))["definition"], "unit_price": {"amount": 2600, "currency": "EUR"}}
    change = {"version": 1, "definition": dearer | {"category": "sport"}, "reason": "new prices"}

    await page.fill("#f-max_quantity", "3")
    await page.fill("#f-category", "calm")
    body(await Owner(system).asks("PUT", "catalogue/alm-yoga-one", change), 200)
    await page.click("#save")
    await expect(page.locator(".differences")).to_contain_text("2 → 3")
    await page.click("#do")

    notice = page.locator("#notice")
    await expect(notice).to_contain_text("owner-hilde changed this meanwhile")
    await expect(notice).to_contain_text("new prices")
    await expect(notice).to_contain_text("€24.00 → €26.00")
    await expect(notice).to_contain_text("You both changed: Category")
    await expect(page.locator("#f-unit_price")).to_have_value("26.00")
    await expect(page.locator("#f-max_quantity")).to_have_value("3")
    await expect(page.locator("#f-category")).to_have_value("calm")
    await hilde.check("13-outdated")
    await page.click("#save")
    await page.click("#do")
    await expect(page.locator("#versions-title")).to_have_text("Version 3")
    now = (await stored(system, "alm-yoga-one"))["definition"]
    assert (now["max_quantity"], now["category"], now["unit_price"]["amount"]) == (3, "calm", 2600)
    body(await Owner(system).asks("POST", "catalogue/alm-yoga-one/retire", {"version": 3}), 200)


async def test_a_save_whose_answer_is_lost_is_made_once_and_a_draft_survives_the_other_language(
    receptions: Receptions, system: System
) -> None:
    await made(system, "alm-yoga-two")
    owner = await opened(receptions, "catalogue/alm-yoga-two", viewport=PHONE, color_scheme="dark")
    page = owner.page
    await page.fill("#f-name-en", "Yoga at dawn")

    await page.click("#language-de")
    await expect(page.locator("#notice")).to_contain_text("noch nicht gespeichert")
    await expect(page.locator("#f-name-en")).to_have_value("Yoga at dawn")
    await owner.check("14-draft-phone-dark-german")

    async def lose_the_answer(route: Any) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/v1/staff/catalogue/alm-yoga-two", lose_the_answer, times=1)
    await page.click("#save")
    await page.click("#do")
    await expect(page.locator("dialog .trouble")).to_contain_text("nur einmal")
    await page.click("#do")

    await expect(page.locator("#versions-title")).to_have_text("Version 2")
    assert (await stored(system, "alm-yoga-two"))["definition"]["name"]["en"] == "Yoga at dawn"
    await expect(page.locator("#notice")).to_have_count(0)
    body(await Owner(system).asks("POST", "catalogue/alm-yoga-two/retire", {"version": 2}), 200)


async def test_extras_are_put_into_another_order_with_the_keyboard_and_by_dragging(
    receptions: Receptions, system: System
) -> None:
    owner = await opened(receptions, "catalogue")
    page = owner.page
    listed = body(await Owner(system).asks("GET", "catalogue"), 200)["extras"]
    first, second, third = [extra["extra_id"] for extra in listed if extra["status"] == "offered"][:3]

    await page.focus(f"#down-{first}")
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == f"down-{first}"
    await page.drag_and_drop(f"li:has(#extra-{third})", f"li:has(#extra-{second})")
    await owner.check("15-reordered")
    await page.click("#save-order")
    await page.click("#do")

    await expect(page.locator("#save-order")).to_have_count(0)
    after = [extra["extra_id"] for extra in body(await Owner(system).asks("GET", "catalogue"), 200)["extras"]]
    assert after[:3] == [third, second, first]
    back = {"extra_ids": [first, second, third]}
    body(await Owner(system).asks("POST", "catalogue/order", back), 200)


async def test_a_manager_has_neither_catalogue_nor_property(receptions: Receptions) -> None:
    manager = await receptions.opens("manager")

    await manager.at("property")

    await expect(manager.page.locator("#list-title")).to_be_visible()
    tabs = await manager.page.locator("#tabs a").all_text_contents()
    assert tabs == ["Orders", "Day sheet", "Closing", "Webhooks"]


async def test_the_property_is_edited_by_the_same_rules(receptions: Receptions, system: System) -> None:
    before = body(await Owner(system).asks("GET", "property"), 200)
    owner = await opened(receptions, "property", viewport=PHONE)
    page = owner.page

    await page.fill("#f-time_zone", "Europe/Wien")
    await page.fill("#f-pay_within", "1")
    await page.fill("#f-theme-accent", "green")
    await page.fill("#f-cancel_until", "two")
    await page.click("#save")
    await page.click("#do")
    await expect(page.locator(".mistakes li")).to_have_count(4)
    for field in ("time_zone", "pay_within", "theme-accent", "cancel_until"):
        await expect(page.locator(f"#f-{field}")).to_have_attribute("aria-invalid", "true")
    await owner.check("16-property-mistakes-phone")
    await page.fill("#f-time_zone", "Europe/Vienna")
    await page.fill("#f-pay_within", "45")
    await page.fill("#f-theme-accent", "#0a6b4f")
    await page.fill("#f-cancel_until", "36")
    await page.fill("#f-languages", "en, de, it")
    await page.press("#f-languages", "Tab")
    await page.fill("#f-name-it", "Albergo Alpino")
    await page.fill("#f-name-en", "Alpenhof Inn")
    await page.click("#save")
    await page.click("#do")

    await expect(page.locator("#versions-title")).to_have_text(f"Version {before['version'] + 1}")
    await expect(page.locator("#hotel")).to_have_text("Alpenhof Inn")
    await owner.check("17-property-phone")
    after = body(await Owner(system).asks("GET", "property"), 200)
    changed = {name: after["definition"][name] for name in ("pay_within", "cancel_until", "languages")}
    assert changed == {"pay_within": "PT45M", "cancel_until": "P1DT12H", "languages": ["en", "de", "it"]}
    assert after["definition"]["name"]["it"] == "Albergo Alpino"
    back = {"version": after["version"], "definition": before["definition"]}
    body(await Owner(system).asks("PUT", "property", back), 200)


async def test_a_picture_is_dropped_into_the_form_described_and_shown(receptions: Receptions, system: System) -> None:
    await made(system, "alm-yoga-three")
    owner = await opened(receptions, "catalogue/alm-yoga-three")
    page = owner.page
    file = base64.b64encode(jpeg()).decode()

    await page.set_input_files("#f-picture-file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"})
    await expect(page.locator(".drop .trouble")).to_contain_text("not a JPEG, PNG or WebP")
    await page.evaluate(DROP, file)
    await expect(page.locator(".drop img")).to_be_visible()
    await expect(page.locator(".drop img")).to_have_js_property("complete", True)
    await page.click("#save")
    await page.click("#do")
    await expect(page.locator(".mistakes li")).to_have_text(
        ["Write what the picture shows, in the first language of the house."]
    )
    await page.fill("#f-picture-alt-en", "A hall with mats")
    await owner.check("18-picture")
    await page.click("#save")
    await page.click("#do")

    await expect(page.locator("#versions-title")).to_have_text("Version 2")
    picture = (await stored(system, "alm-yoga-three"))["definition"]["picture"]
    assert picture["alt"] == {"en": "A hall with mats"}
    await expect(page.locator(".drop img")).to_have_attribute("src", f"/v1/pictures/{picture['picture_id']}/480")
    await page.click("#f-picture-file-remove")
    await page.click("#save")
    await page.click("#do")
    await expect(page.locator("#versions-title")).to_have_text("Version 3")
    assert (await stored(system, "alm-yoga-three"))["definition"]["picture"] is None
    body(await Owner(system).asks("POST", "catalogue/alm-yoga-three/retire", {"version": 3}), 200)
