"""Three RabbitMQ nodes on one machine as one cluster, and one address in front of them.

Every node has a loopback address of its own and the same ports. They find each other through an epmd of their own, for
the Erlang node from which RabbitMQ 4 asks its peers has a port that only epmd can tell.
"""

import asyncio
import contextlib
import itertools
import secrets
import shutil
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from contracts.accounts import OPERATOR
from deploy.local.broker import environment, find_rabbitmq, kept_password
from deploy.local.ports import HOST, Ports, accepts
from deploy.local.private_files import write_private
from deploy.local.process import PartError, Process

ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
START_SECONDS = 120


def node_name(address: str) -> str:
    return f"bellhop{ADDRESSES.index(address)}@{address}"


class Cluster:
    """The nodes as processes, by address. They form a cluster on their first start and find it again on every other."""

    management_url = None

    def __init__(self, folder: Path) -> None:
        program, epmd = find_rabbitmq(), shutil.which("epmd")
        if program is None or epmd is None:
            raise PartError("cluster", "no rabbitmq-server and epmd on this machine")
        ports = Ports(folder / "ports.json")
        self.amqp, self._dist, self._epmd = (ports.port(name) for name in ("amqp", "dist", "epmd"))
        self.epmd = Process(
            "epmd",
            [epmd, "-port", str(self._epmd), "-address", ",".join(ADDRESSES)],
            log=folder / "epmd.log",
            missing=lambda: None if accepts(self._epmd, ADDRESSES[-1]) else "its port does not listen yet",
        )
        self._password = kept_password(folder / "password")
        self._cookie = secrets.token_hex(16)
        self.nodes = {address: self._node(program, folder / f"node-{address}", address) for address in ADDRESSES}

    def url_at(self, port: int, address: str = HOST) -> str:
        return f"amqp://{OPERATOR}:{self._password}@{address}:{port}/"

    def _node(self, program: str, folder: Path, address: str) -> Process:
        (folder / "home").mkdir(parents=True)
        write_private(folder / "home" / ".erlang.cookie", self._cookie)
        (folder / "home" / ".erlang.cookie").chmod(0o400)
        (folder / "enabled_plugins").write_text("[].\n")
        write_private(folder / "rabbitmq.conf", self._configuration(address))
        name = node_name(address)
        distribution = ",".join(address.split("."))
        env = environment(folder, self._dist) | {
            "RABBITMQ_NODENAME": name,
            "RABBITMQ_USE_LONGNAME": "true",
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_ZFLAGS": f"-start_epmd false -kernel inet_dist_use_interface {{{distribution}}}",
            # Two schedulers each: three machines' worth of threads would wait for each other.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-name {name} +S 2:2",
        }
        return Process(
            f"node {address}",
            [program],
            log=folder / "node.log",
            missing=lambda: None if accepts(self.amqp, address) else "its port does not listen yet",
            env=env,
            start_seconds=START_SECONDS,
            stop_seconds=1,
        )

    def _configuration(self, address: str) -> str:
        peers = [f"cluster_formation.classic_config.nodes.{n} = {node_name(a)}" for n, a in enumerate(ADDRESSES, 1)]
        lines = [
            f"listeners.tcp.1 = {address}:{self.amqp}",
            f"default_user = {OPERATOR}",
            f"default_pass = {self._password}",
            "log.console = true",
            "log.console.level = info",
            "log.file = false",
            "cluster_formation.peer_discovery_backend = classic_config",
            *peers,
        ]
        return "\n".join(lines) + "\n"

    async def start(self) -> None:
        await asyncio.to_thread(self.epmd.start)
        await asyncio.gather(*(asyncio.to_thread(node.start) for node in self.nodes.values()))

    async def stop(self) -> None:
        """All at once and at once: what they hold is thrown away."""
        parts = (*self.nodes.values(), self.epmd)
        await asyncio.gather(*(asyncio.to_thread(part.kill) for part in parts))


class Door:
    """One address for several nodes, like a load balancer's: every connection goes to the next node that takes it."""

    def __init__(self, port: int, addresses: Collection[str]) -> None:
        self._upstream = port
        self._addresses = addresses
        self._turn = itertools.cycle(addresses)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await self._connect()
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for address in itertools.islice(self._turn, len(self._addresses) - 1):
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(address, self._upstream)
        return await asyncio.open_connection(next(self._turn), self._upstream)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(65536):
            sink.write(chunk)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def cluster_behind_a_door(
    folder: Path, addresses: Collection[str] = ADDRESSES
) -> AsyncIterator[tuple[Cluster, str]]:
    """A running cluster and the one address its clients know, which leads to the nodes at `addresses`."""
    cluster = Cluster(folder)
    try:
        await cluster.start()
        async with await asyncio.start_server(Door(cluster.amqp, addresses), HOST, 0) as door:
            yield cluster, cluster.url_at(door.sockets[0].getsockname()[1])
    finally:
        await cluster.stop()
