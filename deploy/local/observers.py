"""`bellhop up --observe`: Prometheus, Alertmanager, Grafana and a store of traces that look at the local stack.

They run in containers, by the images, files and settings of the profile `observability` of deploy/compose.yaml. Where
that file names a service of Compose, they get the address of a part of this stack. All listen on 127.0.0.1 only.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

from deploy.local.broker import kept_password
from deploy.local.ports import HOST, Ports
from deploy.local.process import PartError, Process
from deploy.local.processes import ROOT, unreadiness

COMPOSE_FILE = ROOT / "deploy" / "compose.yaml"
PROFILE = "observability"
PROMETHEUS, ALERTMANAGER, GRAFANA, TRACES = "prometheus", "alertmanager", "grafana", "traces"
GRAFANA_USER = "admin"
_OF_PROMETHEUS, _OF_GRAFANA = "./observability/prometheus.yaml", "./observability/grafana/provisioning"
"""Files in which addresses stand, as the compose file names them: the containers get a copy with this stack's."""
_SERVICES, _BROKER = "bellhop", "rabbitmq"
"""The jobs of Prometheus."""
_ON_THIS_NETWORK = frozenset({PROMETHEUS, GRAFANA})
"""They ask parts that listen on 127.0.0.1; the others are only asked, at published ports."""
_OTLP_PORT = 4318
_REFERENCE = re.compile(r"(?<!\$)\$\{(\w+)(?::-([^}]*))?\}")
_ADVICE = (
    "Prometheus and Grafana use this machine's own network, which Docker Desktop must be set to allow and which "
    "rootless Docker does not have"
)


class DockerMissingError(Exception):
    """There is no Docker engine to run the observers."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"--observe runs its parts in Docker, and {reason}. Install Docker Engine "
            "(https://docs.docker.com/engine/install/) and start it, or start the stack without --observe."
        )


@dataclass(frozen=True, slots=True)
class Composed:
    """A service of the compose file's profile."""

    name: str
    written: Mapping[str, Any]

    @property
    def image(self) -> str:
        return _resolved(self.written["image"], os.environ)

    @property
    def port(self) -> int:
        """Where it listens in its container."""
        [published] = self.written["ports"]
        return int(published.rsplit(":", 1)[1])

    @property
    def ready_path(self) -> str:
        """The path that answers 200 when it is ready; its page, where the compose file has no check."""
        return urlsplit(self.written["healthcheck"]["test"][-1]).path if "healthcheck" in self.written else "/"

    def words(self, key: str) -> list[str]:
        """A command or an entrypoint."""
        return [word.replace("$$", "$") for word in self.written.get(key, ())]

    def confinement(self) -> Iterator[str]:
        """What its container may not do, as options of `docker run`."""
        if self.written.get("read_only"):
            yield "--read-only"
        for option, key in (("--tmpfs", "tmpfs"), ("--cap-drop", "cap_drop"), ("--security-opt", "security_opt")):
            for value in self.written.get(key, ()):
                yield from (option, value)


def composed() -> dict[str, Composed]:
    """The services of the profile, by name."""
    services = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))["services"].items()
    return {name: Composed(name, written) for name, written in services if PROFILE in written.get("profiles", ())}


def require_docker() -> None:
    """Raise DockerMissingError unless a Docker engine answers."""
    if shutil.which("docker") is None:
        raise DockerMissingError("there is no `docker` on this machine")
    answer = _docker("version", "--format", "{{.Server.Version}}")
    if answer.returncode != 0:
        raise DockerMissingError(f"its engine does not answer ({_last_line(answer) or 'docker version failed'})")


def fetch_images(say: Callable[[str], object]) -> None:
    """Pull the images that are not on this machine yet. Raises PartError for one that cannot be had."""
    for name, found in composed().items():
        if _docker("image", "inspect", found.image).returncode == 0:
            continue
        say(f"pulling {found.image}")
        pulled = _docker("pull", "--quiet", found.image)
        if pulled.returncode != 0:
            raise PartError(
                name, f"its image {found.image} cannot be pulled: {_last_line(pulled)}. Nothing was started."
            )


class Container(Process):
    """A process that is a `docker run` in the foreground: it ends with its container, which is removed with it."""

    def __init__(self, name: str, container: str, command: list[str], **how: Any) -> None:
        super().__init__(name, command, **how)
        self._container = container

    def start(self) -> Self:
        _docker("rm", "--force", "--volumes", self._container)  # of a stack that was killed outright
        return super().start()

    def kill(self) -> Self:
        was_started = self._child is not None
        super().kill()
        if was_started:  # a client that was killed has not stopped its container
            _docker("rm", "--force", "--volumes", self._container)
        return self


