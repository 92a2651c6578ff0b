"""The compose file as Compose itself reads it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.compose import EXAMPLE, FILE
from tools.with_docker import OLDEST_COMPOSE
from tools.with_docker import compose as compose_of_this_machine

COMPOSE = compose_of_this_machine()
SERVICES = {"gateway", "extras-service", "payment-service", "psp-adapter", "notifications", "webhooks", "ops-page"}

pytestmark = pytest.mark.skipif(
    COMPOSE is None, reason=f"no Docker Compose {OLDEST_COMPOSE[0]}.{OLDEST_COMPOSE[1]} or newer on this machine"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the compose file, so that a `deploy/.env` of this machine is neither read nor touched."""
    shutil.copy(FILE, tmp_path)
    return tmp_path


def compose(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `docker compose config` makes of the file, with nothing of ours from this process's environment."""
    assert COMPOSE
    ours = ("BELLHOP_", "STRIPE_", "COMPOSE_", "RABBITMQ_", "MONGODB_", "BUILD_", "BASE_IMAGE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    command = [*COMPOSE, "-f", str(folder / FILE.name), "config", "--format", "json"]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=kept | environment)


def configured(folder: Path, **environment: str) -> dict[str, dict[str, Any]]:
    answer = compose(folder, **environment)
    assert answer.returncode == 0, answer.stderr
    return dict(json.loads(answer.stdout)["services"])


def test_without_an_environment_file_compose_refuses_and_says_what_to_do(folder: Path) -> None:
    answer = compose(folder)

    assert answer.returncode != 0
    assert "deploy/.env" in answer.stderr  # which of the missing ones it names first is a matter of chance


def test_the_example_as_it_is_is_refused_because_its_secrets_are_empty(folder: Path) -> None:
    shutil.copy(EXAMPLE, folder / ".env")

    answer = compose(folder)

    assert answer.returncode != 0
    assert "deploy/.env" in answer.stderr


def test_with_the_environment_the_docs_make_everything_runs(folder: Path, made_by_the_docs: Path) -> None:
    shutil.copy(made_by_the_docs, folder / ".env")

    parts = configured(folder)

    assert set(parts) == SERVICES | {"rabbitmq", "topology", "mongodb", "store-users", "sandbox"}
    assert all(part["healthcheck"]["test"] for part in parts.values())
    password = parts["rabbitmq"]["environment"]["GATEWAY_PASSWORD"]
    assert parts["gateway"]["environment"]["BELLHOP_AMQP_URL"] == f"amqp://gateway:{password}@rabbitmq:5672/"


def test_with_a_broker_a_store_and_an_account_elsewhere_only_the_services_run(
    folder: Path, made_by_the_docs: Path
) -> None:
    shutil.copy(made_by_the_docs, folder / ".env")

    parts = configured(folder, COMPOSE_PROFILES="", EXTRAS_SERVICE_AMQP_URL="amqps://rabbit.example/")

    assert set(parts) == SERVICES
    assert parts["extras-service"]["environment"]["BELLHOP_AMQP_URL"] == "amqps://rabbit.example/"


def test_a_base_and_a_package_index_of_ones_own_reach_the_one_build(folder: Path, made_by_the_docs: Path) -> None:
    ours = "BASE_IMAGE=registry.example/python:3.11\nBUILD_PIP_CONF=../ours/pip.conf\nBUILD_AUTHORITIES=/etc/ours.pem\n"
    (folder / ".env").write_text(made_by_the_docs.read_text() + ours)

    answer = json.loads(compose(folder).stdout)

    builds = {name: part["build"] for name, part in answer["services"].items() if "build" in part}
    assert set(builds) == {"gateway"}
    assert builds["gateway"]["args"] == {"BASE": "registry.example/python:3.11"}
    assert {each["source"] for each in builds["gateway"]["secrets"]} == {"pip.conf", "authorities.pem"}
    files = {name: Path(secret["file"]) for name, secret in answer["secrets"].items()}
    assert files == {"pip.conf": folder.parent / "ours" / "pip.conf", "authorities.pem": Path("/etc/ours.pem")}


def test_a_setting_of_the_environment_file_is_handed_on_and_one_that_is_not_there_is_not(
    folder: Path, made_by_the_docs: Path
) -> None:
    (folder / ".env").write_text(made_by_the_docs.read_text() + "BELLHOP_PREFETCH=9\n")

    passed = configured(folder)["extras-service"]["environment"]

    assert passed["BELLHOP_PREFETCH"] == "9"
    assert passed["BELLHOP_PAY_WITHIN"] is None
