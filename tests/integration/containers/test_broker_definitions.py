"""The compose file's RabbitMQ without Docker: its start script, and its definitions on a real broker."""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import aio_pika
import pytest
from aio_pika.exceptions import AMQPError

from chassis.messaging.broker_address import BrokerAddress
from chassis.messaging.bus import Bus
from chassis.messaging.topology import MissingTopologyError, verify_topology
from chassis.runtime.metrics import Metrics
from contracts.accounts import ACCOUNTS
from deploy.accounts import declare_topology
from deploy.local.broker import LocalBroker, find_rabbitmq
from deploy.local.ports import Ports
from tests.support.compose import ROOT, services
from tools.broker_definitions import FILE, placeholder, text

START = ROOT / "deploy" / "rabbitmq" / "start.sh"
PASSWORDS = {account.name: f"made{number}up" for number, account in enumerate(ACCOUNTS)}


def started(folder: Path, passwords: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The start script, with something that only says how it was called in the image's entrypoint's place."""
    entrypoint = folder / "docker-entrypoint.sh"
    entrypoint.write_text('#!/bin/sh\necho "$@ ${GATEWAY_PASSWORD:-kept to itself}"\n')
    entrypoint.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", **passwords}
    command = ["bash", str(START), str(FILE), str(folder / "definitions.json")]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


def variables(operator: str, others: Mapping[str, str]) -> dict[str, str]:
    named = {placeholder(account.name).strip("@"): others[account.name] for account in ACCOUNTS}
    return {"OPERATOR_PASSWORD": operator, **named}


def test_the_definitions_are_current() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run `python -m tools.broker_definitions --write`"


def test_the_compose_file_hands_the_script_every_password_it_asks_for() -> None:
    assert set(services()["rabbitmq"]["environment"]) == set(variables("x", PASSWORDS))


def test_the_script_fills_in_the_passwords_for_the_servers_eyes_only(tmp_path: Path) -> None:
    done = started(tmp_path, variables("operators", PASSWORDS))

    filled = json.loads((tmp_path / "definitions.json").read_text())
    assert done.stdout == "rabbitmq-server kept to itself\n"
    assert {user["name"]: user["password"] for user in filled["users"]} == {"bellhop": "operators", **PASSWORDS}
    assert stat.S_IMODE((tmp_path / "definitions.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("password", ["", 'quo"te', "a&b", "a b"])
def test_a_password_that_would_break_the_definitions_stops_the_start(password: str, tmp_path: Path) -> None:
    done = started(tmp_path, variables("operators", PASSWORDS | {"gateway": password}))

    assert done.returncode == 2
    assert "the password of gateway is missing, or has other characters than letters and digits" in done.stderr
    assert not (tmp_path / "definitions.json").exists()


@pytest.fixture(scope="module")
def defined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """A broker that was started with nothing but the definitions."""
    if find_rabbitmq() is None or shutil.which("bash") is None:
        pytest.skip("no rabbitmq-server on this machine")
    folder = tmp_path_factory.mktemp("defined")
    broker = LocalBroker(folder, ports=Ports(folder / "ports.json"), log=folder / "broker.log", management=False)
    operator = (folder / "password").read_text().strip()
    assert started(folder, variables(operator, PASSWORDS)).returncode == 0
    with (folder / "rabbitmq.conf").open("a") as configuration:
        configuration.write(f"load_definitions = {folder / 'definitions.json'}\n")
    broker.start()
    yield broker
    broker.stop()


async def test_definitions_alone_do_not_say_that_the_topology_is_complete(defined: LocalBroker) -> None:
    connection = await aio_pika.connect_robust(
        BrokerAddress(defined.url).for_account("gateway", PASSWORDS["gateway"]).url
    )

    async with connection:
        with pytest.raises(MissingTopologyError):
            await verify_topology(connection)


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
async def test_every_service_finds_its_account_and_the_whole_topology(account: object, defined: LocalBroker) -> None:
    name = getattr(account, "name", "")
    await declare_topology(defined.url)
    connection = await aio_pika.connect_robust(BrokerAddress(defined.url).for_account(name, PASSWORDS[name]).url)

    async with connection:
        await verify_topology(connection)


async def test_what_the_services_themselves_would_declare_is_the_same(defined: LocalBroker) -> None:
    bus = Bus(defined.url, "bellhop", Metrics("bellhop"), publish_timeout=5, graceful_timeout=1)

    try:
        await bus.start()
        assert await bus.is_connected()
    finally:
        await bus.stop()


async def test_no_other_role_gets_in(defined: LocalBroker) -> None:
    with pytest.raises((AMQPError, ConnectionError)):
        await aio_pika.connect(BrokerAddress(defined.url).for_account("guest", "guest").url)
