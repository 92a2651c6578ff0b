"""The containers of `bellhop up --observe` are those of the compose file's profile, for this machine only."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.observers import GRAFANA, PROMETHEUS, TRACES, Observers, composed
from deploy.local.ports import HOST, Ports
from deploy.local.processes import ROOT
from tests.support import compose
from tests.support.stand_in_docker import parsed

SERVICES = {"gateway": f"http://{HOST}:1001", "ops_web": f"http://{HOST}:1002"}
WATCHING = {name: found for name, found in compose.services().items() if "observability" in found.get("profiles", ())}
each = pytest.mark.parametrize("name", WATCHING)


@pytest.fixture
def observers(tmp_path: Path) -> Observers:
    return Observers(tmp_path, Ports(tmp_path / "ports.json"))


def commands(observers: Observers, broker_metrics: str | None = None) -> dict[str, list[str]]:
    """Of each container the `docker run`, without what ties a process of the stack to it."""
    containers = observers.containers(SERVICES, broker_metrics).items()
    return {name: found._command[found._command.index("docker") :] for name, found in containers}


def asked(observers: Observers, name: str) -> dict[str, Any]:
    return parsed(commands(observers)[name][2:])


def test_each_service_of_the_profile_is_there(observers: Observers) -> None:
    assert set(commands(observers)) == set(WATCHING) == set(observers.urls) == set(composed())


@each
def test_image_command_and_confinement_are_the_compose_files(
    observers: Observers, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, written = asked(observers, name), WATCHING[name]
    words = [word.replace("$$", "$") for word in (*written.get("entrypoint", ()), *written.get("command", ()))]
    ours = [f"--web.listen-address={HOST}:{observers.urls[name].rpartition(':')[2]}"] if name == PROMETHEUS else []

    assert found["image"] == compose.resolved(written["image"], {})
    assert [found[option] for option in ("--entrypoint",) if option in found] + found["command"] == words + ours
    assert (found["--tmpfs"], found["--cap-drop"], found["--security-opt"]) == (
        *written["tmpfs"],
        *written["cap_drop"],
        *written["security_opt"],
    )
    assert {"--rm", "--read-only"} <= set(commands(observers)[name])
    monkeypatch.setenv(f"{name.upper()}_IMAGE", "registry.example.org/another:1")
    assert composed()[name].image == "registry.example.org/another:1"


@each
def test_each_mounted_file_is_there_and_what_is_written_goes_with_the_container(
    observers: Observers, name: str
) -> None:
    mounted = [volume.split(":") for volume in asked(observers, name)["--volume"]]
    written = [volume.split(":", 1) for volume in WATCHING[name].get("volumes", ())]

    assert [volume[-2 if len(volume) == 3 else 0] for volume in mounted] == [
        target.removesuffix(":ro") for _, target in written
    ]
    for volume, (source, target) in zip(mounted, written, strict=True):
        if source.startswith("."):
            assert Path(volume[0]).exists()
            assert Path(volume[0]).stat().st_mode & 0o004
            assert target.endswith(":ro")
        else:
            assert len(volume) == 1  # no name: removed with its container


@each
def test_it_is_reached_from_this_machine_only(observers: Observers, name: str) -> None:
    found = asked(observers, name)

    assert all(published.startswith(f"{HOST}:") for published in found["--publish"])
    assert observers.urls[name].startswith(f"http://{HOST}:")
    if found.get("--network") == "host":
        assert not found["--publish"]
        assert name in {PROMETHEUS, GRAFANA}
    else:
        inside = WATCHING[name]["ports"][0].rpartition(":")[2]
        assert f"{observers.urls[name].removeprefix('http://')}:{inside}" in found["--publish"]


def test_grafana_listens_here_and_has_a_password_that_no_command_line_shows(observers: Observers) -> None:
    container = observers.containers(SERVICES, None)[GRAFANA]
    environment = container._env

    assert environment["GF_SERVER_HTTP_ADDR"] == HOST
    assert environment["GF_SECURITY_ADMIN_PASSWORD"] == observers.grafana_password
    assert len(observers.grafana_password) >= 32
    assert observers.grafana_password not in " ".join(commands(observers)[GRAFANA])
    assert set(WATCHING[GRAFANA]["environment"]) <= set(asked(observers, GRAFANA)["--env"]) <= set(environment)
    assert not [name for name, value in environment.items() if "$" in value]


@pytest.mark.parametrize("broker", [None, f"{HOST}:1003"])
def test_prometheus_asks_this_stack_and_grafana_asks_that_prometheus(
    observers: Observers, tmp_path: Path, broker: str | None
) -> None:
    commands(observers, broker)
    written = yaml.safe_load((ROOT / "deploy" / "observability" / "prometheus.yaml").read_text())
    config = yaml.safe_load((tmp_path / "observe" / "prometheus.yaml").read_text())
    targets = {job["job_name"]: job.pop("static_configs") for job in config["scrape_configs"]}
    here = {name: url.removeprefix("http://") for name, url in observers.urls.items()}

    assert targets == {"bellhop": [{"targets": [f"{HOST}:1001", f"{HOST}:1002"]}]} | (
        {"rabbitmq": [{"targets": [broker]}]} if broker else {}
    )
    assert {job["job_name"] for job in written["scrape_configs"]} == {"bellhop", "rabbitmq"}
    assert config["alerting"]["alertmanagers"] == [{"static_configs": [{"targets": [here["alertmanager"]]}]}]
    assert {key: config[key] for key in ("global", "rule_files")} == {
        key: written[key] for key in ("global", "rule_files")
    }
    source = ROOT / "deploy" / "observability" / "grafana" / "provisioning"
    for file in source.rglob("*.yaml"):
        copy = yaml.safe_load((tmp_path / "observe" / "provisioning" / file.relative_to(source)).read_text())
        addresses = {found["uid"]: found.pop("url") for found in copy.get("datasources", ())}
        assert addresses in ({}, {name: observers.urls[name] for name in ("prometheus", "traces")})
        original = yaml.safe_load(file.read_text())
        for found in original.get("datasources", ()):
            found.pop("url")
        assert copy == original


def test_spans_go_to_the_port_that_the_store_of_traces_takes_them_at(observers: Observers) -> None:
    endpoint = observers.environment["OTEL_EXPORTER_OTLP_ENDPOINT"]

    assert f"{endpoint.removeprefix('http://')}:4318" in asked(observers, TRACES)["--publish"]


def test_two_stacks_have_containers_of_their_own(observers: Observers, tmp_path: Path) -> None:
    other = Observers(tmp_path / "other", Ports(tmp_path / "other" / "ports.json"))

    assert observers.container_name(GRAFANA) != other.container_name(GRAFANA)
    assert asked(observers, GRAFANA)["--name"] == observers.container_name(GRAFANA)
    assert asked(observers, GRAFANA)["--label"] == f"bellhop.stack={tmp_path}"


@pytest.mark.parametrize(("words", "command"), [(["OBSERVE=1"], "bellhop up --observe"), ([], "bellhop up")])
def test_make_hands_the_wish_on(words: list[str], command: str) -> None:
    # Not as a part of the `make test` that may be running this.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "OBSERVE"))}
    make = ["make", "--dry-run", "--no-print-directory", "up", *words]
    said = subprocess.run(make, check=True, capture_output=True, text=True, cwd=ROOT, env=env)

    assert said.stdout.splitlines()[-1].strip().endswith(command)


@pytest.mark.skipif(shutil.which("docker") is None, reason="the docker client is not installed")
@each
def test_the_docker_client_understands_each_option(observers: Observers, name: str) -> None:
    environment = os.environ | {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    command = commands(observers)[name]

    said = subprocess.run(command, check=False, capture_output=True, text=True, env=environment).stderr
    misspelt = subprocess.run(
        [*command[:2], "--nothing", *command[2:]], check=False, capture_output=True, text=True, env=environment
    ).stderr

    assert "docker.sock" in said  # it got as far as looking for the engine
    assert "docker.sock" not in misspelt
