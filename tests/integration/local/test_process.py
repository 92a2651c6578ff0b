"""A supervised process is stopped with all it started, and no command ends a process that it did not start."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.process import PartError, Process
from tests.support.waiting import eventually

_SLEEPS = ["sleep", "600"]
_STARTS_A_CHILD = ["/bin/sh", "-c", "sleep 600 & wait"]

# What a former supervisor marked its children with. It killed all whose value contained the id of the ending process.
_STARTS_A_VICTIM_AND_ENDS = """
import os, subprocess, sys
import ops.cli.main, deploy.local.stack
victim = subprocess.Popen(["sleep", "600"], env={**os.environ, "mirakuru_uuid": f"1{os.getpid()}2:elsewhere"},
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
sys.stdout.write(str(victim.pid))
"""


def _process(tmp_path: Path, command: list[str], stop_seconds: float = 15) -> Process:
    return Process("part", command, log=tmp_path / "part.log", missing=lambda: None, stop_seconds=stop_seconds)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Process]:
    process = _process(tmp_path, _STARTS_A_CHILD).start()
    yield process
    process.kill()


def test_a_command_that_ends_leaves_processes_of_other_stacks_alive() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _STARTS_A_VICTIM_AND_ENDS], capture_output=True, check=True, text=True
    )

    victim = psutil.Process(int(ended.stdout))
    try:
        assert victim.status() != psutil.STATUS_ZOMBIE
    finally:
        victim.kill()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_stopped_process_takes_its_children_with_it(running: Process, how: str) -> None:
    leader = psutil.Process(running.pid)
    eventually(lambda: any(child.name() == "sleep" for child in leader.children(recursive=True)), what="its child runs")
    group = [leader, *leader.children(recursive=True)]

    getattr(running, how)()

    eventually(lambda: not any(each.is_running() for each in group), what="all are gone")
    assert running.exit_code is None


def test_a_process_that_died_is_reported_until_it_is_started_again(running: Process) -> None:
    children = psutil.Process(running.pid).children(recursive=True)
    os.kill(running.pid, signal.SIGKILL)

    eventually(lambda: running.exit_code == -signal.SIGKILL, what="its end is seen")
    running.start()

    assert running.exit_code is None
    eventually(lambda: not any(child.is_running() for child in children), what="what it left behind is gone")


def test_a_process_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    deaf = _process(tmp_path, ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"], stop_seconds=0.2).start()
    leader = psutil.Process(deaf.pid)

    deaf.stop()

    assert not leader.is_running()


def test_a_process_that_ends_while_starting_says_so_with_its_last_words(tmp_path: Path) -> None:
    ends = Process(
        "part", ["/bin/sh", "-c", "echo no port; exit 3"], log=tmp_path / "part.log", missing=lambda: "a port"
    )

    with pytest.raises(PartError, match="ended with code 3 while starting") as failed:
        ends.start()

    assert "no port" in failed.value.tail


def test_a_process_that_is_never_ready_is_stopped_and_says_what_it_lacks(tmp_path: Path) -> None:
    late = Process("part", _SLEEPS, log=tmp_path / "part.log", missing=lambda: "no port", start_seconds=0.2)

    with pytest.raises(PartError, match=r"was not ready within \d s: no port"):
        late.start()

    with pytest.raises(PartError, match="is not running"):
        _ = late.pid


def test_a_process_has_more_time_to_become_ready_while_other_work_keeps_the_machine_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen with 17 processes on two cores: brokers that take 5 s on an idle machine were given up after a minute."""
    monkeypatch.setattr(os, "getloadavg", lambda: (1000.0, 0.0, 0.0))
    ready_at = time.monotonic() + 0.5
    late = Process(
        "part",
        _SLEEPS,
        log=tmp_path / "part.log",
        missing=lambda: None if time.monotonic() > ready_at else "no port",
        start_seconds=0.1,
    )

    late.start()

    late.kill()
    assert late.seconds >= 0.4
