"""Each import rule of pyproject.toml notices what it is there for: it is broken in a copy, and must say so."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_RULES = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
_PACKAGES: list[str] = _RULES["root_packages"]

_LAYERS = "Dependencies point one way"
_PURE = "Decisions are pure"
_STRIPE = "Named files of the adapter know Stripe's SDK"
_AMQP = "Named files speak AMQP"
_DRIVER = "Named files know the store's driver"
_NO_BUS = "The store does not know the bus"
_CORE = "What an operator does is apart"
_ACYCLIC = "Inside ops nothing points upwards"
_SHIPPED = "What is shipped imports neither"
_ALONE = "A connector stands alone"
_BY_WEBHOOKS = "A connector hears of Bellhop by webhooks alone"
_BROKEN = {
    "a service imports another": ("gateway/middleware.py", "extras_service.order.state", _LAYERS),
    "the chassis imports a service": ("chassis/keys.py", "gateway.rate_limits", _LAYERS),
    "the saga logs": ("extras_service/order/decide.py", "structlog", _PURE),
    "a transition publishes": ("extras_service/order/transitions.py", "aio_pika", _PURE),
    "a closing order publishes": ("extras_service/order/closure.py", "faststream", _PURE),
    "a reply is sent": ("extras_service/order/replies.py", "aio_pika", _PURE),
    "stock asks the store": ("extras_service/stock/decide.py", "motor.motor_asyncio", _PURE),
    "the payment's table asks over HTTP": ("payment_service/payment/decide.py", "httpx", _PURE),
    "the mail's table sends": ("notifications/mail/decide.py", "aiosmtplib", "One file speaks SMTP"),
    "a letter asks the store": ("notifications/letter/text.py", "pymongo", _PURE),
    "a new decision of the mails": ("notifications/new_decision.py", "structlog", _PURE),
    "a feed's table calls": ("webhooks/feed/decide.py", "httpcore", _PURE),
    "the dispatcher calls": ("webhooks/dispatcher.py", "httpcore", "One file calls the receivers"),
    "a connector imports a service": ("connectors/apaleo/postings.py", "webhooks.signing", _LAYERS),
    "a service imports a connector": ("webhooks/due.py", "connectors.apaleo.postings", _LAYERS),
    "an operator's command imports a connector": ("ops/core/queues.py", "connectors.apaleo.ledger", _ALONE),
    "a connector is on the bus": ("connectors/apaleo/app.py", "chassis.messaging.bus", _BY_WEBHOOKS),
    "a second file of a connector calls": ("connectors/apaleo/booking.py", "httpx", _BY_WEBHOOKS),
    "a posting logs": ("connectors/apaleo/postings.py", "structlog", _PURE),
    "a new decision of a connector": ("connectors/apaleo/new_decision.py", "motor", _PURE),
    "the courier speaks SMTP": ("notifications/courier.py", "aiosmtplib", "One file speaks SMTP"),
    "polling logs": ("payment_service/payment/polling.py", "structlog", _PURE),
    "a session asks over HTTP": ("payment_service/payment/session.py", "httpx", _PURE),
    "a request to the PSP is sent": ("payment_service/payment/psp_requests.py", "aio_pika", _PURE),
    "refunds ask the store": ("payment_service/payment/refunds.py", "pymongo", _PURE),
    "the sweep publishes": ("payment_service/event_backfill.py", "aio_pika", _PURE),
    "an object of Stripe asks over HTTP": ("psp_adapter/stripe_objects.py", "httpx", _PURE),
    "a message logs": ("contracts/orders.py", "structlog", _PURE),
    "a decision imports what logs": ("extras_service/order/state.py", "chassis.messaging.breaker", _PURE),
    "a new decision of a payment": ("payment_service/new_decision.py", "structlog", _PURE),
    "a further file of the adapter knows Stripe": ("psp_adapter/ledger.py", "stripe", _STRIPE),
    "a file named after Stripe knows its SDK": ("psp_adapter/stripe_keys.py", "stripe", _STRIPE),
    "an operator's command knows Stripe": ("ops/cli/psp.py", "stripe", _STRIPE),
    "a service speaks AMQP itself": ("gateway/live.py", "aio_pika", _AMQP),
    "a second file of the chassis speaks AMQP": ("chassis/runtime/backoff.py", "aiormq", _AMQP),
    "the log speaks AMQP in a second file": ("ops/core/message_log/gaps.py", "aio_pika", _AMQP),
    "the codec is used elsewhere": ("chassis/text.py", "pamqp", _AMQP),
    "a third file of the chassis knows the driver": ("chassis/storage/stored_document.py", "motor", _DRIVER),
    "a service knows the driver": ("payment_service/collections.py", "pymongo", _DRIVER),
    "an operator's command knows the driver": ("ops/core/reconcile.py", "bson", _DRIVER),
    "the gateway decodes pictures": ("gateway/api/pictures.py", "PIL", "One file decodes pictures"),
    "the store knows the bus": ("chassis/storage/store.py", "chassis.messaging.bus", _NO_BUS),
    "a write publishes by itself": ("chassis/storage/write_path.py", "chassis.messaging.bus", _NO_BUS),
    "the outbox speaks AMQP": ("chassis/storage/parked_outbox.py", "aio_pika", _NO_BUS),
    "a replay prints": ("ops/core/replay/run.py", "rich.console", _CORE),
    "letters are a command": ("ops/core/dead_letters/letters.py", "typer", _CORE),
    "the log imports the page": ("ops/core/message_log/stream.py", "ops.web.app", _CORE),
    "the forecast is shown in the terminal": ("ops/core/dry_run.py", "ops.cli.console", _CORE),
    "the page takes its errors from the gateway": ("ops/web/problems.py", "gateway.middleware", "Operators' tools and"),
    "the page asks the command": ("ops/web/session.py", "ops.cli.dead_view", "The command and the page"),
    "a new file of the core is a route": ("ops/core/trace/new_view.py", "fastapi", _CORE),
    "a service imports the tests": ("chassis/keys.py", "tests.support.patience", _SHIPPED),
    "an operator's command imports a tool": ("ops/core/queues.py", "tools.generated_file", _SHIPPED),
    "the local stack imports a benchmark": ("deploy/local/stack.py", "benchmarks.load", _SHIPPED),
    "a contract needs a test library": ("contracts/ids.py", "hypothesis", _SHIPPED),
    "the embedded store is imported": ("deploy/local/store.py", "secantus", "The embedded store"),
    "the sandbox imports Bellhop": ("stripe_sandbox/api.py", "contracts.ids", "The sandbox stands alone"),
    "the client looks behind the API": ("client/gateway.py", "chassis.web.problem_types", "The client knows the API"),
    "a contract knows the store": ("contracts/money.py", "pymongo", "Contracts are plain data"),
}
_CIRCLES = {"letters know what is done with them": ("ops/core/dead_letters/letters.py", "ops.core.session", _ACYCLIC)}
"""A circle is reported by its folders, not by the import that closes it."""
_VENDORS = {_STRIPE, _AMQP, _DRIVER}
"""Rules about every file there is."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("project")
    for package in _PACKAGES:
        shutil.copytree(_ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    shutil.copy(_ROOT / "pyproject.toml", copy)
    return copy


@pytest.fixture(scope="module")
def broken(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What is said about each broken rule in a copy in which all are broken at once."""
    copy = tmp_path_factory.mktemp("broken") / "project"
    shutil.copytree(project, copy)
    for file, imported, _ in (_BROKEN | _CIRCLES).values():
        with (copy / file).open("a") as source:
            source.write(f"\nimport {imported}\n")
    _, _, details = lint(copy).partition("Broken contracts")
    _, *sections = re.split(r"^(.+)\n-+$", details, flags=re.MULTILINE)
    return dict(zip(sections[::2], sections[1::2], strict=True))


def lint(project: Path) -> str:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = {"PYTHONPATH": str(project), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    ran = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    return f"{ran.stdout}{ran.stderr}"


def test_every_rule_is_broken_here_at_least_once() -> None:
    unbroken = [
        rule["name"]
        for rule in _RULES["contracts"]
        if not any(rule["name"].startswith(name) for *_, name in (_BROKEN | _CIRCLES).values())
    ]

    assert unbroken == []


def test_the_project_keeps_its_rules(project: Path) -> None:
    assert "0 broken" in lint(project)


def test_a_vendor_is_kept_out_of_every_file_that_is_not_named() -> None:
    everywhere = {
        name
        for name in _VENDORS
        for rule in _RULES["contracts"]
        if rule["name"].startswith(name) and rule["source_modules"] == ["**"]
    }

    assert everywhere == _VENDORS


@pytest.mark.parametrize(("file", "imported", "rule"), _BROKEN.values(), ids=_BROKEN)
def test_a_broken_rule_names_the_import(broken: Mapping[str, str], file: str, imported: str, rule: str) -> None:
    importer = file.removesuffix(".py").replace("/", ".")
    internal = imported if imported.partition(".")[0] in _PACKAGES else imported.partition(".")[0]

    said = next(text for name, text in broken.items() if name.startswith(rule))

    assert f"{importer} -> {internal} " in said


def test_a_circle_names_the_folder_it_is_in(broken: Mapping[str, str]) -> None:
    said = next(text for name, text in broken.items() if name.startswith(_ACYCLIC))

    assert "No cycles are allowed in ops.core." in said
