"""The guest's page as files: what is sent, under which policy, how heavy it is, and whether its texts are all there."""

import json
import re
import zipfile
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from chassis.web import problems
from chassis.web.static_assets import KIT, StaticAssets
from contracts.deliveries import DeliveryStatus, SubscriberCondition
from contracts.order_actions import ActionKind
from contracts.orders import OrderStatus, PaymentStatus
from contracts.payments import RefundStage
from contracts.staff_roles import StaffRole
from contracts.webhooks import WebhookType
from gateway.desk_page import desk_page
from gateway.guest_page import FOLDER, Page, decimals, policy_for
from gateway.settings import STRIPE_JS_URL, GatewaySettings
from ops.web.files import FOLDER as OPERATORS_PAGE
from tools.release import build_wheel

DESK = FOLDER / "desk"
ROOT = Path(__file__).resolve().parents[3]
BUDGET = 60 * 1024
"""Bytes a guest's browser receives from us, compressed as it asks for."""


def settings(themes: Path | None = None) -> GatewaySettings:
    return GatewaySettings(
        amqp_url=SecretStr("amqp://unused"),
        jwt_secret=SecretStr("x" * 32),
        jwt_issuer="tests",
        seal_keys=SecretStr("A" * 43 + "="),
        stripe_js_url="http://127.0.0.1:12111/v3/",
        page_themes=themes,
    )


def browser(themes: Path | None = None) -> httpx.AsyncClient:
    app = FastAPI()
    problems.install(app)
    app.include_router(Page(settings(themes)).routes())
    app.include_router(desk_page())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page")


async def addresses(http: httpx.AsyncClient) -> list[str]:
    """What the page names of our own."""
    return sorted(set(re.findall(r'(?:href|src)="(/[^"]+)"', (await http.get("/")).text)))


async def test_everything_the_page_names_is_there_and_kept_for_ever() -> None:
    async with browser() as http:
        named = await addresses(http)
        answers = [await http.get(address) for address in named]

    files = {file.name for folder in (FOLDER, KIT) for file in folder.iterdir() if file.is_file()}
    assert {Path(address).name for address in named} == files - {"index.html"} | {"decimals.json"}
    assert {answer.status_code for answer in answers} == {200}
    assert all("immutable" in answer.headers["cache-control"] for answer in answers)


