"""codespell knows the words that the glossary has replaced."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
RETIRED = ROOT / "tools" / "retired_words.txt"
WORDS = [line.partition("->")[0] for line in RETIRED.read_text().splitlines()]
COMMAND = next(line.strip() for line in (ROOT / "Makefile").read_text().splitlines() if "/codespell " in line)


@pytest.mark.parametrize("word", WORDS)
def test_a_retired_word_is_named_with_what_to_say_instead(tmp_path: Path, word: str) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    shutil.copy(RETIRED, tools)
    (tmp_path / "page.md").write_text(f"# A page\n\nHere it is {word} written.\n")
    program, *options = COMMAND.split()

    said = subprocess.run(
        [ROOT / re.sub(r"^\$\(VENV\)", ".venv/bin", program), *options, "page.md"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode != 0
    assert f"page.md:3: {word} ==>" in said.stdout


def test_a_word_is_retired_once() -> None:
    assert len(WORDS) == len(set(WORDS)) > 5
