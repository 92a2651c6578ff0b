"""A real Chromium, and guests in it, on a running system."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.reception import ARTEFACTS, Receptions, receptions_of
from tests.browser.visitor import Visitor
from tests.support.fixtures import _no_proxy_between_the_parts, own_system, system
from tests.support.system import System

__all__ = ["ARTEFACTS", "_no_proxy_between_the_parts", "own_system", "system"]

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PHONE = {"width": 390, "height": 844}

Visit = Callable[..., Awaitable[Visitor]]


@pytest.fixture(scope="package")
async def chromium() -> AsyncIterator[Browser]:
    """The machine's own Chromium; `make test` installs it where it may."""
    named = os.environ.get("BELLHOP_TEST_CHROMIUM")
    program = named or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if program is None:
        if os.geteuid() == 0:
            pytest.fail("There is no Chromium: run `make test`, which installs it, or set BELLHOP_TEST_CHROMIUM.")
        pytest.skip("NOT TESTED: the guest's page, for there is no Chromium. Install it: sudo apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where screenshots are kept."""
    folder = ARTEFACTS / "guest-page"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
async def visit(chromium: Browser, system: System, pictures: Path) -> AsyncIterator[Visit]:
    """Lets a guest open their link: `guest = await visit(locale="de-DE", on=other_system)`. What their page complains
    about fails the test."""
    visitors: list[Visitor] = []

    async def arrive(*, on: System = system, property_id: str = "alpenhof", **options: Any) -> Visitor:
        usual = {"viewport": PHONE, "locale": "en-GB", "reduced_motion": "reduce"}
        window = await chromium.new_context(**{**usual, **options})
        visitor = Visitor(window, await window.new_page(), on, on.guest(property_id), pictures)
        visitors.append(visitor)
        await visitor.open()
        return visitor

    yield arrive
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    for visitor in visitors:
        await visitor.window.close()
    assert complaints == []


@pytest.fixture
async def receptions(chromium: Browser, system: System) -> AsyncIterator[Receptions]:
    async with receptions_of(chromium, system) as desks:
        yield desks
