"""`python -m tools.release`: what a release consists of, in dist/: wheel, SBOM (CycloneDX), checksums, notes.

The wheel is the same, byte by byte, for everyone who builds this commit: files are dated by the commit, as
https://reproducible-builds.org/specs/source-date-epoch/ specifies. It is installed with the hash-checked packages of
the image into an environment of its own, and started there; the SBOM describes the packages of that environment.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tools.generated_file import ROOT

LOCK = ROOT / "deploy" / "requirements.txt"
CHECKSUMS = "SHA256SUMS"
_COMMANDS = ("bellhop --version", "bellhop --help")
_SERVICES = ("extras_service", "payment_service", "psp_adapter", "notifications", "webhooks", "gateway")
_MODULES = (*(f"{service}.app" for service in _SERVICES), "connectors.apaleo.app", "ops.web", "stripe_sandbox")
_UV = Path(sys.executable).with_name("uv")


def version() -> str:
    """The version in pyproject.toml."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def problems(tag: str | None, changelog: str, changed: str) -> list[str]:
    """Why this commit cannot be released under `tag`, one sentence each. `changed`: what `git status` prints."""
    return list(_problems(tag, version(), changelog, changed))


def notes(named: str, changelog: str) -> str | None:
    """What CHANGELOG.md says of a version, or of `Unreleased`; None without such a section."""
    heading = rf"^## \[{re.escape(named)}\](?: - \d{{4}}-\d\d-\d\d)?$"
    section = re.search(rf"{heading}(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return section and section.group(1).strip()


def _problems(tag: str | None, named: str, changelog: str, changed: str) -> Iterator[str]:
    if tag is not None and tag != f"v{named}":
        yield f"the tag is {tag}, and pyproject.toml has version {named}"
    section = notes(named, changelog)
    if section is None:
        yield f"CHANGELOG.md has no section '## [{named}] - YYYY-MM-DD'"
    elif not re.search(r"^### Upgrading", section, re.MULTILINE):
        yield f"the section {named} of CHANGELOG.md does not say how to upgrade ('### Upgrading')"
    if tag is not None and notes("Unreleased", changelog):
        yield f"CHANGELOG.md has changes under Unreleased: name them {named}"
    if changed.strip():
        yield "files differ from the commit: commit or remove them"


def build_wheel(folder: Path) -> Path:
    """Build the wheel of what is checked out, dated by its commit."""
    dated = _output("git", "log", "-1", "--format=%ct").strip()
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": dated}
    subprocess.run([sys.executable, "-c", build, folder], cwd=ROOT, check=True, env=environment, stdout=sys.stderr)
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment(folder: Path) -> Path:
    """Make an environment with the packages of the image in `folder`. Returns its Python."""
    python = folder / "bin" / "python"
    _run(_UV, "venv", "--quiet", "--python", sys.executable, folder)
    wanted = [str(each) for each in ("install", "--quiet", "--no-deps", "--require-hashes", "-r", LOCK)]
    if subprocess.run([_UV, "pip", *wanted, "--python", python], stderr=subprocess.PIPE, check=False).returncode:
        # As in deploy/local/setup.py: pip follows settings of the machine that uv does not read.
        _run(sys.executable, "-m", "pip", "--python", python, *wanted)
    return python


def try_out(wheel: Path, python: Path) -> None:
    """Install the wheel, run the command, and import every service, from outside the repository."""
    _run(_UV, "pip", "install", "--quiet", "--python", python, "--no-deps", "--offline", wheel)
    for command in _COMMANDS:
        name, *arguments = command.split()
        _run(python.with_name(name), *arguments, cwd=python.parent, stdout=subprocess.DEVNULL)
    _run(python, "-c", "; ".join(f"import {module}" for module in _MODULES), cwd=python.parent)


def bill_of_materials(python: Path, *, is_validated: bool = True) -> dict[str, Any]:
    """Bellhop and what is installed for it, with versions and licences, as CycloneDX 1.6.

    `is_validated`: against the standard's schema, which takes a quarter of a minute.
    """
    command = Path(sys.executable).with_name("cyclonedx-py")
    options = ["--output-reproducible", "--spec-version", "1.6", "--pyproject", ROOT / "pyproject.toml"]
    options.append("--validate" if is_validated else "--no-validate")
    found: dict[str, Any] = json.loads(_output(command, "environment", *options, python))
    return found


def _checksums(folder: Path) -> str:
    files = sorted(file for file in folder.iterdir() if file.name != CHECKSUMS)
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


def _run(*command: object, **options: Any) -> None:
    subprocess.run([str(each) for each in command], check=True, **options)


def _output(*command: object) -> str:
    arguments: Sequence[str] = [str(each) for each in command]
    return subprocess.run(arguments, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def main(
    out: Annotated[Path, typer.Option(help="The folder to write to; what it had is removed.")] = ROOT / "dist",
    tag: Annotated[str | None, typer.Option(help="The tag to be released, such as v0.2.0: it must fit.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say whether this commit can be released.")] = False,
) -> None:
    """Build and try the files of a release. Exit code 1 if this commit cannot be released. Example: python -m
    tools.release --tag v0.2.0"""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    found = problems(tag, changelog, _output("git", "status", "--porcelain"))
    for problem in found:
        sys.stderr.write(f"Not to be released: {problem}.\n")
    if found:
        raise typer.Exit(1)
    if check:
        return
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    wheel = build_wheel(out)
    with tempfile.TemporaryDirectory() as folder:
        python = environment(Path(folder) / "environment")
        bill = json.dumps(bill_of_materials(python), indent=2, sort_keys=True)
        try_out(wheel, python)
    (out / f"bellhop-{version()}.cdx.json").write_text(f"{bill}\n")
    (out / CHECKSUMS).write_text(_checksums(out))
    (out / "NOTES.md").write_text(f"{notes(version(), changelog)}\n")
    for file in sorted(out.iterdir()):
        sys.stdout.write(f"{file}\n")


if __name__ == "__main__":
    typer.run(main)
