"""What a command loads: looking at a system needs nothing of what starts and supervises one."""

import subprocess
import sys

import pytest

_SUPERVISOR = {f"deploy.local.{name}" for name in ("stack", "process", "processes", "broker", "store")} | {"ops.demo"}
_PROGRAM = """
import sys
from ops.cli.main import app
try:
    app({words!r}, standalone_mode=True)
except SystemExit as ended:
    print("exit code", ended.code)
print("loaded", *sorted(sys.modules))
"""


def run(*words: str) -> tuple[str, set[str]]:
    """What `bellhop` says to these words, and the modules it has loaded then."""
    command = [sys.executable, "-c", _PROGRAM.format(words=list(words))]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"})
    said, _, loaded = ran.stdout.rpartition("loaded ")
    return ran.stderr + said, set(loaded.split())


@pytest.mark.parametrize("words", [("dead", "list", "--help"), ("dead", "list", "--data-dir", "/nowhere")])
def test_looking_at_a_system_loads_no_process_supervisor(words: tuple[str, ...]) -> None:
    _, loaded = run(*words)

    assert "ops.cli.dead" in loaded
    assert loaded.isdisjoint(_SUPERVISOR)


def test_without_a_system_a_command_says_in_one_sentence_where_it_looked() -> None:
    said, _ = run("dead", "list", "--data-dir", "/nowhere")

    assert said == (
        "No system to look at: no local stack runs in /nowhere (start one with `bellhop up`), and none of "
        "BELLHOP_AMQP_URL, BELLHOP_MONGODB_URL, STRIPE_API_KEY is set.\nexit code 2\n"
    )
