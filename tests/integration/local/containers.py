"""The broker and the store as containers, with the same face as the local processes."""

from docker.errors import DockerException  # type: ignore[import-untyped]
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from deploy.local.broker import VhostsOverHttp, can_connect
from deploy.local.ports import HOST, Ports, accepts
from deploy.local.process import PartError
from deploy.local.store import can_ping
from tests.integration.local.waiting import eventually

BROKER_IMAGE = "rabbitmq:4-management"
STORE_IMAGE = "mongo:8"


class ContainerServer:
    """A container on fixed host ports, so that it comes back at the same address after a kill, with its data."""

    def __init__(self, name: str, container: DockerContainer) -> None:
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


class ContainerBroker(ContainerServer, VhostsOverHttp):
    """RabbitMQ 4 with its management plugin."""

    def __init__(self, ports: Ports) -> None:
        self._amqp, http = ports.port("broker.amqp"), ports.port("broker.management")
        self.url = f"amqp://guest:guest@{HOST}:{self._amqp}/"
        self.management_url = f"http://guest:guest@{HOST}:{http}"
        container = DockerContainer(BROKER_IMAGE, hostname="bellhop")  # the data folder belongs to the node's name
        super().__init__("broker", container.with_bind_ports(5672, self._amqp).with_bind_ports(15672, http))

    def ready(self) -> bool:
        return accepts(self._amqp) and can_connect(self.url)

    def has_written_down_its_streams(self) -> bool:
        """Whether it would find its streams after a kill; see `until_streams_survive_a_kill`."""
        registers = "find /var/lib/rabbitmq -path '*/coordination/*/names.dets'"
        look = f'test -z "$({registers})" || grep -qa rabbit_stream_coordinator $({registers})'
        return bool(self._container.get_wrapped_container().exec_run(["sh", "-c", look]).exit_code == 0)


class ContainerStore(ContainerServer):
    """MongoDB 8, standalone."""

    kind = "mongod"

    def __init__(self, ports: Ports) -> None:
        self._port = ports.port("store")
        self.url = f"mongodb://{HOST}:{self._port}/?directConnection=true"
        super().__init__("store", DockerContainer(STORE_IMAGE).with_bind_ports(27017, self._port))

    def ready(self) -> bool:
        return accepts(self._port) and can_ping(self.url)


def docker_answers() -> bool:
    """Whether a Docker engine is there to run them."""
    try:
        return bool(DockerClient(timeout=3).client.ping())
    except (DockerException, OSError):
        return False
