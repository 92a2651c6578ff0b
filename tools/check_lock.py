"""`python -m tools.check_lock --check`: requirements.txt is current, complete and free of addresses. Works offline."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = re.compile(r"https?:|--(?:extra-)?index-url|--find-links|(?:^|\s)-[fi]\s")


def declared(pyproject: str) -> list[Requirement]:
    """Every requirement of pyproject.toml: the dependencies and those of each extra."""
    project = tomllib.loads(pyproject)["project"]
    extras = project.get("optional-dependencies", {}).values()
    return [
        Requirement(line) for line in [*project.get("dependencies", []), *(line for extra in extras for line in extra)]
    ]


def pins(lock: str) -> Iterator[tuple[Requirement, bool]]:
    """Each pinned requirement of a requirements file, and whether it has a hash."""
    joined = re.sub(r"\\\n\s*", " ", lock)
    for line in joined.splitlines():
        if line.strip() and not line.lstrip().startswith(("#", "-")):
            requirement, *options = re.split(r"\s+--", line)
            yield Requirement(requirement.split(" #")[0].strip()), any(each.startswith("hash=") for each in options)


def problems(pyproject: str, lock: str) -> list[str]:
    """The problems of the lock, one sentence each."""
    found = [
        f"line {number} holds an address or an index option: {line.strip()}"
        for number, line in enumerate(lock.splitlines(), 1)
        if ADDRESS.search(line)
    ]
    try:
        pinned = list(pins(lock))
    except InvalidRequirement as error:
        return [*found, f"a line is not a requirement: {error}"]
    versions: dict[NormalizedName, Version] = {}
    for pin, hashed in pinned:
        exact = [each.version for each in pin.specifier if each.operator == "=="]
        try:
            versions[canonicalize_name(pin.name)] = Version(exact[0])
        except (IndexError, InvalidVersion):
            found.append(f"{pin.name} is not pinned to one version")
        if not hashed:
            found.append(f"{pin.name} has no hash")
    for wanted in declared(pyproject):
        version = versions.get(canonicalize_name(wanted.name))
        if version is None:
            found.append(f"{wanted.name} is required by pyproject.toml and not pinned")
        elif not wanted.specifier.contains(version, prereleases=True):
            found.append(f"{wanted.name} is pinned at {version}, and pyproject.toml asks for {wanted.specifier}")
    return found


def main(check: Annotated[bool, typer.Option("--check", help="Check, and change nothing.")] = False) -> None:
    """Check requirements.txt against pyproject.toml. Example: python -m tools.check_lock --check"""
    if not check:
        raise typer.BadParameter("pass --check; `make lock` rewrites the file", param_hint="--check")
    found = problems((ROOT / "pyproject.toml").read_text(), (ROOT / "requirements.txt").read_text())
    for problem in found:
        sys.stderr.write(f"requirements.txt: {problem}\n")
    if found:
        sys.stderr.write("Run `make lock` and commit requirements.txt.\n")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
