"""What the `bellhop` command says of itself."""

from importlib.metadata import version

from typer.testing import CliRunner

from ops.cli.main import app


def test_the_version_is_that_of_the_package() -> None:
    said = CliRunner().invoke(app, ["--version"])

    assert (said.exit_code, said.stdout.split()) == (0, ["bellhop", version("bellhop")])
