"""`bellhop up --observe`, on a stand-in of Docker: no engine was at hand, and no image could be pulled."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from deploy.local.broker import Broker
from deploy.local.observers import composed
from deploy.local.patience import patient
from deploy.local.ports import accepts
from deploy.local.process import PartError
from deploy.local.processes import ROOT
from deploy.local.stack import LocalStack
from deploy.local.store import Store
from ops.cli.main import app
from tests.integration.local.fakes import fake
from tests.support.stand_in_docker import CANNOT_RUN, ENGINE, PULLED, REAL_PROMETHEUS, Docker
from tests.support.waiting import eventually

BELLHOP = str(Path(sys.executable).with_name("bellhop"))
IMAGES = {name: found.image for name, found in composed().items()}


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    return Docker(tmp_path, monkeypatch)


@pytest.fixture
def session_servers(broker: Broker, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLHOP_AMQP_URL", broker.url)
    monkeypatch.setenv("BELLHOP_MONGODB_URL", store.url)


def up(data_dir: Path) -> Any:
    return CliRunner().invoke(app, ["up", "--observe", "--data-dir", str(data_dir)])


def test_without_docker_nothing_is_started_and_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    ran = up(tmp_path / "data")

    assert ran.exit_code == 2
    assert "there is no `docker` on this machine. Install Docker Engine" in ran.output
    assert not (tmp_path / "data").exists()


def test_without_an_engine_nothing_is_started_and_a_sentence_has_dockers_reason(docker: Docker, tmp_path: Path) -> None:
    docker.behaves(**{ENGINE: "down"})

    ran = up(tmp_path / "data")

    assert ran.exit_code == 2
    assert (
        "its engine does not answer (Cannot connect to the Docker daemon. Is the docker daemon running?)" in ran.output
    )
    assert not docker.asked("run")
    assert not (tmp_path / "data").exists()


def test_without_an_image_nothing_is_started_and_a_sentence_names_it(docker: Docker, tmp_path: Path) -> None:
    docker.behaves(**{PULLED: "refused"})

    ran = up(tmp_path / "data")

    first = next(iter(IMAGES.values()))
    assert ran.exit_code == 1
    assert f"image {first} cannot be pulled: Error response from daemon: no route to the registry" in ran.output
    assert not docker.asked("run")
    assert not (tmp_path / "data").exists()


@pytest.mark.usefixtures("session_servers")
def test_the_containers_answer_while_the_stack_runs_and_are_removed_with_it(docker: Docker, tmp_path: Path) -> None:
    services = [fake("gateway"), fake("psp_adapter")]

    with LocalStack(tmp_path / "data", quiet=True, services=services, sandbox=None, observe=True) as stack:
        assert stack.observers
        urls = stack.observers.urls
        assert {name: httpx.get(url).status_code for name, url in urls.items()} == dict.fromkeys(IMAGES, 200)
        names = {stack.observers.container_name(name) for name in IMAGES}
        assert {said["words"][said["words"].index("--name") + 1] for said in docker.asked("run")} == names
        assert len(docker.asked("rm")) == len(IMAGES)  # what a stack that was killed outright has left

    removed = [said["words"][-1] for said in docker.asked("rm")]
    assert sorted(removed) == sorted([*names, *names])
    assert not [url for url in urls.values() if accepts(int(url.rpartition(":")[2]))]


@pytest.mark.usefixtures("session_servers")
def test_a_container_that_ends_is_a_part_that_died_and_may_be_started_again(docker: Docker, tmp_path: Path) -> None:
    def removed() -> int:
        return len([said for said in docker.asked("rm") if said["words"][-1].endswith("-grafana")])

    with LocalStack(tmp_path / "data", quiet=True, services=[fake("gateway")], sandbox=None, observe=True) as stack:
        os.kill(stack.part("grafana").pid, signal.SIGTERM)
        with pytest.raises(PartError, match="grafana: ended by itself with code 0"):
            stack.watch()

        stack.part("grafana").start()
        before = removed()

    assert removed() == before + 1


@pytest.mark.usefixtures("session_servers")
def test_a_container_that_does_not_start_stops_the_stack(docker: Docker, tmp_path: Path) -> None:
    docker.behaves(**{CANNOT_RUN: IMAGES["grafana"]})
    stack = LocalStack(tmp_path / "data", quiet=True, services=[fake("gateway")], sandbox=None, observe=True)

    with pytest.raises(PartError, match="grafana: ended with code 125 while starting") as failed, stack:
        pytest.fail("the stack came up")

    assert "port is already allocated" in failed.value.tail[-1]
    assert stack.observers
    assert {said["words"][-1] for said in docker.asked("rm")} == {
        stack.observers.container_name(name) for name in IMAGES
    }


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed (Debian: prometheus)")
def test_a_real_prometheus_finds_every_part_of_a_real_stack(
    docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    present, pulled = list(IMAGES.values())[:-1], list(IMAGES.values())[-1]
    docker.behaves(**{PULLED: " ".join(present), REAL_PROMETHEUS: "yes"})
    for name in ("BELLHOP_AMQP_URL", "BELLHOP_MONGODB_URL"):
        monkeypatch.delenv(name, raising=False)  # a broker of its own is scraped, too
    log = tmp_path / "up.log"
    command = [BELLHOP, "up", "--observe", "--data-dir", str(tmp_path / "data")]
    with log.open("w") as output, subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output) as running:

        def is_up() -> bool:
            assert running.poll() is None, log.read_text()
            return "Ctrl-C stops everything" in log.read_text()

        try:
            eventually(is_up, what="the stack is up", seconds=120)
            said = log.read_text()
            [prometheus] = re.findall(r"✓ prometheus +(http://127\.0\.0\.1:\d+)", said)
            health: dict[str, str] = {}

            def all_are_scraped() -> bool:
                answer = httpx.get(f"{prometheus}/api/v1/targets", trust_env=False).json()
                targets = answer["data"]["activeTargets"]
                health.clear()
                health.update({each["scrapeUrl"]: each["health"] for each in targets})
                return {*health.values()} == {"up"}

            eventually(all_are_scraped, what="every target is up", seconds=60)
            services = re.findall(r"✓ (?:gateway|\w+_\w+|notifications|webhooks) +(http\S+)", said)
            assert {f"{url}/metrics" for url in services} < health.keys()
            assert [url for url in health if url.endswith("/metrics/per-object")]
            assert len(health) == len(services) + 1 == 8
            rules = httpx.get(f"{prometheus}/api/v1/rules", trust_env=False).json()["data"]["groups"]
            assert {group["name"] for group in rules} >= {"bellhop", "bellhop-objectives"}
            asks = httpx.get(f"{prometheus}/api/v1/alertmanagers", trust_env=False).json()["data"]
            [alertmanager] = re.findall(r"✓ alertmanager +(http\S+)", said)
            assert [each["url"] for each in asks["activeAlertmanagers"]] == [f"{alertmanager}/api/v2/alerts"]

            [curl] = re.findall(r"(http\S+)/v1/extras", said)
            [token] = re.findall(r"TOKEN=(\S+)", said)
            headers = {"Authorization": f"Bearer {token}"}
            httpx.get(f"{curl}/v1/extras", headers=headers, trust_env=False).raise_for_status()
            eventually(
                lambda: "/v1/traces" in {posted["words"][1] for posted in docker.asked("posted")},
                what="a span was exported",
                seconds=60,
            )
            alarms = httpx.get(f"{prometheus}/api/v1/alerts", trust_env=False).json()["data"]["alerts"]
            assert not [alarm for alarm in alarms if alarm["labels"]["alertname"] == "BellhopServiceDown"]
            assert f"pulling {pulled}" in said
            assert "The dashboards (user admin, password " in said
        finally:
            running.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                running.wait(timeout=patient(60))
            running.kill()

    assert running.returncode == 0
    assert [said["words"][-1] for said in docker.asked("pull")] == [pulled]
    with pytest.raises(httpx.TransportError):
        httpx.get(prometheus, trust_env=False)
    assert len(docker.asked("rm")) == 2 * len(IMAGES)
