"""`bellhop broker`: prepares a RabbitMQ for the services, with an account for each."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from typing import Annotated

import typer

from chassis.messaging.broker_address import BrokerAddress, BrokerAddressError
from chassis.messaging.topology import TopologyMismatchError
from contracts.accounts import ACCOUNTS
from deploy.accounts import definitions, set_up
from deploy.management import Management, ManagementError, named_management_url
from deploy.queue_replacement import drift_at, remove_old_marks, replace_empty
from deploy.topology_drift import Drift
from ops.cli.account_passwords import end, password_variable, passwords_of, secret_settings
from ops.cli.console import console, explain_unreachable, print_json, stderr

SERVER = "RABBITMQ"
"""How the variables with passwords begin."""


def broker(
    show: Annotated[
        bool, typer.Option("--show", help="Print the accounts' permissions as JSON; change nothing.")
    ] = False,
    recreate_empty: Annotated[
        bool,
        typer.Option("--recreate-empty", help="Replace queues with other properties that are empty and not consumed."),
    ] = False,
) -> None:
    """Declare exchanges and queues on a broker of your own, and give each service its account there.

    Takes the operator's address from BELLHOP_AMQP_URL, and the passwords from RABBITMQ_GATEWAY_PASSWORD,
    RABBITMQ_EXTRAS_SERVICE_PASSWORD, RABBITMQ_PAYMENT_SERVICE_PASSWORD, RABBITMQ_PSP_ADAPTER_PASSWORD,
    RABBITMQ_NOTIFICATIONS_PASSWORD and RABBITMQ_WEBHOOKS_PASSWORD (each also from a file, `…_FILE`). The
    management API is at port 15672 of the broker, or at BELLHOP_MANAGEMENT_URL. Running it again sets the passwords
    again, and ends no connection. `bellhop up` does all this by itself.

    A queue of an older version with other properties is named, with what it holds. With --recreate-empty it is replaced
    if it is empty and no service consumes it (docs/updating.md).

    Example: `bellhop broker`

    Exit code 0 if all is in place; 2 if something is missing, or an exchange or queue exists with other properties.
    """
    amqp_url, vhost, passwords = settings_of_broker()
    if show:
        print_json(definitions(vhost, {}))
        return
    absent = [password_variable(SERVER, account.name) for account in ACCOUNTS if account.name not in passwords]
    if not amqp_url:
        absent.insert(0, "BELLHOP_AMQP_URL")
    if absent:
        end(f"Set {', '.join(absent)} first.")
    try:
        with explain_unreachable():
            management = named_management_url(os.environ, amqp_url) or BrokerAddress(amqp_url).management_url
            left = asyncio.run(replace_empty(amqp_url, management)) if recreate_empty else {}
            try:
                asyncio.run(set_up(amqp_url, management, passwords))
            except TopologyMismatchError:
                _tell_otherwise(drift_at(Management(management), vhost), left)
                raise
            remove_old_marks(Management(management), vhost)
    except (ManagementError, TopologyMismatchError) as error:
        end(str(error))
    console.print(f"The topology is declared in the virtual host {vhost}. Accounts: {', '.join(passwords)}.")
    console.print("Give each service its own login in BELLHOP_AMQP_URL, and BELLHOP_DECLARE_TOPOLOGY=false.")


def _tell_otherwise(drift: Iterable[Drift], left: Mapping[str, str]) -> None:
    for one in drift:
        if one.is_otherwise:
            held = f" (not replaced: {left[one.queue]})" if one.queue in left else ""
            stderr.print(f"{one.queue}: {one.problem}{held}", markup=False, soft_wrap=True)


def settings_of_broker() -> tuple[str, str, dict[str, str]]:
    """The broker's address, its virtual host, and the passwords that are set."""
    amqp_url = secret_settings("BELLHOP_AMQP_URL").get("BELLHOP_AMQP_URL", "")
    broker = BrokerAddress(amqp_url)
    try:
        if amqp_url:
            broker.check()
    except BrokerAddressError as error:
        end(str(error))
    return amqp_url, broker.vhost, passwords_of(SERVER, (account.name for account in ACCOUNTS))
