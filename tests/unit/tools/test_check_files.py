"""No dump and no binary gets into the repository."""

import subprocess
from pathlib import Path

import pytest

from tools.check_files import LARGEST, ROOT, kept, problems


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text("*.dump\n")
    (tmp_path / "readme.md").write_text("Grüße\n")
    return tmp_path


def test_texts_are_kept_and_what_git_ignores_is_not_looked_at(repository: Path) -> None:
    (repository / "erl.dump").write_bytes(b"\0")

    assert list(problems(kept(repository))) == []


@pytest.mark.parametrize("name", ["MnesiaCore.bellhop", "picture.txt", "a\nb.bin"])
def test_a_file_with_a_nul_byte_is_refused_whatever_it_is_called(repository: Path, name: str) -> None:
    (repository / name).write_bytes(b"text at first\0\1\2")

    (problem,) = problems(kept(repository))

    assert name in problem
    assert "NUL" in problem


def test_a_large_text_is_refused(repository: Path) -> None:
    (repository / "crash.log").write_bytes(b"x" * (LARGEST + 1))

    (problem,) = problems(kept(repository))

    assert "crash.log" in problem


def test_links_and_removed_files_are_left_alone(repository: Path) -> None:
    (repository / "link").symlink_to(repository / "gone")

    assert list(problems([*kept(repository), repository / "removed"])) == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_this_repository_holds_texts_only() -> None:
    assert list(problems(kept(ROOT))) == []
