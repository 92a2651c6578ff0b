"""Images that stand in for those of a registry: when they are made, of what, and what is said where they cannot be."""

import os
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.compose import services
from tools import stand_in_images, with_docker
from tools.stand_in_images import BASE, FILES, STORE, SUITES, StandInError, broker, made, pins
from tools.with_docker import WithDockerError, engine


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, the only ones on this machine."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def is_there(programs: Path, name: str, script: str) -> None:
    (programs / name).write_text(f"#!/bin/sh\n{script}\n")
    (programs / name).chmod(0o755)


def test_without_docker_or_without_an_engine_a_sentence_says_so(programs: Path) -> None:
    with pytest.raises(StandInError, match="there is no docker command"):
        made(BASE)

    is_there(programs, "docker", "exit 1")
    with pytest.raises(StandInError, match="no Docker engine answers"):
        made(BASE)


def test_an_image_that_is_there_is_not_made_again(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in_images, "unpack", lambda *_, **__: pytest.fail("it is made again"))
    is_there(programs, "docker", f'[ "$1" = version ] || echo {broker("4.3").recipe}')

    assert made(broker("4.3")) == "bellhop-stand-in-rabbitmq:4.3"


def test_an_image_made_of_something_else_is_made_again_and_only_by_root(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_there(programs, "docker", '[ "$1" = version ] || echo another')
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(StandInError, match="as root only"):
        made(BASE)


def test_what_an_image_is_made_of_counts_its_files_and_its_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = {image.recipe for image in (BASE, STORE, *map(broker, SUITES))}
    assert len(recipes) == 2 + len(SUITES)

    for file in STORE.files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text((FILES / file).read_text() + "# changed\n")
    before = STORE.recipe
    monkeypatch.setattr(stand_in_images, "FILES", tmp_path)
    assert STORE.recipe != before


def test_the_embedded_store_is_installed_as_locked_for_the_images_python() -> None:
    lines = [line.rstrip(" \\") for line in pins(STORE.locked).splitlines() if "==" in line]

    assert sorted(Requirement(line).name for line in lines) == sorted(STORE.locked)
    assert not any(Requirement(line).marker for line in lines)
    assert pins(STORE.locked).count("--hash=") >= len(lines)


def test_the_stand_in_for_the_shell_evaluates_what_the_compose_file_asks() -> None:
    asked = services()["mongodb"]["healthcheck"]["test"][-1]
    evaluated = re.search(r'^PING = "(.*)"$', (FILES / "mongodb" / "mongosh.py").read_text(), re.M)

    assert evaluated
    assert f"--eval '{evaluated[1]}'" in asked


def test_only_root_starts_an_engine(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_there(programs, "docker", "exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(WithDockerError, match="only root can start one"), engine():
        pytest.fail("there is an engine")


def test_an_older_compose_does_not_count(programs: Path) -> None:
    is_there(programs, "docker-compose", "echo 1.29.2")
    assert with_docker.compose() is None

    is_there(programs, "docker-compose", "echo v2.26.1-4")
    assert with_docker.compose() == ["docker-compose"]


def test_the_command_says_in_one_line_why_it_does_not_run(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    is_there(programs, "docker", "exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["with_docker", "4.3", "--", "true"])

    assert with_docker.main() == 1
    assert (
        capsys.readouterr().err == "not run with Docker here: no Docker engine answers, and only root can start one.\n"
    )
