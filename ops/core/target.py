"""Where the running system is: as the environment says, else the stack on this machine."""

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aio_pika.abc import AbstractConnection

from chassis.messaging.amqp import connection_for_tools
from chassis.messaging.bus import Bus
from chassis.runtime.metrics import Metrics
from chassis.runtime.secret_files import secret_from
from chassis.storage.store import Store
from deploy.local import external
from deploy.local.broker import broker_for
from deploy.local.credentials import Credentials
from deploy.local.ports import HOST, PortsInUse
from deploy.local.stack import LocalStack
from deploy.local.store import store_for
from deploy.management import named_management_url
from psp_adapter.stripe_api import StripeApi


class NoSystemError(Exception):
    """Neither the environment nor the data folder names a running system."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"No system to look at: {data_dir} holds no local stack (start one with `bellhop up`), and none of "
            f"{', '.join(ADDRESSES)} is set."
        )


class MixedSystemError(Exception):
    """The environment names a part of a system, and not the rest of it."""

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
"""What names a whole system."""
DETAILS = ("BELLHOP_MONGODB_DATABASE", "BELLHOP_STRIPE_API_BASE", "BELLHOP_MANAGEMENT_URL")
"""What says more about such a system, and means nothing without it."""


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
    management_url: str | None = field(default=None, repr=False)
    """RabbitMQ's management API, for rates; without a login in it, the broker's is used."""
    installation: str = INSTALLATION
    """Which installation of several on one account of the PSP's."""
    stack: Path | None = None
    """The folder of the local stack that it is; none: the environment names it."""

    @classmethod
    def from_environment(cls, data_dir: Path) -> "Target":
        """From the environment, where it names all of it; else the local stack of that folder.

        Never a part from here and a part from there. Raises NoSystemError, MixedSystemError, OtherPartError and
        SecretFileError.
        """
        env = os.environ
        installation = env.get("BELLHOP_INSTALLATION") or INSTALLATION
        named = {name: value for name in (*ADDRESSES, *DETAILS) if (value := secret_from(env, name))}
        if all(name in named for name in ADDRESSES):
            amqp_url, mongodb_url, key = (named[name] for name in ADDRESSES)
            return cls(
                amqp_url,
                mongodb_url,
                key,
                named.get("BELLHOP_STRIPE_API_BASE"),
                named.get("BELLHOP_MONGODB_DATABASE", "bellhop"),
                named_management_url(env, amqp_url),
                installation,
            )
        elsewhere = external.recorded(data_dir)
        given = {name: external.digest(value) for name, value in named.items()}
        if "BELLHOP_AMQP_URL" in elsewhere:
            given.pop("BELLHOP_MANAGEMENT_URL", None)
        if given != elsewhere:
            if named:
                raise MixedSystemError(named, [name for name in ADDRESSES if name not in named], data_dir)
            raise OtherPartError(elsewhere, data_dir)
        if not (data_dir / "secrets.json").exists():
            raise NoSystemError(data_dir)
        ports = PortsInUse(data_dir / "ports.json")
        secrets = Credentials.kept_in(data_dir / "secrets.json")
        broker = broker_for(data_dir, ports=ports)
        own_key = named.get("STRIPE_API_KEY")
        base = named.get("BELLHOP_STRIPE_API_BASE") if own_key else f"http://{HOST}:{ports.port('sandbox')}"
        return cls(
            amqp_url=broker.url,
            management_url=broker.management_url,
            mongodb_url=store_for(data_dir, ports=ports).url,
            stripe_api_key=own_key or secrets.stripe_api_key,
            stripe_api_base=base,
            database=named.get("BELLHOP_MONGODB_DATABASE", "bellhop"),
            installation=installation,
            stack=data_dir,
        )

    @classmethod
    def of_stack(cls, stack: LocalStack) -> "Target":
        """A stack that this process has started."""
        return cls(stack.broker.url, stack.store.url, stack.secrets.stripe_api_key, stack.sandbox_url)

    @asynccontextmanager
    async def bus(self, tool: str, metrics: Metrics, *, declares: bool = True) -> AsyncIterator[Bus]:
        """A bus on which one tool sends messages of its own; stopped at the end."""
        bus = Bus(
            self.amqp_url, f"bellhop-{tool}", metrics, publish_timeout=10.0, graceful_timeout=1.0, declares=declares
        )
        try:
            await bus.start()
            yield bus
        finally:
            await bus.stop()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AbstractConnection]:
        """A connection to the broker of one's own; it does not reconnect."""
        async with await connection_for_tools(self.amqp_url, "bellhop", timeout=10) as opened:
            yield opened

    def store(self, metrics: Metrics) -> Store:
        return Store(self.mongodb_url, self.database, metrics, timeout=5.0)

    def psp(self) -> StripeApi:
        return StripeApi.connect(
            self.stripe_api_key, base=self.stripe_api_base, timeout=20.0, retries=2, installation=self.installation
        )
