"""What the `bellhop` command says of itself."""

import sys
from importlib.metadata import version
from subprocess import PIPE, Popen

from typer.testing import CliRunner

from ops.cli.main import app


def test_the_version_is_that_of_the_package() -> None:
    said = CliRunner().invoke(app, ["--version"])

    assert (said.exit_code, said.stdout.split()) == (0, ["bellhop", version("bellhop")])


def test_a_reader_that_leaves_is_not_taken_for_a_broker_that_is_away() -> None:
    lines = (
        "from ops.cli.console import explain_unreachable, print_line\n"
        "with explain_unreachable():\n"
        "    for _ in range(100_000): print_line('x' * 100)\n"
    )
    with Popen([sys.executable, "-c", lines], stdout=PIPE, stderr=PIPE, text=True) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.readline()
        command.stdout.close()
        assert command.stderr.read() == ""
    assert command.returncode == 1
