"""What is installed is what the lock says, unaltered, under a licence we may use."""

import base64
import hashlib
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tools.check_environment import is_accepted, locked_versions, problems

LOCKED = {canonicalize_name("thing"): "1.0"}
IMAGE = "other==2 \\\n    --hash=sha256:00\n"
CONTENT = b"print('as published')\n"


def thing(folder: Path, *, name: str = "thing", version: str = "1.0", licence: str = "MIT") -> Distribution:
    """An installed package of one file."""
    (folder / "thing.py").write_bytes(CONTENT)
    about = folder / f"{name}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
        + (f"License-Expression: {licence}\n" * bool(licence))
    )
    digest = base64.urlsafe_b64encode(hashlib.sha256(CONTENT).digest()).rstrip(b"=").decode()
    (about / "RECORD").write_text(f"thing.py,sha256={digest},{len(CONTENT)}\n{about.name}/RECORD,,\n")
    return PathDistribution(about)


def test_what_is_locked_and_unaltered_is_no_problem(tmp_path: Path) -> None:
    assert list(problems([thing(tmp_path)], LOCKED, IMAGE)) == []


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"version": "1.1"}, "thing 1.1 is installed, and requirements.txt pins 1.0"),
        ({"name": "stray"}, "stray 1.0 is installed, and requirements.txt does not pin it"),
        ({"licence": "AGPL-3.0-only"}, "thing has the licence 'AGPL-3.0-only', which is not on the accepted list"),
        (
            {"licence": "MIT AND GPL-3.0-only"},
            "thing has the licence 'MIT AND GPL-3.0-only', which is not on the accepted list",
        ),
        ({"licence": ""}, "thing has the licence '', which is not on the accepted list"),
    ],
)
def test_whatever_is_not_as_locked_or_not_ours_to_use_is_named(
    about: dict[str, str], said: str, tmp_path: Path
) -> None:
    assert list(problems([thing(tmp_path, **about)], LOCKED, IMAGE)) == [said]


@pytest.mark.parametrize("damage", [b"import os\n", None], ids=["altered", "gone"])
def test_a_file_that_is_not_what_was_installed_is_named(damage: bytes | None, tmp_path: Path) -> None:
    installed = thing(tmp_path)
    (tmp_path / "thing.py").unlink()
    if damage is not None:
        (tmp_path / "thing.py").write_bytes(damage)

    assert list(problems([installed], LOCKED, IMAGE)) == ["thing: thing.py is not what was installed"]


def test_a_gpl_program_stays_out_of_the_image() -> None:
    image = IMAGE + "SecantusDB==0.7 \\\n    --hash=sha256:00\n"

    assert list(problems([], LOCKED, image)) == [
        "SecantusDB is GPL and must not be in the container image (deploy/requirements.txt)"
    ]


@pytest.mark.parametrize(
    ("licence", "accepted"),
    [
        ("MIT", True),
        ("GPL-3.0-or-later OR MIT", True),
        ("MIT AND BSD-3-Clause", True),
        ("GPL-3.0-or-later", False),
        ("", False),
    ],
)
def test_one_alternative_must_be_wholly_acceptable(licence: str, accepted: bool) -> None:
    assert is_accepted(licence) is accepted


def test_pins_for_other_machines_do_not_count() -> None:
    lock = "a==1 ; sys_platform == 'win32' \\\n    --hash=sha256:00\nb==2 \\\n    --hash=sha256:00\n"

    assert locked_versions(lock) == {"b": "2"}
