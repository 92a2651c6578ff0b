"""Each import rule of pyproject.toml notices what it is there for: it is broken in a copy, and must say so."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_RULES = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
_PACKAGES: list[str] = _RULES["root_packages"]

_PURE = "Decisions are pure"
_BROKEN = {
    "a service imports another": ("gateway/edge.py", "extras_service.order", "Dependencies point one way"),
    "the chassis imports a service": ("chassis/keys.py", "gateway.rates", "Dependencies point one way"),
    "the saga logs": ("extras_service/saga.py", "structlog", _PURE),
    "a transition publishes": ("extras_service/transitions.py", "aio_pika", _PURE),
    "stock asks the store": ("extras_service/stock.py", "motor.motor_asyncio", _PURE),
    "the payment's table asks over HTTP": ("payment_service/lifecycle.py", "httpx", _PURE),
    "polling logs": ("payment_service/polling.py", "structlog", _PURE),
    "refunds ask the store": ("payment_service/money_back.py", "pymongo", _PURE),
    "the sweep publishes": ("payment_service/sweep.py", "aio_pika", _PURE),
    "a message logs": ("contracts/orders.py", "structlog", _PURE),
    "a decision imports what logs": ("extras_service/order.py", "chassis.breaker", _PURE),
    "a new decision of a payment": ("payment_service/new_decision.py", "structlog", _PURE),
    "a second file knows Stripe": ("psp_adapter/translate.py", "stripe", "One file knows Stripe's SDK"),
    "a service speaks AMQP itself": ("gateway/live.py", "aio_pika", "Services speak AMQP through the chassis"),
    "a second file knows the driver": ("chassis/write_path.py", "motor", "One file knows the store's driver"),
    "the store knows the bus": ("chassis/store.py", "chassis.bus", "The store does not know the bus"),
    "a replay prints": ("ops/replay/run.py", "rich.console", "What an operator does is apart"),
    "letters are a command": ("ops/dead/letters.py", "typer", "What an operator does is apart"),
    "the log imports the page": ("ops/log_stream.py", "ops.page.app", "What an operator does is apart"),
    "a service imports the tests": ("chassis/keys.py", "tests.patience", "What is shipped imports neither"),
    "the embedded store is imported": ("deploy/local/store.py", "secantus", "The embedded store"),
    "the sandbox imports Bellhop": ("deploy/local/stripe_sandbox/api.py", "contracts.ids", "The sandbox stands alone"),
    "a contract knows the store": ("contracts/ids.py", "pymongo", "Contracts are plain data"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("project")
    for package in _PACKAGES:
        shutil.copytree(_ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    shutil.copy(_ROOT / "pyproject.toml", copy)
    return copy


def lint(project: Path) -> str:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = {"PYTHONPATH": str(project), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    ran = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    return f"{ran.stdout}{ran.stderr}"


def test_every_rule_is_broken_here_at_least_once() -> None:
    unbroken = [
        rule["name"]
        for rule in _RULES["contracts"]
        if not any(rule["name"].startswith(name) for *_, name in _BROKEN.values())
    ]

    assert unbroken == []


def test_the_project_keeps_its_rules(project: Path) -> None:
    assert "0 broken" in lint(project)


@pytest.mark.parametrize(("file", "imported", "rule"), _BROKEN.values(), ids=_BROKEN)
def test_a_broken_rule_is_named(project: Path, file: str, imported: str, rule: str) -> None:
    path = project / file
    before = path.read_text() if path.exists() else None

    path.write_text(f"{before or ''}\nimport {imported}\n")
    try:
        said = lint(project)
    finally:
        path.unlink() if before is None else path.write_text(before)

    assert any(line.startswith(rule) and "BROKEN" in line for line in said.splitlines()), said
