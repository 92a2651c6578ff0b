"""The site of the documents: built strictly, without a file that is missing or one of another server."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[3]

_LINK = re.compile(r'(?:href|src)="([^"#?]+)[^"]*"')
_MARKER = re.compile(r"^(?:- |\| |\d+\. ).+", re.MULTILINE)
_LOADED = re.compile(r'<(?:script|img|link)\b[^>]*\b(?:src|href)="(https?:[^"]+)"')


_WARNING = re.compile(r"^WARNING.*(?:\n  - .*)*", re.MULTILINE)
_MISTAKES = ("docs/gone.md", "docs/money.md#gone", "chassis/gone.py", "docs/orphan.md")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The site of a copy with mistakes, and what the build says. One build serves all tests: drawing takes seconds."""
    folder = tmp_path_factory.mktemp("docs")
    copy = folder / "copy"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "node_modules", "site", "test-artefacts")
    shutil.copytree(ROOT, copy, ignore=ignored)
    (copy / "docs" / "orphan.md").write_text("# A page that the navigation does not name\n")
    with (copy / "README.md").open("a") as readme:
        readme.write("\n[a page](docs/gone.md) [a heading](docs/money.md#gone) [a file](chassis/gone.py)\n")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", f"--config-file={copy}/mkdocs.yaml"]
    built = subprocess.run([*command, f"--site-dir={folder}/site"], capture_output=True, text=True, check=False)
    assert built.returncode == 1, "mistakes stop the build"
    return folder / "site", built.stderr


@pytest.fixture(scope="module")
def site(build: tuple[Path, str]) -> Path:
    return build[0]


def test_the_build_stops_at_dead_links_and_at_a_page_without_a_place_and_at_nothing_else(
    build: tuple[Path, str],
) -> None:
    warnings = sorted(_WARNING.findall(build[1]))

    assert len(warnings) == len(_MISTAKES), warnings
    assert all(any(mistake in warning for warning in warnings) for mistake in _MISTAKES), warnings


def test_every_link_of_the_built_site_leads_to_a_file_of_it(site: Path) -> None:
    pages = list(site.rglob("*.html"))

    dead = {
        (page.relative_to(site).as_posix(), link)
        for page in pages
        if page.name != "404.html"  # served for any address: its links are absolute
        for link in _LINK.findall(page.read_text())
        if not re.match(r"\w+:", link) and not (page.parent / unquote(link)).exists()
    }
    assert dead == {("index.html", "docs/gone.md"), ("index.html", "chassis/gone.py")}, "the planted ones alone"
    assert {"index.html", "CONTRIBUTING.html", "extras_service/order/decide.py.html"} <= {
        page.relative_to(site).as_posix() for page in pages
    }
    assert (site / "docs" / "openapi.json").read_text() == (ROOT / "docs" / "openapi.json").read_text()
    assert (site / "docs" / "asyncapi.json").exists()
    assert (site / "docs" / "webhooks.json").exists()


def test_lists_and_tables_are_shown_as_such(site: Path) -> None:
    pages = {page: re.sub(r"<pre.*?</pre>", "", page.read_text(), flags=re.DOTALL) for page in site.rglob("*.html")}

    as_text = {page.name: found[0] for page, text in pages.items() if (found := _MARKER.search(text))}

    assert as_text == {}, "a list or table needs a blank line before it"


def test_diagrams_are_drawn(site: Path) -> None:
    page = (site / "docs" / "state-machines.html").read_text()

    diagrams = re.findall(r'<figure class="diagram"><svg id="([\w-]+)".*?</svg></figure>', page, re.DOTALL)

    assert len(set(diagrams)) == 4
    assert "stateDiagram-v2" not in page


def test_a_page_loads_nothing_from_another_server(site: Path) -> None:
    loaded = {address for page in site.rglob("*.html") for address in _LOADED.findall(page.read_text())}

    assert loaded == set()
