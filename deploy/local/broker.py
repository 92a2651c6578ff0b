"""RabbitMQ for the local stack and the tests: the one at BELLHOP_AMQP_URL, or a new server on a free port."""

import asyncio
import os
import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from aio_pika.exceptions import AMQPError

from chassis.messaging.amqp import connection_for_tools
from chassis.messaging.broker_address import BrokerAddress, BrokerAddressError
from contracts.accounts import OPERATOR
from deploy.local.ports import HOST, Ports, accepts
from deploy.local.private_files import write_private
from deploy.local.process import PartError, Process
from deploy.management import Management, ManagementError, named_management_url, quoted

NODE = "bellhop@localhost"
# Debian's /usr/sbin/rabbitmq-server is a wrapper that switches user; the script behind it keeps the current user.
KNOWN_PLACES = (
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/homebrew/sbin/rabbitmq-server",
    "/usr/local/sbin/rabbitmq-server",
    "/opt/rabbitmq/sbin/rabbitmq-server",
)
# The management agent takes 5 s to shut down after everything that holds data has closed (measured on 3.10.8).
STOP_SECONDS = 3


class Broker(Protocol):
    """A RabbitMQ server, wherever it runs."""

    @property
    def url(self) -> str: ...
    @property
    def management_url(self) -> str | None:
        """The management HTTP API with user and password in it, without a trailing slash; None when it is off."""

    @property
    def pid(self) -> int: ...
    def start(self) -> object: ...
    def stop(self) -> object: ...
    def kill(self) -> object: ...
    def new_vhost(self, name: str) -> str:
        """Create an empty virtual host and return its address."""

    def drop_vhost(self, name: str) -> None: ...


class VhostsOverHttp:
    """Readiness and virtual hosts of a broker, over its management API."""

    url: str
    management_url: str | None

    def new_vhost(self, name: str) -> str:
        address = BrokerAddress(self.url)
        self._management.call("PUT", f"/api/vhosts/{quoted(name)}")
        rights = {"configure": ".*", "write": ".*", "read": ".*"}
        self._management.call("PUT", f"/api/permissions/{quoted(name)}/{quoted(address.login)}", rights)
        return address.for_vhost(name).url

    def drop_vhost(self, name: str) -> None:
        self._management.call("DELETE", f"/api/vhosts/{quoted(name)}")

    def lacks(self) -> str | None:
        """What the broker still lacks. RabbitMQ 4.3 accepts connections before its management API answers."""
        if not accepts(BrokerAddress(self.url).port) or not can_connect(self.url):
            return "no AMQP connection succeeds yet"
        try:
            if self.management_url is not None:
                self._management.call("GET", "/api/overview")
        except ManagementError:
            return "its management API does not answer yet"
        return None

    @property
    def _management(self) -> Management:
        if self.management_url is None:
            raise PartError("broker", "virtual hosts need the management plugin; start the broker with management=True")
        return Management(self.management_url)


class LocalBroker(VhostsOverHttp):
    """A managed `rabbitmq-server`: data, password, cookie and log below one folder, loopback only, no epmd."""

    def __init__(
        self, folder: Path, *, ports: Ports, log: Path, management: bool = True, metrics: bool = False
    ) -> None:
        """`metrics`: with the plugin that Prometheus asks."""
        program = find_rabbitmq()
        if program is None:
            raise PartError(
                "broker",
                "no rabbitmq-server on this machine. Install it (Debian, Ubuntu: apt-get install rabbitmq-server; "
                "macOS: brew install rabbitmq) or set BELLHOP_AMQP_URL to a broker that runs elsewhere.",
            )
        amqp, dist = ports.port("broker.amqp"), ports.port("broker.dist")
        http = ports.port("broker.management") if management else None
        for_prometheus = ports.port("broker.metrics") if metrics else None
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        password = kept_password(folder / "password")
        self.url = f"amqp://{OPERATOR}:{password}@{HOST}:{amqp}/"
        self.management_url = f"http://{OPERATOR}:{password}@{HOST}:{http}" if http else None
        self.metrics_address = f"{HOST}:{for_prometheus}" if for_prometheus else None
        """Host and port where Prometheus finds it; None when that is off."""
        write_private(folder / "rabbitmq.conf", configuration(amqp, http, password, for_prometheus))
        plugins = {"rabbitmq_management": http, "rabbitmq_prometheus": for_prometheus}
        (folder / "enabled_plugins").write_text(f"[{','.join(name for name, port in plugins.items() if port)}].\n")
        (folder / "home").mkdir(exist_ok=True)
        self.process = Process(
            "broker",
            [program],
            log=log,
            missing=self.lacks,
            env=environment(folder.resolve(), dist),
            stop_seconds=STOP_SECONDS,
            advice="If the data folder is damaged or of another RabbitMQ version, remove " + str(folder) + ".",
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self) -> "LocalBroker":
        """Start, or start again after a kill: same port, same data."""
        self.process.start()
        return self

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self.process.kill()


