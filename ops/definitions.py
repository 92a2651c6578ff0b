"""`python -m ops.definitions --write`: what the compose file's RabbitMQ imports at its start; `--check`: is it current?

Accounts with their rights, and the topology. The passwords are placeholders, filled in by deploy/rabbitmq/start.sh.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.accounts import ACCOUNTS, ANYTHING, OPERATOR
from contracts.topology import EXCHANGES, QUEUES
from deploy.accounts import definitions

FILE = Path(__file__).resolve().parents[1] / "deploy" / "rabbitmq" / "definitions.json"
VHOST = "/"


def placeholder(account: str) -> str:
    """What stands for an account's password: `@PSP_ADAPTER_PASSWORD@`."""
    name = "operator" if account == OPERATOR else account
    return f"@{name.upper().replace('-', '_')}_PASSWORD@"


def complete() -> dict[str, list[dict[str, Any]]]:
    accounts = definitions(VHOST, {account.name: placeholder(account.name) for account in ACCOUNTS})
    everything = {"configure": ANYTHING, "write": ANYTHING, "read": ANYTHING}
    return {
        "vhosts": [{"name": VHOST}],
        "users": [
            {"name": OPERATOR, "password": placeholder(OPERATOR), "tags": "administrator"},
            *accounts["users"],
        ],
        "permissions": [{"user": OPERATOR, "vhost": VHOST, **everything}, *accounts["permissions"]],
        "topic_permissions": [*accounts["topic_permissions"]],
        "exchanges": [
            {
                "name": exchange.name,
                "vhost": VHOST,
                "type": exchange.type.value,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
            for exchange in EXCHANGES
        ],
        "queues": [
            {
                "name": queue.name,
                "vhost": VHOST,
                "durable": queue.durable,
                "auto_delete": False,
                "arguments": {"x-queue-type": queue.type.value, **queue.arguments},
            }
            for queue in QUEUES
        ],
        "bindings": [
            {
                "source": binding.exchange,
                "vhost": VHOST,
                "destination": queue.name,
                "destination_type": "queue",
                "routing_key": binding.routing_key,
                "arguments": {},
            }
            for queue in QUEUES
            for binding in queue.bindings
        ],
    }


def text() -> str:
    return json.dumps(complete(), indent=1) + "\n"


def main(
    write: Annotated[bool, typer.Option("--write", help="Write deploy/rabbitmq/definitions.json anew.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Say whether it is current; exit code 1 when not.")] = False,
) -> None:
    """RabbitMQ's definitions, on the screen, in their file, or compared with it."""
    if write:
        FILE.write_text(text(), encoding="utf-8")
    elif check:
        if not FILE.exists() or FILE.read_text(encoding="utf-8") != text():
            sys.stderr.write(
                "deploy/rabbitmq/definitions.json is not what contracts/ says: `python -m ops.definitions --write`.\n"
            )
            raise typer.Exit(1)
    else:
        sys.stdout.write(text())


if __name__ == "__main__":
    typer.run(main)
