"""docs/architecture.md and CONTRIBUTING.md lead to code that is there, and no page has a link to nowhere."""

import re
from pathlib import Path

import pytest

from tests.integration.flow.test_counted import FLOW

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *(ROOT / "docs").rglob("*.md")])

_OF_TODAY = [page for page in PAGES if page.name != "CHANGELOG.md" and page.parent.name != "decisions"]

_PATH = re.compile(r"`([\w-]+(?:/[\w.-]+)*/\w[\w.-]*)`")
_CODE = re.compile(r"\[`(?P<path>[\w/.]+)`\]\([\w/.]+\)(?P<names>(?: `\w+`,?)*)")
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)(?P<target>[^)#\s]+)(?:#(?P<heading>[^)\s]+))?\)")


def test_every_function_and_class_of_the_walk_stands_in_the_file_that_is_named() -> None:
    walked = [
        (found["path"], name) for found in _CODE.finditer(ARCHITECTURE) for name in re.findall(r"\w+", found["names"])
    ]

    missing = [f"{path}: {name}" for path, name in walked if not _defines(ROOT / path, name)]

    assert len(walked) > 30
    assert missing == []


def test_the_steps_take_the_messages_that_a_paid_order_takes() -> None:
    steps = ARCHITECTURE.partition("## A paid order")[2].partition("\n## ")[0]

    assert tuple(re.findall(r"`(\w+\.[\w-]+\.v\d+)`", steps)) == FLOW


@pytest.mark.parametrize("page", _OF_TODAY, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    rooms = {folder.name for folder in ROOT.iterdir() if folder.is_dir() and not folder.name.startswith(".")}

    named = [path for path in _PATH.findall(page.read_text()) if path.partition("/")[0] in rooms]

    assert [path for path in named if not (ROOT / path).exists()] == []


def test_a_line_of_the_recipes_names_what_its_files_have() -> None:
    recipes = CONTRIBUTING.partition("## Recipes")[2].partition("\n## ")[0]
    lines = [
        (set(re.findall(r"`(_?[A-Z][A-Za-z_]+)`", line)), re.findall(r"\]\(([\w/]+\.py)\)", line))
        for line in re.split(r"\n(?=\||\d\. )", recipes)
    ]

    missing = {
        name
        for names, files in lines
        for name in names
        if not re.search(rf"\b{name}\b", "".join((ROOT / file).read_text() for file in files))
    }

    assert missing == set()
    assert sum(len(names) for names, _ in lines) > 5


def test_every_room_is_described() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {"tests"}
    described = set(re.findall(r"`(\w+)/`", ARCHITECTURE.partition("\n## Rooms")[2]))

    assert rooms - described == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in _LINK.finditer(re.sub(r"`[^`]*`", "", page.read_text())):
        target = page.parent / link["target"]
        assert target.exists(), link["target"]
        if link["heading"] and target.suffix == ".md":
            assert link["heading"] in _headings(target), link[0]


def _defines(file: Path, name: str) -> bool:
    there = rf"(?:def|class) {name}\b" if file.suffix == ".py" else rf"\b{name}\("
    return re.search(there, file.read_text()) is not None


def _headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}
