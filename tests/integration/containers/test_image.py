"""What goes into the container image, read from the files that say so."""

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.compose import ROOT
from tools.check_lock import ADDRESS, pins

DEPLOY = ROOT / "deploy"
LOCKS = ("requirements.txt", "requirements-build.txt")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pinned(text: str) -> dict[str, str]:
    return {canonicalize_name(pin.name): str(pin.specifier) for pin, _ in pins(text)}


def test_the_image_has_the_very_versions_that_were_tested_each_with_its_hash() -> None:
    tested = pinned((ROOT / "requirements.txt").read_text())

    for name in LOCKS:
        lock = (DEPLOY / name).read_text()
        assert pinned(lock).items() <= tested.items(), f"deploy/{name} is not current: run `make lock`"
        assert all(hashed for _, hashed in pins(lock))
        assert not ADDRESS.search(lock)


def test_the_image_has_all_that_the_services_the_sandbox_and_the_command_need() -> None:
    needed = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["local"]]

    wanted = {canonicalize_name(Requirement(line).name) for line in needed}

    assert wanted <= set(pinned((DEPLOY / "requirements.txt").read_text()))


def test_neither_the_embedded_store_nor_the_tools_of_development_are_in_the_image() -> None:
    """SecantusDB is GPL-2.0, and the image is Apache-2.0."""
    image = set(pinned((DEPLOY / "requirements.txt").read_text()))

    assert not image & {"secantusdb", "pytest", "mypy", "ruff", "uv", "hatchling"}


def test_only_what_the_image_is_made_of_enters_its_build() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    rooms = {*PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]} - {"deploy"}

    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}

    assert rules[0] == "*"
    assert rules[-1] == "**/.env"
    assert let_in == rooms | {"LICENSE", "README.md", "pyproject.toml", "deploy/local"} | {
        *(f"deploy/{name}" for name in LOCKS),
        *(f"deploy/{module.name}" for module in DEPLOY.glob("*.py")),
    }


def test_the_image_runs_as_a_user_other_than_root() -> None:
    *_, last = re.split(r"^FROM .*$", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)

    assert re.findall(r"^USER (\w+)$", last, re.MULTILINE) == ["bellhop"]
