"""`bellhop broker` looks at the address before it connects or prints a half of it."""

import pytest
import typer

from ops.cli.broker import settings_of_broker


def test_an_address_that_names_no_broker_ends_the_command_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BELLHOP_AMQP_URL", "amqps://op:secret@rabbit.example/?cafile=/no/such/file")

    with pytest.raises(typer.Exit) as ended:
        settings_of_broker()

    assert ended.value.exit_code == 2
    said = capsys.readouterr().err
    assert said == "the cafile of the broker's address, /no/such/file, cannot be read: No such file or directory\n"
