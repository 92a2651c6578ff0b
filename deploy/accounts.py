"""Declares the topology and creates the services' accounts at the broker (contracts/accounts.py)."""

import asyncio
import hmac
from collections.abc import Mapping

from chassis.messaging.broker_address import BrokerAddress
from chassis.messaging.bus import Bus
from chassis.runtime.metrics import Metrics
from contracts.accounts import ACCOUNTS, OPERATOR
from deploy.management import Management


def definitions(vhost: str, passwords: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    """Users and permissions in RabbitMQ's import format. Accounts without a password in `passwords` stay unchanged."""
    return {
        "users": [
            {"name": account.name, "password": passwords[account.name], "tags": ""}
            for account in ACCOUNTS
            if account.name in passwords
        ],
        "permissions": [
            {
                "user": account.name,
                "vhost": vhost,
                "configure": account.rights.configure,
                "write": account.rights.write,
                "read": account.rights.read,
            }
            for account in ACCOUNTS
        ],
        "topic_permissions": [
            {"user": account.name, "vhost": vhost, "exchange": exchange, "write": keys.write, "read": keys.read}
            for account in ACCOUNTS
            for exchange, keys in account.routing_keys.items()
        ],
    }


async def set_up(amqp_url: str, management_url: str, passwords: Mapping[str, str]) -> None:
    """Prepare a broker for the services: the topology first, then their accounts.

    In this order, because RabbitMQ 4 refuses rights at exchanges that do not exist. Safe to repeat. Raises what
    `declare_topology` and `open_accounts` raise.
    """
    await declare_topology(amqp_url)
    await asyncio.to_thread(open_accounts, management_url, BrokerAddress(amqp_url).vhost, passwords)


def open_accounts(management_url: str, vhost: str, passwords: Mapping[str, str]) -> None:
    """Create or update the accounts. Open connections stay open. Raises ManagementError."""
    Management(management_url).call("POST", "/api/definitions", definitions(vhost, passwords))


async def declare_topology(amqp_url: str) -> None:
    """Declare exchanges, queues and bindings with an account that has the right.

    Raises TopologyMismatchError if one exists with other properties, and aio-pika's errors if the broker is
    unavailable.
    """
    bus = Bus(amqp_url, OPERATOR, Metrics(OPERATOR), publish_timeout=10.0, graceful_timeout=1.0)
    try:
        await bus.start()
    finally:
        await bus.stop()


def derived(secret: str, account: str) -> str:
    """An account's password, derived from a secret of this deployment."""
    return hmac.digest(secret.encode(), account.encode(), "sha256").hex()
