"""Members of staff at the desk, each in a browser of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.visitor import _EXPECTED
from tests.support.guest import token
from tests.support.system import GATEWAY, System
from tests.support.waiting import PATIENCE

ARTEFACTS = Path(__file__).resolve().parents[2] / "test-artefacts"
PICTURES = ARTEFACTS / "desk"
TABLET = {"width": 1024, "height": 768}


@dataclass
class Reception:
    page: Page
    system: System
    complaints: list[str] = field(default_factory=list)

    async def sees(self, order_id: str) -> None:
        await self.page.click(f"#row-{order_id}")
        await expect(self.page.locator("h1")).to_contain_text("·")

    async def at(self, place: str) -> None:
        """Open a view of the desk, such as `catalogue`."""
        await self.page.evaluate("place => { location.hash = `#/${place}`; }", place)

    async def check(self, name: str) -> None:
        """The page is accessible, does not scroll sideways, and its picture is kept."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=str(PICTURES / f"{name}.png"), full_page=True)
        # Not with axe's copies of the style sheets, which it makes for the preview's own root: the policy forbids them.
        found = await Axe().run(self.page, options={"preload": False})
        wrong = [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found.response["violations"]]
        assert wrong == []
        assert await self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


class Receptions:
    def __init__(self, chromium: Browser, system: System) -> None:
        self._chromium, self._system = chromium, system
        self.all: list[Reception] = []
        self.windows: list[BrowserContext] = []

    async def opens(self, role: str = "manager", sub: str = "lena", **options: Any) -> Reception:
        usual: dict[str, Any] = {"viewport": TABLET, "locale": "en-GB", "reduced_motion": "reduce"}
        window = await self._chromium.new_context(**{**usual, **options})
        self.windows.append(window)
        window.set_default_timeout(PATIENCE * 1000)
        reception = Reception(await window.new_page(), self._system)
        self.all.append(reception)
        page, complaints = reception.page, reception.complaints
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: (
                complaints.append(said.text)
                if said.type in ("error", "warning") and not _EXPECTED.search(said.text)
                else None
            ),
        )
        signed = token(sub=sub, role=role, property="alpenhof", reservation=None, stay_from=None, stay_to=None)
        await page.goto(f"{self._system.parts[GATEWAY].url}/desk#token={signed}")
        await expect(page.locator("#list-title")).to_be_visible()
        assert "token" not in page.url
        return reception


@asynccontextmanager
async def receptions_of(chromium: Browser, system: System) -> AsyncIterator[Receptions]:
    """Receptions of a system. What their pages complain about fails the test."""
    desks = Receptions(chromium, system)
    yield desks
    for window in desks.windows:
        await window.close()
    assert [complaint for each in desks.all for complaint in each.complaints] == []