async def test_the_page_itself_is_asked_for_again_and_not_sent_again() -> None:
    async with browser() as http:
        first = await http.get("/")
        again = await http.get("/", headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")


async def test_files_of_another_version_are_answered_with_ours_and_not_kept() -> None:
    async with browser() as http:
        answer = await http.get("/page/0123456789abcdef/app.js")

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


async def test_nothing_outside_the_page_is_served() -> None:
    async with browser() as http:
        statuses = [
            (await http.get(address)).status_code
            for address in ("/page/v/..%2Fpage.py", "/page/v/index.html", "/page/theme/..%2F..%2Fsecrets.css")
        ]

    assert set(statuses) <= {404, 422}


async def test_every_answer_carries_a_policy_without_inline_code() -> None:
    async with browser() as http:
        answers = [await http.get(address) for address in ["/", *await addresses(http), "/page/theme/alpenhof.css"]]

    policies = {answer.headers["content-security-policy"] for answer in answers}
    assert len(policies) == 1
    assert "unsafe" not in policies.pop()
    assert {answer.headers["x-content-type-options"] for answer in answers} == {"nosniff"}


async def test_no_code_and_no_style_stands_in_the_markup() -> None:
    markup = (FOLDER / "index.html").read_text()

    assert re.findall(r"<script(?![^>]*\ssrc=)", markup) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", markup) == []


def test_only_the_sandbox_is_asked_when_the_sandbox_is_configured() -> None:
    policy = policy_for("http://127.0.0.1:12111/v3/")

    assert set(re.findall(r"https?://\S+?(?=[; ]|$)", policy)) == {"http://127.0.0.1:12111"}


def test_with_the_real_script_the_policy_is_the_one_stripe_asks_for() -> None:
    rules = dict(rule.split(" ", 1) for rule in policy_for(STRIPE_JS_URL).split("; "))

    assert rules["script-src"] == "'self' https://js.stripe.com https://*.js.stripe.com"
    assert rules["frame-src"] == "https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com"
    assert rules["connect-src"] == "'self' https://api.stripe.com"
    assert rules["default-src"] == "'none'"


async def test_the_page_stays_below_its_weight() -> None:
    async with browser() as http:
        sent = [
            await http.get(address, headers={"Accept-Encoding": "gzip"}) for address in ["/", *await addresses(http)]
        ]

    assert {answer.headers["content-encoding"] for answer in sent} == {"gzip"}
    assert sum(int(answer.headers["content-length"]) for answer in sent) < BUDGET


async def test_a_property_has_its_own_theme_and_others_have_none(tmp_path: Path) -> None:
    (tmp_path / "alpenhof.css").write_text(":root { --accent: #123456; }")

    async with browser(tmp_path) as http:
        own, other = await http.get("/page/theme/alpenhof.css"), await http.get("/page/theme/kamogawa.css")

    assert "#123456" in own.text
    assert (other.status_code, other.text) == (200, "")
    assert own.headers["content-type"].startswith("text/css")


def messages() -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = json.loads((FOLDER / "messages.json").read_text())
    return texts


def test_both_languages_say_the_same_things_with_the_same_blanks() -> None:
    english, german = messages()["en"], messages()["de"]

    assert list(english) == list(german)
    blanks = {name: [sorted(re.findall(r"{\w+}", text[name])) for text in (english, german)] for name in english}
    assert {name: pair for name, pair in blanks.items() if pair[0] != pair[1]} == {}
    assert [name for name in english if not english[name].strip() or not german[name].strip()] == []


def test_every_text_the_code_asks_for_by_name_is_there() -> None:
    code = "\n".join(file.read_text() for file in FOLDER.glob("*.js"))

    asked = set(re.findall(r'\bsay\("([^"]+)"', code))

    assert asked - set(messages()["en"]) == set()
    assert len(asked) > 30


def test_the_desk_has_every_text_it_asks_for_in_both_languages() -> None:
    texts = json.loads((DESK / "messages.json").read_text())
    preview = DESK / "preview.js"  # drawn with the guest's page's own texts
    code = "\n".join(file.read_text() for file in DESK.glob("*.js") if file != preview)

    asked = set(re.findall(r'\bsay\("([^"]+)"', code))

    assert set(re.findall(r'\bsay\("([^"]+)"', preview.read_text())) <= messages()["en"].keys()
    assert texts["en"].keys() == texts["de"].keys()
    assert asked - texts["en"].keys() == set()
    assert {f"status.{status}" for status in OrderStatus} <= texts["en"].keys()
    assert {f"money.{status}" for status in PaymentStatus} <= texts["en"].keys()
    assert {f"stage.{stage}" for stage in RefundStage} <= texts["en"].keys()
    assert {f"events.{action}" for action in ActionKind} <= texts["en"].keys()
    assert {f"role.{role}" for role in StaffRole} <= texts["en"].keys()
    assert {f"webhook.{kind}" for kind in WebhookType} <= texts["en"].keys()
    assert {f"delivery.{status}" for status in DeliveryStatus} <= texts["en"].keys()
    assert {f"condition.{condition}" for condition in SubscriberCondition} <= texts["en"].keys()


async def test_the_desk_and_all_it_names_come_under_a_policy_that_lets_nothing_else_in() -> None:
    async with browser() as http:
        page = await http.get("/desk")
        named = re.findall(r'(?:href|src)="(/desk/[^"]+)"', page.text)
        answers = [await http.get(address) for address in named]
        missing = await http.get("/desk/0123456789abcdef/none.js")

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "'unsafe" not in policy
    assert {answer.status_code for answer in answers} == {200}
    assert len(named) > 15
    assert missing.status_code == 404


def test_decimals_are_those_the_psp_adapter_counts_with() -> None:
    assert {"JPY": 0, "KWD": 3}.items() <= decimals().items()
    assert "EUR" not in decimals()


@pytest.mark.parametrize("folder", [FOLDER, DESK, OPERATORS_PAGE], ids=["guest", "desk", "operator"])
def test_a_page_has_nothing_of_its_own_that_the_kit_has(folder: Path) -> None:
    def defined(where: Path) -> set[str]:
        code = "\n".join(file.read_text() for file in where.glob("*.js"))
        return set(re.findall(r"^(?:export )?(?:async )?(?:function|class|const) (\w+)", code, re.MULTILINE))

    assert defined(folder) & defined(KIT) == set()


def test_a_file_of_a_page_that_hides_one_of_the_kit_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "dom.js").write_text("")
    (tmp_path / "index.html").write_text("")

    with pytest.raises(ValueError, match=r"the kit has, too: dom\.js"):
        StaticAssets(tmp_path, "/page")


@pytest.mark.timeout(60)
def test_every_page_and_the_kit_are_in_the_wheel(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)

    packed = {name for name in zipfile.ZipFile(wheel).namelist() if "/static/" in name and "sandbox" not in name}

    folders = (FOLDER, DESK, KIT, OPERATORS_PAGE)
    files = (file for folder in folders for file in folder.iterdir() if file.is_file())
    assert packed == {str(file.relative_to(ROOT)) for file in files}
