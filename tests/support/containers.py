"""The broker and the store as containers, with the same face as the local processes."""

import gc
import os
import secrets
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from docker.errors import DockerException  # type: ignore[import-untyped]
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from contracts.accounts import OPERATOR
from deploy.local.broker import Broker, VhostsOverHttp, broker_for
from deploy.local.ports import HOST, Ports, accepts
from deploy.local.process import PartError
from deploy.local.store import Store, can_ping, store_for
from tests.support.compose import resolved, services
from tests.support.waiting import eventually


def image_of(service: str) -> str:
    """What the compose file runs, or the image that RABBITMQ_IMAGE or MONGODB_IMAGE names, as it is there."""
    return resolved(services()[service]["image"], os.environ)


class ContainerServer:
    """A container on fixed host ports, so that it comes back at the same address after a kill, with its data."""

    def __init__(self, name: str, container: DockerContainer, ports: dict[int, int]) -> None:
        """`ports`: the container's, and the one of 127.0.0.1 that each is reached at."""
        for inside, outside in ports.items():
            container.ports[str(inside)] = (HOST, outside)  # type: ignore[assignment]  # docker's, through testcontainers
        self._name = name
        self._container = container
        self._created = False

    def ready(self) -> bool:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        raise PartError(self._name, "is a container, not a process of ours")

    def start(self) -> object:
        if self._created:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._created = True
        eventually(self.ready, what=f"the {self._name} container is ready", seconds=60)
        return self

    def stop(self) -> None:
        """Stop and remove it."""
        if self._created:
            self._container.stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Its processes are stopped, its connections stay open."""
        container = self._container.get_wrapped_container()
        container.pause()
        try:
            yield
        finally:
            container.unpause()


class ContainerBroker(ContainerServer, VhostsOverHttp):
    """RabbitMQ with its management plugin."""

    def __init__(self, ports: Ports) -> None:
        amqp, http = ports.port("broker.amqp"), ports.port("broker.management")
        # Made up, like a local broker's: "guest" is a word of every message, and would count as leaked.
        password = secrets.token_hex(16)
        self.url = f"amqp://{OPERATOR}:{password}@{HOST}:{amqp}/"
        self.management_url = f"http://{OPERATOR}:{password}@{HOST}:{http}"
        container = DockerContainer(image_of("rabbitmq"), hostname="bellhop")  # the data folder has the node's name
        container = container.with_env("RABBITMQ_DEFAULT_USER", OPERATOR).with_env("RABBITMQ_DEFAULT_PASS", password)
        super().__init__("broker", container, {5672: amqp, 15672: http})

    def ready(self) -> bool:
        return self.lacks() is None

    def has_written_down_its_streams(self) -> bool:
        """Whether it would find its streams after a kill; see `until_streams_survive_a_kill`."""
        registers = "find /var/lib/rabbitmq -path '*/coordination/*/names.dets'"
        look = f'test -z "$({registers})" || grep -qa rabbit_stream_coordinator $({registers})'
        return bool(self._container.get_wrapped_container().exec_run(["sh", "-c", look]).exit_code == 0)


class ContainerStore(ContainerServer):
    """MongoDB, standalone."""

    kind = "mongod"

    def __init__(self, ports: Ports) -> None:
        self._port = ports.port("store")
        self.url = f"mongodb://{HOST}:{self._port}/?directConnection=true"
        super().__init__("store", DockerContainer(image_of("mongodb")), {27017: self._port})

    def ready(self) -> bool:
        return accepts(self._port) and can_ping(self.url)


ServerT = TypeVar("ServerT", Broker, Store)


@contextmanager
def running(server: ServerT) -> Iterator[ServerT]:
    """The server, started, for the length of a with-block."""
    try:
        server.start()
        yield server
    finally:
        server.stop()


def broker_in(folder: Path, *, in_containers: bool) -> AbstractContextManager[Broker]:
    """A running broker for the length of a with-block: a container, or a process with its data in that folder."""
    return running(ContainerBroker(Ports(folder / "ports.json")) if in_containers else broker_for(folder))


def store_in(folder: Path, *, in_containers: bool) -> AbstractContextManager[Store]:
    """A running store, likewise."""
    return running(ContainerStore(Ports(folder / "ports.json")) if in_containers else store_for(folder))


def docker_answers() -> bool:
    """Whether a Docker engine is there to run them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        answers = False
        with suppress(DockerException, OSError):
            answers = bool(DockerClient(timeout=3).client.ping())
        gc.collect()  # a socket that the library opened in vain is left to it
        return answers
