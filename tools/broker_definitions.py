"""The definitions that the compose file's RabbitMQ imports. `python -m tools.broker_definitions --write`; `--check`.

Accounts with their rights, and the topology except its mark: an import does not remove bindings of older versions, so
only `bellhop broker` marks a topology as complete. The passwords are placeholders, filled in by
deploy/rabbitmq/start.sh.
"""

import json
from typing import Any

from contracts.accounts import ACCOUNTS, ANYTHING, OPERATOR
from contracts.topology import EXCHANGES, QUEUES
from deploy.accounts import definitions
from tools.generated_file import ROOT, generated_file_command

FILE = ROOT / "deploy" / "rabbitmq" / "definitions.json"
VHOST = "/"


def placeholder(account: str) -> str:
    """The placeholder of an account's password: `@PSP_ADAPTER_PASSWORD@`."""
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


if __name__ == "__main__":
    generated_file_command(FILE, text, "tools.broker_definitions")
