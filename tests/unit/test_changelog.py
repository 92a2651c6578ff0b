"""CHANGELOG.md has the version that pyproject.toml names, in the form of Keep a Changelog."""

import re
import tomllib
from datetime import date
from pathlib import Path

from packaging.version import Version

from chassis.runtime.startup import VERSION

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
HEADINGS = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
RELEASES = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})", heading) for heading in HEADINGS[1:]]
SECTIONS = ("Upgrading", "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def test_the_newest_release_is_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    newest = RELEASES[0]

    assert newest is not None
    assert newest[1] == project["version"] == VERSION


def test_unreleased_is_on_top_and_every_release_has_a_version_and_a_date_newest_first() -> None:
    releases = [(Version(found[1]), date.fromisoformat(found[2])) for found in RELEASES if found]

    assert HEADINGS[0] == "[Unreleased]"
    assert len(releases) == len(RELEASES)
    assert releases == sorted(releases, reverse=True)


def test_the_sections_of_a_release_are_the_known_ones_each_once_and_in_order() -> None:
    for release in re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:]:
        sections = [heading.split(" from ")[0] for heading in re.findall(r"^### (.+)$", release, re.MULTILINE)]

        assert sections == [known for known in SECTIONS if known in sections], release.partition("\n")[0]
