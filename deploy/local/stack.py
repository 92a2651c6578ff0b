"""The whole of Bellhop on one machine: broker, store, sandbox and services, started together and stopped together."""

import asyncio
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape

from chassis.messaging.broker_address import BrokerAddress
from chassis.messaging.topology import TopologyMismatchError
from contracts.accounts import ACCOUNTS
from deploy.accounts import derived, set_up
from deploy.local import system_env
from deploy.local.broker import Broker, LocalBroker, broker_for
from deploy.local.credentials import Credentials
from deploy.local.observers import TRACES, Observers
from deploy.local.ports import HOST, Ports
from deploy.local.process import PartError, Process
from deploy.local.processes import (
    OPERATORS_PAGE,
    SANDBOX,
    SERVICES,
    ProcessSpec,
    StackContext,
    psp_accounts,
    webhook_url,
)
from deploy.local.store import LocalStore, Store, store_for
from deploy.local.system_env import DATA_DIR, LOCK
from deploy.queue_replacement import replace_empty

_LOCK_WITHIN = 1.0
"""Seconds. A command that looks whether a stack runs holds the lock for a moment."""


class StackInUseError(Exception):
    """Another stack runs on this data folder."""

    def __init__(self, data_dir: Path, pid: str) -> None:
        self.data_dir = data_dir
        super().__init__(
            f"A stack already runs on {data_dir} (process {pid or 'unknown'}). Stop that one first (Ctrl-C), "
            "or give this one another folder with --data-dir."
        )


def real_stripe() -> bool:
    """Whether the environment names a Stripe account, which replaces the sandbox."""
    return bool(os.environ.get("STRIPE_API_KEY")) and bool(os.environ.get("STRIPE_WEBHOOK_SECRET"))


