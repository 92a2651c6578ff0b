"""The system that commands act on: from the environment, else the stack on this machine."""

import os
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aio_pika.abc import AbstractConnection

from chassis.messaging.amqp import connection_for_tools
from chassis.messaging.broker_address import BrokerAddress
from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Envelope
from chassis.runtime.metrics import Metrics
from chassis.runtime.secret_files import secret_from
from chassis.storage.settings import check_store_address
from chassis.storage.store import Store
from contracts.message import Command
from contracts.psp_accounts import DEFAULT_ACCOUNT
from deploy.local import system_env
from deploy.management import named_management_url
from psp_adapter.account_settings import VARIABLE as PSP_ACCOUNTS
from psp_adapter.account_settings import AccountSettings, read_accounts
from psp_adapter.accounts import Accounts, connect_accounts


class NoSystemError(Exception):
    """Neither the environment nor the data folder names a running system."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"No system to look at: no local stack runs in {data_dir} (start one with `bellhop up`), and none of "
            f"{', '.join(ADDRESSES)} is set."
        )


class MixedSystemError(Exception):
    """The environment names only a part of a system."""

    def __init__(self, named: Iterable[str], missing: Iterable[str], data_dir: Path) -> None:
        super().__init__(
            f"The environment names a part of a system: {', '.join(named)}. The rest is not set: {', '.join(missing)}. "
            f"Set that as well, or unset all of them to use the local stack in {data_dir}."
        )


class OtherPartError(Exception):
    """The local stack runs with a part from elsewhere, and the environment names another one or none."""

    def __init__(self, names: Iterable[str], data_dir: Path) -> None:
        super().__init__(
            f"The local stack in {data_dir} was started with {', '.join(names)} from the environment: set what it was "
            "started with, and nothing else."
        )


ADDRESSES = ("BELLHOP_AMQP_URL", "BELLHOP_MONGODB_URL", "STRIPE_API_KEY")
"""Variables that name a whole system."""
DETAILS = ("BELLHOP_MONGODB_DATABASE", "BELLHOP_STRIPE_API_BASE", "BELLHOP_MANAGEMENT_URL")
"""Further variables of such a system, without effect on their own."""


INSTALLATION = "bellhop"
"""Without BELLHOP_INSTALLATION, as the PSP adapter has it."""


@dataclass(frozen=True, slots=True)
class Target:
    """Addresses and keys of one system."""

    amqp_url: str = field(repr=False)
    mongodb_url: str = field(repr=False)
    stripe_api_key: str = field(repr=False)
    stripe_api_base: str | None
    database: str = "bellhop"
    store_timeout: float = 5.0
    """Seconds to wait for one answer of the document store."""
    management_url: str | None = field(default=None, repr=False)
    """RabbitMQ's management API, for rates; without a login in it, the broker's is used."""
    installation: str = INSTALLATION
    """The name of this installation among several on one PSP account."""
    stack: Path | None = None
    """The folder of the local stack that it is; none: the environment names it."""
    webhook_url: str | None = None
    """Where the PSP sends events, if it is a local stack."""
    psp_accounts: str = field(default="", repr=False)
    """BELLHOP_PSP_ACCOUNTS: further accounts at the PSP."""

    @classmethod
    def from_environment(cls, data_dir: Path) -> "Target":
        """From the environment, where it names all of it; else the local stack of that folder.

        Never a part from here and a part from there. Raises NoSystemError, StaleStackError, MixedSystemError,
        OtherPartError, SecretFileError, BrokerAddressError and StoreAddressError.
        """
        env = os.environ
        installation = env.get("BELLHOP_INSTALLATION") or INSTALLATION
        named = {name: value for name in (*ADDRESSES, *DETAILS) if (value := secret_from(env, name))}
        if all(name in named for name in ADDRESSES):
            amqp_url, mongodb_url, key = (named[name] for name in ADDRESSES)
            BrokerAddress(amqp_url).check()
            check_store_address(mongodb_url)
            return cls(
                amqp_url,
                mongodb_url,
                key,
                named.get("BELLHOP_STRIPE_API_BASE"),
                named.get("BELLHOP_MONGODB_DATABASE", "bellhop"),
                management_url=named_management_url(env, amqp_url),
                installation=installation,
                psp_accounts=secret_from(env, PSP_ACCOUNTS) or "",
            )
        local = system_env.read(data_dir)
        elsewhere = system_env.digests(local)
        given = {name: system_env.digest(value) for name, value in named.items()}
        if "BELLHOP_AMQP_URL" in elsewhere:
            given.pop("BELLHOP_MANAGEMENT_URL", None)
        if given != elsewhere:
            if named:
                raise MixedSystemError(named, [name for name in ADDRESSES if name not in named], data_dir)
            raise OtherPartError(elsewhere, data_dir)
        if not local:
            raise NoSystemError(data_dir)
        values = named | local
        amqp_url = values["BELLHOP_AMQP_URL"]
        return cls(
            amqp_url=amqp_url,
            management_url=local.get("BELLHOP_MANAGEMENT_URL")
            or named_management_url(env, amqp_url)
            or BrokerAddress(amqp_url).management_url,
            mongodb_url=values["BELLHOP_MONGODB_URL"],
            stripe_api_key=values["STRIPE_API_KEY"],
            stripe_api_base=values.get("BELLHOP_STRIPE_API_BASE"),
            database=values.get("BELLHOP_MONGODB_DATABASE", "bellhop"),
            installation=installation,
            stack=data_dir,
            webhook_url=local.get("BELLHOP_WEBHOOK_URL"),
            psp_accounts=local.get(PSP_ACCOUNTS) or secret_from(env, PSP_ACCOUNTS) or "",
        )

    @asynccontextmanager
    async def bus(self, tool: str, metrics: Metrics, *, declares: bool = True) -> AsyncIterator[Bus]:
        """A bus for a tool's messages; stopped at the end."""
        bus = Bus(
            self.amqp_url, f"bellhop-{tool}", metrics, publish_timeout=10.0, graceful_timeout=1.0, declares=declares
        )
        try:
            await bus.start()
            yield bus
        finally:
            await bus.stop()

    async def send(self, tool: str, commands: Sequence[Command]) -> list[str]:
        """Publish a tool's commands; returns the ids of their messages. Raises the broker's errors."""
        ids = [f"{tool}.{uuid.uuid4().hex}" for _ in commands]
        if ids:
            async with self.bus(tool, Metrics(tool), declares=False) as bus:
                for command, message_id in zip(commands, ids, strict=True):
                    await bus.publish(Envelope(command, message_id, correlation_id=message_id))
        return ids

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AbstractConnection]:
        """A connection to the broker that does not reconnect."""
        async with await connection_for_tools(self.amqp_url, "bellhop", timeout=10) as opened:
            yield opened

    def store(self, metrics: Metrics) -> Store:
        return Store(self.mongodb_url, self.database, metrics, timeout=self.store_timeout)

    def psp(self) -> Accounts:
        """All accounts at the PSP. Raises AccountMistakesError."""
        others = read_accounts(self.psp_accounts, self.stripe_api_key, self.stripe_api_base)
        return connect_accounts(
            (AccountSettings(DEFAULT_ACCOUNT, self.stripe_api_key), *others),
            base=self.stripe_api_base,
            timeout=20.0,
            retries=2,
            installation=self.installation,
        )
