"""The linter of the pages' scripts finds names that nothing declares, exports or uses: no browser runs every line."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[3]
_SHARED = _ROOT / "chassis" / "web" / "static"
_PAGES = {
    "the guest's page": "gateway/static",
    "the desk": "gateway/static/desk",
    "the operator's page": "ops/web/static",
}

_BREAKS = {
    "a variable is renamed in its declaration only": (
        "const steps = h(",
        "const stages = h(",
        "'steps' is not defined",
    ),
    "a module does not export what is imported": (
        "{ chip, clock }",
        "{ chip, clocks }",
        'named import "clocks" not found',
    ),
    "a shared module does not export what is imported": (
        "{ h, refill }",
        "{ h, fill }",
        'named import "fill" not found',
    ),
    "a name is imported for nothing": ("{ chip, clock }", "{ chip, clock, link }", "'link' is imported but never used"),
}


@pytest.fixture
def page(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A page's scripts beside those it shares with the other, as they are served."""
    folder = tmp_path / "static"
    shutil.copytree(_ROOT / request.param, folder)
    shutil.copytree(_SHARED, folder, dirs_exist_ok=True)
    shutil.copy(_ROOT / ".oxlintrc.json", tmp_path)
    return folder


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("oxlint")), "--format=unix"]
    return subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("page", _PAGES.values(), ids=_PAGES, indirect=True)
def test_every_name_in_a_pages_scripts_is_declared_and_used(page: Path) -> None:
    linted = lint(page)

    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("page", ["ops/web/static"], indirect=True)
@pytest.mark.parametrize(("old", "new", "complaint"), _BREAKS.values(), ids=_BREAKS)
def test_a_name_that_does_not_exist_is_found(page: Path, old: str, new: str, complaint: str) -> None:
    script = page / "trace.js"
    assert old in script.read_text()
    script.write_text(script.read_text().replace(old, new))

    linted = lint(page)

    assert linted.returncode == 1
    assert complaint in linted.stdout