class ExternalBroker(VhostsOverHttp):
    """A broker that runs elsewhere. It is never started or stopped here."""

    def __init__(self, url: str, management_url: str | None = None) -> None:
        self.url = url
        self.management_url = management_url or BrokerAddress(url).management_url

    @property
    def pid(self) -> int:
        raise PartError("broker", "is not started by this stack: BELLHOP_AMQP_URL is set")

    def start(self) -> "ExternalBroker":
        try:
            BrokerAddress(self.url).check()
        except BrokerAddressError as error:
            raise PartError("broker", f"BELLHOP_AMQP_URL is set, but {error}.") from error
        if not can_connect(self.url):
            host = BrokerAddress(self.url).host
            raise PartError("broker", f"BELLHOP_AMQP_URL is set, but no connection to {host} succeeds with it.")
        return self

    def stop(self) -> None:
        """Does nothing: the server runs elsewhere."""

    def kill(self) -> None:
        raise PartError("broker", "cannot be killed: it runs elsewhere (BELLHOP_AMQP_URL is set)")


def broker_for(data_dir: Path, *, ports: Ports | None = None, metrics: bool = False) -> Broker:
    """The broker that the environment selects, not started yet. `metrics`: with Prometheus's plugin, if it is ours."""
    url = os.environ.get("BELLHOP_AMQP_URL")
    if url:
        return ExternalBroker(url, named_management_url(os.environ, url))
    ports = ports or Ports(data_dir / "ports.json")
    return LocalBroker(data_dir / "broker", ports=ports, log=data_dir / "logs" / "broker.log", metrics=metrics)


def find_rabbitmq() -> str | None:
    """The server's start script: the one that BELLHOP_RABBITMQ_SERVER names, else the machine's, or None."""
    named = os.environ.get("BELLHOP_RABBITMQ_SERVER")
    if named and not os.access(named, os.X_OK):
        raise PartError("broker", f"BELLHOP_RABBITMQ_SERVER is set, but {named} is not a program.")
    if named:
        return named
    known = (place for place in KNOWN_PLACES if os.access(place, os.X_OK))
    return next(known, None) or shutil.which("rabbitmq-server")


def can_connect(url: str) -> bool:
    """Whether an AMQP connection and a channel open. Runs in a thread: the caller may be inside an event loop."""

    async def connect() -> bool:
        try:
            async with await connection_for_tools(url, "bellhop", timeout=5) as connection:
                await connection.channel()
        except (TimeoutError, AMQPError, OSError):
            return False
        return True

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, connect()).result()


def kept_password(file: Path) -> str:
    """The broker's password, generated on first use and stored with its data."""
    if not file.exists():
        write_private(file, secrets.token_hex(16))
    return file.read_text().strip()


def configuration(amqp: int, http: int | None, password: str, for_prometheus: int | None = None) -> str:
    lines = [
        f"listeners.tcp.1 = {HOST}:{amqp}",
        f"default_user = {OPERATOR}",
        f"default_pass = {password}",
        "log.console = true",
        "log.console.level = info",
        "log.file = false",
    ]
    if http is not None:
        lines += [f"management.tcp.ip = {HOST}", f"management.tcp.port = {http}"]
    if for_prometheus is not None:
        lines += [f"prometheus.tcp.ip = {HOST}", f"prometheus.tcp.port = {for_prometheus}"]
    return "\n".join(lines) + "\n"


def environment(folder: Path, dist: int) -> dict[str, str]:
    """Environment that confines a packaged RabbitMQ to this folder."""
    return {
        "HOME": str(folder / "home"),  # holds the Erlang cookie
        "RABBITMQ_NODENAME": NODE,
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "no-rabbitmq-env.conf"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_DIST_PORT": str(dist),
        # Makes the start script exec the Erlang machine instead of waiting for it, so our child *is* the broker.
        "RUNNING_UNDER_SYSTEMD": "true",
        # A fixed distribution port needs no epmd: nothing is shared with, or left running for, another node.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-sname {NODE} -start_epmd false -erl_epmd_port {dist} "
        "-kernel inet_dist_use_interface {127,0,0,1}",
    }
