"""The document store for the local stack and the tests: BELLHOP_MONGODB_URL, or mongod, or SecantusDB as a process."""

import os
import shutil
import sys
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from chassis.storage.settings import StoreAddressError, check_store_address
from deploy.local.ports import HOST, Ports, accepts
from deploy.local.process import PartError, Process

DEFAULT_CACHE_MB = 256
"""What either server takes without a setting is half of the machine's memory, or 1 GiB."""
LEAST_CACHE_MB = 256
"""MongoDB starts with no smaller one."""


class Store(Protocol):
    """A server that speaks MongoDB's wire protocol, wherever it runs."""

    @property
    def url(self) -> str: ...
    @property
    def kind(self) -> str:
        """`mongod`, `SecantusDB` or `external`: for people, never for the services."""

    @property
    def pid(self) -> int: ...
    def start(self) -> object: ...
    def stop(self) -> object: ...
    def kill(self) -> object: ...


class LocalStore:
    """A managed server on a free port, its data below one folder."""

    def __init__(self, data_dir: Path, *, ports: Ports, log: Path) -> None:
        port = ports.port("store")
        mongod = shutil.which("mongod")
        self.kind = "mongod" if mongod else "SecantusDB"
        folder = data_dir / f"store-{self.kind.lower()}"  # the two cannot read each other's files
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Without directConnection the driver would follow the host name the server announces.
        self.url = f"mongodb://{HOST}:{port}/?directConnection=true"
        if mongod:
            command = mongod_command(mongod, folder, port)
        else:
            self.url += "&retryWrites=false"  # SecantusDB scans its table of retryable writes on every write
            command = secantus_command(folder, port)
        self.process = Process(
            "store",
            command,
            log=log,
            missing=lambda: None if accepts(port) and can_ping(self.url) else "it does not answer a ping yet",
            advice="If the data folder is damaged or of another version, remove " + str(folder) + ".",
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self) -> "LocalStore":
        """Start, or start again after a kill: same port, same data."""
        self.process.start()
        return self

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self.process.kill()


class ExternalStore:
    """A store that runs elsewhere. It is never started or stopped here."""

    kind = "external"

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def pid(self) -> int:
        raise PartError("store", "is not started by this stack: BELLHOP_MONGODB_URL is set")

    def start(self) -> "ExternalStore":
        try:
            check_store_address(self.url)
        except StoreAddressError as error:
            raise PartError("store", f"BELLHOP_MONGODB_URL is set, but {error}") from error
        if not can_ping(self.url, seconds=10):
            host = urlsplit(self.url).hostname
            raise PartError("store", f"BELLHOP_MONGODB_URL is set, but no server answers at {host} with it.")
        return self

    def stop(self) -> None:
        """Does nothing: the server runs elsewhere."""

    def kill(self) -> None:
        raise PartError("store", "cannot be killed: it runs elsewhere (BELLHOP_MONGODB_URL is set)")


def store_for(data_dir: Path, *, ports: Ports | None = None) -> Store:
    """The store that the environment selects, not started yet."""
    url = os.environ.get("BELLHOP_MONGODB_URL")
    if url:
        return ExternalStore(url)
    return LocalStore(data_dir, ports=ports or Ports(data_dir / "ports.json"), log=data_dir / "logs" / "store.log")


def cache_mb() -> int:
    """The size of a managed server's cache in MiB: BELLHOP_STORE_CACHE_MB. Raises PartError."""
    given = os.environ.get("BELLHOP_STORE_CACHE_MB") or str(DEFAULT_CACHE_MB)
    if not given.isascii() or not given.isdigit() or int(given) < LEAST_CACHE_MB:
        raise PartError("store", f"BELLHOP_STORE_CACHE_MB is not a whole number of {LEAST_CACHE_MB} or more: {given!r}")
    return int(given)


def mongod_command(program: str, folder: Path, port: int) -> list[str]:
    cache = f"{cache_mb() / 1024:.3f}"  # in GiB
    command = [program, "--dbpath", str(folder), "--port", str(port), "--bind_ip", HOST, "--nounixsocket"]
    return [*command, "--wiredTigerCacheSizeGB", cache]


def secantus_command(folder: Path, port: int) -> list[str]:
    program = Path(sys.executable).with_name("secantusd-py")
    if not program.exists():
        raise PartError(
            "store",
            "neither mongod nor SecantusDB is installed. Run `make setup` for the embedded store, "
            "or set BELLHOP_MONGODB_URL to a MongoDB that runs elsewhere.",
        )
    # An explicit, empty configuration keeps it from picking up a secantusd.toml in the home folder or /etc.
    empty = folder.parent / "secantusd.toml"
    empty.touch()
    command = [str(program), "--config", str(empty), "--host", HOST, "--port", str(port)]
    return [*command, "--storage-path", str(folder), "--log-level", "WARNING", "--cache-size", f"{cache_mb()}M"]


def can_ping(url: str, *, seconds: float = 2) -> bool:
    """Whether the server answers a ping."""
    try:
        with MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=int(seconds * 1000)) as client:
            client.admin.command("ping")
    except PyMongoError:
        return False
    return True
