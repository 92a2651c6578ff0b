"""No way leads around the shielded connection: one file opens connections, and only the chassis and tools know AMQP."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CLIENTS = ("aio_pika", "aiormq", "faststream")
ROOT = Path(__file__).resolve().parents[3]
SHIPPED = (
    "chassis",
    "client",
    "contracts",
    "deploy",
    "extras_service",
    "gateway",
    "ops",
    "payment_service",
    "psp_adapter",
    "stripe_sandbox",
)
OPENS = {"connect", "connect_robust", "Connection", "RobustConnection", "RabbitBroker"}


def opened_in(source: str) -> Iterator[str]:
    """What a source calls or derives from to open a connection of its own."""
    nodes = list(ast.walk(ast.parse(source)))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(CLIENTS)]
    imported = {alias.asname or alias.name: alias.name for node in imports for alias in node.names}
    for node in nodes:
        used = [node.func] if isinstance(node, ast.Call) else node.bases if isinstance(node, ast.ClassDef) else []
        for what in used:
            match what:
                case ast.Name(id=name) if imported.get(name) in OPENS:
                    yield name
                case ast.Attribute(value=ast.Name(id=module), attr=name) if module in CLIENTS and name in OPENS:
                    yield name


@pytest.mark.parametrize(
    "source",
    [
        "import aio_pika\nconnection = aio_pika.connect(url)",
        "from aio_pika import connect_robust\nconnection = connect_robust(url)",
        "from faststream.rabbit import RabbitBroker\nclass Broker(RabbitBroker): pass",
    ],
)
def test_a_file_that_opens_a_connection_of_its_own_is_found(source: str) -> None:
    assert list(opened_in(source))


def test_one_file_opens_connections_to_the_broker() -> None:
    files = [file for package in SHIPPED for file in sorted((ROOT / package).rglob("*.py"))]

    found = {str(file.relative_to(ROOT)) for file in files if list(opened_in(file.read_text()))}

    assert found == {"chassis/messaging/amqp.py"}