class Observers:
    """The containers of one stack, not started yet."""

    def __init__(self, data_dir: Path, ports: Ports) -> None:
        self._data_dir, self._folder = data_dir, data_dir / "observe"
        self._composed = composed()
        self._ports = {name: ports.port(name) for name in self._composed}
        self._otlp_port = ports.port(f"{TRACES}.otlp")
        self.urls = {name: f"http://{HOST}:{port}" for name, port in self._ports.items()}
        self.grafana_password = kept_password(self._folder / "grafana-password")
        self.environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{self._otlp_port}"}
        """What the services need to export their spans here."""

    def container_name(self, name: str) -> str:
        """Named after the stack's folder, so that two stacks have containers of their own."""
        return f"bellhop-{hashlib.sha256(str(self._data_dir).encode()).hexdigest()[:8]}-{name}"

    def containers(self, services: Mapping[str, str], broker_metrics: str | None) -> dict[str, Container]:
        """Write their files, and describe them. `services`: addresses by name; `broker_metrics`: host and port."""
        files = {
            _OF_PROMETHEUS: self._prometheus_file(services, broker_metrics),
            _OF_GRAFANA: self._grafana_folder(),
        }
        return {name: self._container(found, files) for name, found in self._composed.items()}

    def _container(self, found: Composed, files: Mapping[str, Path]) -> Container:
        name, environment = self.container_name(found.name), self._environment(found)
        entrypoint = found.words("entrypoint")
        command = [
            *("docker", "run", "--rm", "--name", name, "--label", f"bellhop.stack={self._data_dir}"),
            *found.confinement(),
            *self._network(found),
            *(
                word for variable in environment for word in ("--env", variable)
            ),  # values, one a password, by the environment
            *(word for volume in found.written.get("volumes", ()) for word in ("--volume", _mounted(volume, files))),
            *(("--entrypoint", entrypoint[0]) if entrypoint else ()),
            found.image,
            *entrypoint[1:],
            *found.words("command"),
        ]
        if found.name == PROMETHEUS:
            command.append(f"--web.listen-address={HOST}:{self._ports[PROMETHEUS]}")
        return Container(
            found.name,
            name,
            command,
            log=self._data_dir / "logs" / f"{found.name}.log",
            missing=lambda: unreadiness(f"{self.urls[found.name]}{found.ready_path}"),
            env=environment,
            advice=_ADVICE if found.name in _ON_THIS_NETWORK else "",
        )

    def _network(self, found: Composed) -> list[str]:
        if found.name in _ON_THIS_NETWORK:
            return ["--network", "host"]
        ports = {self._ports[found.name]: found.port}
        if found.name == TRACES:
            ports[self._otlp_port] = _OTLP_PORT
        return [word for outside, inside in ports.items() for word in ("--publish", f"{HOST}:{outside}:{inside}")]

    def _environment(self, found: Composed) -> dict[str, str]:
        known = os.environ | {"GRAFANA_PASSWORD": self.grafana_password}
        written = {name: _resolved(value, known) for name, value in found.written.get("environment", {}).items()}
        if found.name == GRAFANA:
            written |= {"GF_SERVER_HTTP_ADDR": HOST, "GF_SERVER_HTTP_PORT": str(self._ports[GRAFANA])}
        return written

    def _prometheus_file(self, services: Mapping[str, str], broker_metrics: str | None) -> Path:
        """The compose file's configuration, with this stack's services, its own broker, and its Alertmanager."""
        config = yaml.safe_load(_beside_compose(_OF_PROMETHEUS).read_text(encoding="utf-8"))
        targets = {
            _SERVICES: [urlsplit(url).netloc for url in services.values()],
            _BROKER: [broker_metrics] if broker_metrics else [],
        }
        config["scrape_configs"] = [
            job | {"static_configs": [{"targets": targets[job["job_name"]]}]}
            for job in config["scrape_configs"]
            if targets[job["job_name"]]
        ]
        [alertmanagers] = config["alerting"]["alertmanagers"]
        alertmanagers["static_configs"] = [{"targets": [urlsplit(self.urls[ALERTMANAGER]).netloc]}]
        return _readable(self._folder / "prometheus.yaml", yaml.safe_dump(config, sort_keys=False))

    def _grafana_folder(self) -> Path:
        """The provisioning, with the addresses of this stack's data sources, which have the names of the containers."""
        source, copy = _beside_compose(_OF_GRAFANA), self._folder / "provisioning"
        for file in source.rglob("*.yaml"):
            written = yaml.safe_load(file.read_text(encoding="utf-8"))
            for data_source in written.get("datasources", ()):
                data_source["url"] = self.urls[data_source["uid"]]
            _readable(copy / file.relative_to(source), yaml.safe_dump(written, sort_keys=False))
        return copy


def _mounted(volume: str, files: Mapping[str, Path]) -> str:
    """A volume of the compose file for `docker run`: files by absolute path; a named volume becomes one without a name,
    which is removed with its container.
    """
    source, target = volume.split(":", 1)
    if not source.startswith("."):
        return target
    return f"{files.get(source, _beside_compose(source))}:{target}"


def _beside_compose(relative: str) -> Path:
    return (COMPOSE_FILE.parent / relative).resolve()


def _readable(file: Path, text: str) -> Path:
    """Write a file that the container's user can read, whatever this process's umask is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(0o644)
    file.parent.chmod(0o755)
    return file


def _resolved(value: str, environment: Mapping[str, str]) -> str:
    """A value with Compose's references replaced."""
    return _REFERENCE.sub(lambda found: environment.get(found[1]) or found[2] or "", value)


def _docker(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *words], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def _last_line(answer: subprocess.CompletedProcess[str]) -> str:
    lines = (answer.stderr.strip() or answer.stdout.strip()).splitlines()
    return lines[-1].strip().rstrip(".") if lines else ""
