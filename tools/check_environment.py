"""Checks that installed packages match the lock, are unaltered, and have an accepted licence.

`python -m tools.check_environment --check`. It does not know vulnerabilities of pinned versions: that needs a database
of advisories, and so a network; docs/security.md has the command.
"""

import base64
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, PackagePath, distributions
from pathlib import Path
from typing import Annotated

import typer
from packaging.utils import NormalizedName, canonicalize_name

from tools.check_lock import ROOT, pins

FREE_OF_THE_LOCK = {"bellhop", "pip", "setuptools"}
"""Bellhop itself, and the packages of a new virtual environment."""

ACCEPTED = {
    *(
        "MIT",
        "MIT License",
        "MIT-0",
        "MIT-CMU",
        "ISC",
        "ISC License (ISCL)",
        "0BSD",
        "Zlib",
        "CC0-1.0",
        "Public Domain",
    ),
    *(
        "BSD License",
        "3-Clause BSD License",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "PSF-2.0",
        "Python Software Foundation License",
    ),
    *("Apache-2.0", "Apache Software License"),
    # Only the files of the library itself must stay under these, and we change none.
    *("MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)", "LGPL-3.0-or-later"),
}
"""Licences that an Apache-2.0 project may import, as packages spell them."""

PROCESSES_OF_THEIR_OWN = {"secantusdb", "localstripe", "codespell"}
"""GPL: run as programs, never imported (import-linter enforces it), and not in the container image."""

WITHOUT_WORDS = {"axe-playwright-python": "MIT", "quickjs-ng": "MIT"}
"""Packages whose metadata names no licence, which was read from their licence file."""

_NO_LICENCES = {"OSI Approved", "DFSG approved"}


def problems(installed: Iterable[Distribution], locked: Mapping[NormalizedName, str], image: str) -> Iterator[str]:
    """The problems, one sentence each. `image` is the text of the container image's lock."""
    for distribution in installed:
        name = canonicalize_name(distribution.metadata["Name"])
        if name in FREE_OF_THE_LOCK:
            continue
        if name not in locked:
            yield f"{name} {distribution.version} is installed, and requirements.txt does not pin it"
        elif locked[name] != distribution.version:
            yield f"{name} {distribution.version} is installed, and requirements.txt pins {locked[name]}"
        for file in altered(distribution):
            yield f"{name}: {file} is not what was installed"
        if name not in PROCESSES_OF_THEIR_OWN and not is_accepted(licence_of(distribution)):
            yield f"{name} has the licence {licence_of(distribution)!r}, which is not on the accepted list"
    for requirement, _ in pins(image):
        if canonicalize_name(requirement.name) in PROCESSES_OF_THEIR_OWN:
            yield f"{requirement.name} is GPL and must not be in the container image (deploy/requirements.txt)"


def altered(distribution: Distribution) -> Iterator[PackagePath]:
    """Files that are missing or differ from their recorded hash."""
    for file in distribution.files or ():
        if file.hash is not None and file.hash.mode == "sha256":
            try:
                digest = hashlib.sha256(Path(str(file.locate())).read_bytes()).digest()
            except OSError:
                yield file
                continue
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
                yield file


def licence_of(distribution: Distribution) -> str:
    """The package's licence: an SPDX expression, else its classifiers, else free text."""
    about = distribution.metadata
    classified = [line.split(" :: ")[-1] for line in about.get_all("Classifier") or () if line.startswith("License ::")]
    expression = "".join(about.get_all("License-Expression") or ())
    said = expression or " AND ".join(word for word in classified if word not in _NO_LICENCES)
    free_text = "".join(about.get_all("License") or ()).strip().partition("\n")[0]
    return said or free_text or WITHOUT_WORDS.get(canonicalize_name(about["Name"]), "")


def is_accepted(licence: str) -> bool:
    """Whether one of the alternatives consists of accepted licences only."""
    return any(
        all(part in ACCEPTED for part in re.split(r"\s+AND\s+", choice)) for choice in re.split(r"\s+OR\s+", licence)
    )


def locked_versions(lock: str) -> dict[NormalizedName, str]:
    """The pins that apply to this machine."""
    return {
        canonicalize_name(pin.name): next(iter(pin.specifier)).version
        for pin, _ in pins(lock)
        if pin.marker is None or pin.marker.evaluate()
    }


def main(check: Annotated[bool, typer.Option("--check", help="Check, and change nothing.")] = False) -> None:
    """Check this environment's packages against requirements.txt. Example: python -m tools.check_environment --check"""
    if not check:
        raise typer.BadParameter("pass --check; `make setup` installs the locked packages", param_hint="--check")
    locked = locked_versions((ROOT / "requirements.txt").read_text())
    found = list(problems(distributions(), locked, (ROOT / "deploy" / "requirements.txt").read_text()))
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    if found:
        sys.stderr.write(
            "Remove .venv and run `make setup`; for a licence, decide and record it in tools/check_environment.py.\n"
        )
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
