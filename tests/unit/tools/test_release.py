"""What may be released, and what the workflow does."""

from typing import Any

import pytest
import yaml

from tools.generated_file import ROOT
from tools.release import notes, problems, version

V = version()
FITS = (
    f"# Changelog\n\n## [Unreleased]\n\n## [{V}] - 2026-11-27\n\n### Upgrading\n- Nothing.\n\n## [0.0.1] - 2026-01-01\n"
)


def test_a_commit_whose_version_tag_and_changelog_agree_can_be_released() -> None:
    assert problems(f"v{V}", FITS, "") == []
    assert notes(V, FITS) == "### Upgrading\n- Nothing."


@pytest.mark.parametrize(
    ("tag", "changelog", "changed", "problem"),
    [
        ("v9.9.9", FITS, "", f"the tag is v9.9.9, and pyproject.toml has version {V}"),
        (f"v{V}", FITS.replace(f"[{V}]", "[9.9.9]"), "", f"no section '## [{V}]"),
        (f"v{V}", FITS.replace("### Upgrading", "### Added"), "", "does not say how to upgrade"),
        (f"v{V}", FITS.replace("## [Unreleased]\n", "## [Unreleased]\n- more\n"), "", "changes under Unreleased"),
        (None, FITS, " M pyproject.toml\n", "files differ from the commit"),
    ],
)
def test_each_reason_not_to_release_is_named(tag: str | None, changelog: str, changed: str, problem: str) -> None:
    [found] = problems(tag, changelog, changed)

    assert problem in found


def test_without_a_tag_changes_under_unreleased_are_no_problem() -> None:
    assert problems(None, FITS.replace("## [Unreleased]\n", "## [Unreleased]\n- more\n"), "") == []


def test_the_repository_has_notes_for_its_version() -> None:
    assert problems(None, (ROOT / "CHANGELOG.md").read_text(), "") == []


def test_the_workflow_tests_first_and_only_the_release_may_write() -> None:
    workflow: Any = yaml.safe_load((ROOT / ".github/workflows/release.yaml").read_text())
    called: Any = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())
    jobs = workflow["jobs"]

    assert workflow["permissions"] == {"contents": "read"}
    assert "workflow_call" in called[True]  # YAML reads the key `on` as true
    assert jobs["test"] == {"uses": "./.github/workflows/ci.yaml"}
    assert jobs["release"]["needs"] == "test"
    commands = [step.get("run", "") for step in jobs["release"]["steps"]]
    assert 'make release TAG="$GITHUB_REF_NAME"' in commands
    assert not any("${{" in command for command in commands), "an expression in a shell command can be an injection"