class LocalStack:
    """A context manager: inside the block all parts are ready, after it all have stopped.

    Raises PartError if a part does not start, and StackInUseError if the data folder is in use.
    """

    def __init__(
        self,
        data_dir: Path = DATA_DIR,
        *,
        quiet: bool = False,
        extra_env: Mapping[str, str] | None = None,
        services: Sequence[ProcessSpec] = SERVICES,
        sandbox: ProcessSpec | None = SANDBOX,
        observe: bool = False,
    ) -> None:
        """`extra_env` is added to the environment of the sandbox and of every service. `observe`: with the containers
        of deploy/local/observers.py, for which a Docker engine and their images must be there.
        """
        self.data_dir = data_dir.resolve()
        self._console = Console(quiet=quiet, highlight=False)
        self._extra_env = dict(extra_env or {})
        self._services = tuple(services)
        self._sandbox = None if real_stripe() else sandbox
        self._observe = observe
        self._processes: dict[str, Process] = {}
        self._lock: IO[str] | None = None
        self.broker: Broker
        self.store: Store
        self.secrets: Credentials
        self.context: StackContext
        self.service_urls: dict[str, str] = {}
        self.sandbox_url: str | None = None
        self.observers: Observers | None = None

    @property
    def gateway_url(self) -> str:
        return self.service_urls["gateway"]

    @property
    def adapter_url(self) -> str:
        return self.service_urls["psp_adapter"]

    def part(self, name: str) -> Process:
        """A part started here, by name: `.pid`, `.stop()`, `.kill()`, `.start()`."""
        try:
            return self._processes[name]
        except KeyError:
            raise PartError(name, f"is not started by this stack; it has {', '.join(self._processes)}") from None

    def mint_token(
        self,
        guest: str,
        property_id: str,
        reservation: str,
        stay_from: date,
        stay_to: date,
        role: str = "guest",
        ttl: timedelta = timedelta(hours=12),
    ) -> str:
        """A signed token that this stack's gateway accepts."""
        return self.secrets.mint_token(guest, property_id, reservation, stay_from, stay_to, role=role, ttl=ttl)

    def __enter__(self) -> Self:
        self._take_lock()
        try:
            self._prepare()
            began = time.monotonic()
            for stage in self._stages():
                self._start_together(stage)
            system_env.write(self.data_dir, self._whereabouts())
            self._console.print(f"[green]ready[/] in {time.monotonic() - began:.1f} s")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.stop()

    def check(self) -> None:
        """Raise PartError if a part died by itself, rather than by `part().stop()` or `.kill()`."""
        for process in self._processes.values():
            code = process.exit_code
            if code is not None:
                raise process.failure(f"ended by itself with code {code}")

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Return when `until` says so; raise PartError as soon as a part died."""
        while not until():
            self.check()
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop the parts started here: the services first, then their dependencies. Safe to call twice."""
        if self._lock is not None:
            system_env.remove(self.data_dir)
        names = {spec.name for spec in self._services}
        first = [process.stop for name, process in self._processes.items() if name in names]
        then = [process.stop for name, process in self._processes.items() if name not in names]
        for stops in (first, then):
            with ThreadPoolExecutor(max(1, len(stops))) as pool:
                for stopped in [pool.submit(stop) for stop in stops]:
                    stopped.result()
        self._processes.clear()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        lock = (self.data_dir / LOCK).open("a+")
        until = time.monotonic() + _LOCK_WITHIN
        while not _locks(lock):
            if time.monotonic() > until:
                lock.seek(0)
                holder = lock.read().strip()
                lock.close()
                raise StackInUseError(self.data_dir, holder)
            time.sleep(0.05)
        system_env.remove(self.data_dir)  # of a stack that was killed
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _prepare(self) -> None:
        """Choose ports and secrets and describe every process; nothing runs yet."""
        ports = Ports(self.data_dir / "ports.json")
        self.secrets = Credentials.kept_in(self.data_dir / "secrets.json")
        self.observers = Observers(self.data_dir, ports) if self._observe else None
        self.broker = broker_for(self.data_dir, ports=ports, metrics=self._observe)
        self.store = store_for(self.data_dir, ports=ports)
        parts = [part for part in (self._sandbox, *self._services) if part is not None]
        urls = {part.name: f"http://{HOST}:{ports.port(part.name)}" for part in parts}
        self.context = context = StackContext(
            self.data_dir,
            self.broker.url,
            self.store.url,
            self.secrets,
            urls,
            accounts=self._accounts(),
            management_url=self.broker.management_url,
        )
        extra_env = (self.observers.environment if self.observers else {}) | self._extra_env
        self._processes = {part.name: part.process(ports.port(part.name), context, extra_env) for part in parts}
        if isinstance(self.broker, LocalBroker):
            self._processes["broker"] = self.broker.process
        if isinstance(self.store, LocalStore):
            self._processes["store"] = self.store.process
        self.service_urls = {spec.name: urls[spec.name] for spec in self._services}
        self.sandbox_url = urls[self._sandbox.name] if self._sandbox else None
        if self.observers:
            broker_metrics = self.broker.metrics_address if isinstance(self.broker, LocalBroker) else None
            self._processes |= self.observers.containers(self.service_urls, broker_metrics)

    def _whereabouts(self) -> dict[str, str | None]:
        """What `system.env` says. Of parts from elsewhere only a digest: their logins stay in the environment."""
        own_broker, own_store = isinstance(self.broker, LocalBroker), isinstance(self.store, LocalStore)
        return {
            "BELLHOP_AMQP_URL": self.broker.url if own_broker else None,
            "BELLHOP_MANAGEMENT_URL": self.broker.management_url if own_broker else None,
            "BELLHOP_MONGODB_URL": self.store.url if own_store else None,
            "STRIPE_API_KEY": self.secrets.stripe_api_key if self.sandbox_url else None,
            "BELLHOP_STRIPE_API_BASE": self.sandbox_url,
            "BELLHOP_PSP_ACCOUNTS": psp_accounts(self.secrets) if self.sandbox_url else None,
            "BELLHOP_GATEWAY_URL": self.service_urls.get("gateway"),
            "BELLHOP_WEBHOOK_URL": webhook_url(self.service_urls),
            "BELLHOP_PAGE_URL": self.service_urls.get(OPERATORS_PAGE.name),
            **system_env.from_elsewhere(os.environ, real_stripe=real_stripe()),
        }

    def _accounts(self) -> dict[str, str]:
        """Each service's broker address, with its own account. At an external broker all use the given address."""
        if not isinstance(self.broker, LocalBroker):
            return {}
        broker, passwords = BrokerAddress(self.broker.url), self._passwords
        return {name.replace("-", "_"): broker.for_account(name, passwords[name]).url for name in passwords}

    @property
    def _passwords(self) -> dict[str, str]:
        return {account.name: derived(self.secrets.broker_secret, account.name) for account in ACCOUNTS}

    def _start_broker(self) -> None:
        self.broker.start()
        if isinstance(self.broker, LocalBroker) and self.broker.management_url:
            set_up_here = partial(set_up, self.broker.url, self.broker.management_url, self._passwords)
            try:
                asyncio.run(set_up_here())
            except TopologyMismatchError:  # data of an older version
                asyncio.run(replace_empty(self.broker.url, self.broker.management_url))
                asyncio.run(set_up_here())

    def _stages(self) -> Iterator[dict[str, tuple[Callable[[], object], str]]]:
        """Groups of parts that start together: name → start function and displayed address."""
        grounds: dict[str, tuple[Callable[[], object], str]] = {
            "broker": (self._start_broker, without_login(self.broker.url)),
            "store": (self.store.start, f"{without_login(self.store.url)} ({self.store.kind})"),
        }
        if self._sandbox and self.sandbox_url:
            grounds[self._sandbox.name] = (self._processes[self._sandbox.name].start, f"{self.sandbox_url} (sandbox)")
        observers = self._starts(self.observers.urls if self.observers else {})
        if TRACES in observers:  # the others come after the services, for Prometheus to find none of them down
            grounds[TRACES] = observers.pop(TRACES)
        yield grounds
        yield self._starts(self.service_urls)
        yield observers

    def _starts(self, urls: Mapping[str, str]) -> dict[str, tuple[Callable[[], object], str]]:
        return {name: (self._processes[name].start, url) for name, url in urls.items()}

    def _start_together(self, stage: Mapping[str, tuple[Callable[[], object], str]]) -> None:
        def start(name: str, begin: Callable[[], object], address: str) -> None:
            began = time.monotonic()
            begin()
            seconds = time.monotonic() - began
            self._console.print(f"  [green]✓[/] {name:<16} {escape(address):<64} {seconds:5.1f} s", soft_wrap=True)

        with ThreadPoolExecutor(max(1, len(stage))) as pool:
            starts = [pool.submit(start, name, *how) for name, how in stage.items()]
        for started in starts:  # all have ended, so that none is started during a stop
            started.result()


def _locks(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def without_login(url: str) -> str:
    """An address without user, password and options, for display."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or ''}".rstrip(":")
