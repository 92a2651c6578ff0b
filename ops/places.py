"""Where the running system is: as the environment says, else the stack on this machine."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aio_pika
from aio_pika.abc import AbstractConnection
from yarl import URL

from chassis.metrics import Metrics
from chassis.secret_files import secret_from
from chassis.store import Store
from deploy.local.broker import broker_for
from deploy.local.credentials import Credentials
from deploy.local.ports import HOST, PortsInUse
from deploy.local.stack import LocalStack
from deploy.local.store import store_for
from psp_adapter.stripe_api import StripeApi


class NoSystemError(Exception):
    """Neither the environment nor the data folder names a running system."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"No system to look at: {data_dir} holds no local stack (start one with `bellhop up`), and "
            "BELLHOP_MONGODB_URL, BELLHOP_AMQP_URL and STRIPE_API_KEY are not all set."
        )


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses and keys of one system."""

    amqp_url: str = field(repr=False)
    mongodb_url: str = field(repr=False)
    stripe_api_key: str = field(repr=False)
    stripe_api_base: str | None
    database: str = "bellhop"
    management_url: str | None = field(default=None, repr=False)
    """RabbitMQ's management API, for rates; without a login in it, the broker's is used."""

    @classmethod
    def found(cls, data_dir: Path) -> "Places":
        """From the environment, where it names all of it; else the local stack of that folder."""
        env = os.environ
        names = ("BELLHOP_AMQP_URL", "BELLHOP_MONGODB_URL", "STRIPE_API_KEY")
        amqp_url, mongodb_url, key = (secret_from(env, name) for name in names)
        base = env.get("BELLHOP_STRIPE_API_BASE")
        if amqp_url and mongodb_url and key:
            database, management = env.get("BELLHOP_MONGODB_DATABASE", "bellhop"), env.get("BELLHOP_MANAGEMENT_URL")
            return cls(amqp_url, mongodb_url, key, base, database, management)
        if not (data_dir / "secrets.json").exists():
            raise NoSystemError(data_dir)
        ports = PortsInUse(data_dir / "ports.json")
        secrets = Credentials.kept_in(data_dir / "secrets.json")
        broker = broker_for(data_dir, ports=ports)
        return cls(
            amqp_url=broker.url,
            management_url=broker.management_url,
            mongodb_url=store_for(data_dir, ports=ports).url,
            stripe_api_key=key or secrets.stripe_api_key,
            stripe_api_base=None if key else f"http://{HOST}:{ports.port('sandbox')}",
        )

    @classmethod
    def of_stack(cls, stack: LocalStack) -> "Places":
        """A stack that this process has started."""
        return cls(stack.broker.url, stack.store.url, stack.secrets.stripe_api_key, stack.sandbox_url)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AbstractConnection]:
        """A connection to the broker of one's own; it does not reconnect."""
        async with await aio_pika.connect(str(URL(self.amqp_url).update_query(name="bellhop")), timeout=10) as opened:
            yield opened

    def store(self, metrics: Metrics) -> Store:
        return Store(self.mongodb_url, self.database, metrics, timeout=5.0)

    def psp(self) -> StripeApi:
        return StripeApi.connect(self.stripe_api_key, base=self.stripe_api_base, timeout=20.0, retries=2)
