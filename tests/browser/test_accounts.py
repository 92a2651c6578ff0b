"""The owner names an account at the PSP, and a guest pays it on the page: one with a key of its own, or connected."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Visit
from tests.browser.reception import Reception, receptions_of
from tests.integration.money.test_accounts import ACCOUNTS, captured
from tests.support.system import System


@pytest.fixture
async def owner(chromium: Browser, own_system: Callable[..., Awaitable[System]]) -> AsyncIterator[Reception]:
    """The owner at the property's page, on a system with several accounts."""
    system = await own_system(psp_accounts=ACCOUNTS)
    async with receptions_of(chromium, system) as receptions:
        owner = await receptions.opens("owner", "hilde")
        await owner.at("property")
        await expect(owner.page.locator("#f-psp_account")).to_have_value("default")
        yield owner


async def _names(owner: Reception, account: str) -> None:
    """The owner writes another account and saves."""
    page, before = owner.page, await _version(owner.page)
    await page.fill("#f-psp_account", account)
    await page.click("#save")
    await page.click("#do")
    await expect(page.locator("#versions-title")).to_have_text(f"Version {before + 1}")


async def _version(page: Page) -> int:
    return int(str(await page.locator("#versions-title").text_content()).removeprefix("Version "))


@pytest.mark.timeout(300)
async def test_a_guest_pays_the_account_that_the_owner_named(owner: Reception, visit: Visit) -> None:
    await owner.page.fill("#f-psp_account", "The Seaside!")
    await owner.page.click("#save")
    await owner.page.click("#do")
    await expect(owner.page.locator("#f-psp_account")).to_have_attribute("aria-invalid", "true")
    await owner.check("19-account-mistake")

    for account in ("seaside", "harbour"):
        await _names(owner, account)
        guest = await visit(on=owner.system)
        order_id = await guest.order()
        await guest.pay()
        await guest.confirms()
        assert await captured(owner.system, order_id) == {account: 4800}


async def test_a_guest_reads_that_it_cannot_be_paid_where_no_setting_has_the_account(
    owner: Reception, visit: Visit
) -> None:
    """And pays once it is named rightly: an order keeps the account of its time, a new one has the new account."""
    await _names(owner, "seasid")
    guest = await visit(on=owner.system)
    await guest.order()
    await guest.is_at("trouble")
    await expect(guest.page.locator(".trouble .headline")).to_have_text("The payment could not be prepared")
    await guest.picture("19-account-unknown", whole=True)

    await _names(owner, "seaside")
    await guest.page.click(".way-back a")
    order_id = await guest.order()
    await guest.pay()
    await expect(guest.confirmation).to_be_visible()
    assert await captured(owner.system, order_id) == {"seaside": 4800}
