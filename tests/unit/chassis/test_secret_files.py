"""Secrets from files, as Docker and Kubernetes hand them over."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from chassis.runtime.secret_files import secret_from
from chassis.runtime.settings import ServiceSettings, load
from gateway.settings import GatewaySettings
from psp_adapter.settings import AdapterSettings
from tests.unit.chassis.test_settings import ALL, SECRETS, environment

__all__ = ["environment"]  # a fixture that holds here as well


@pytest.fixture
def in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every secret in a file of its own, none in the environment."""
    for variable, value in SECRETS.items():
        file = tmp_path / variable.lower()
        file.write_text(value + "\n")
        monkeypatch.delenv(variable)
        monkeypatch.setenv(f"{variable}_FILE", str(file))
    return tmp_path


@pytest.mark.usefixtures("in_files")
@pytest.mark.parametrize("settings_type", ALL)
def test_every_secret_of_every_service_may_come_from_a_file(settings_type: type[ServiceSettings]) -> None:
    settings = load(settings_type)

    read = {getattr(settings, name) for name in type(settings).model_fields}
    secrets = {value.get_secret_value() for value in read if isinstance(value, SecretStr)} - {""}
    assert secrets
    assert secrets <= set(SECRETS.values())


@pytest.mark.usefixtures("in_files")
def test_the_other_name_of_a_variable_may_name_a_file_as_well(in_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_API_KEY_FILE")
    monkeypatch.setenv("BELLHOP_STRIPE_API_KEY_FILE", str(in_files / "stripe_api_key"))

    assert load(AdapterSettings).stripe_api_key.get_secret_value() == SECRETS["STRIPE_API_KEY"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read: FileNotFoundError"), (b"  \n", "is empty"), (b"hush\xff", "cannot be read: Unicode")],
)
def test_a_file_without_a_secret_stops_the_start(
    content: bytes | None,
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.delenv("BELLHOP_JWT_SECRET")
    monkeypatch.setenv("BELLHOP_JWT_SECRET_FILE", str(file))

    with pytest.raises(SystemExit) as stopped:
        load(GatewaySettings)

    printed = capsys.readouterr().err
    assert stopped.value.code == 2
    assert printed.startswith("BELLHOP_JWT_SECRET_FILE: ")
    assert problem in printed
    assert "hush" not in printed


def test_a_secret_given_twice_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BELLHOP_JWT_SECRET_FILE", str(tmp_path / "secret"))

    with pytest.raises(SystemExit):
        load(GatewaySettings)

    assert "BELLHOP_JWT_SECRET is set as well" in capsys.readouterr().err


def test_a_file_that_holds_a_bad_value_is_refused_like_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "secret"
    file.write_text("hush-too-short")
    monkeypatch.delenv("BELLHOP_JWT_SECRET")
    monkeypatch.setenv("BELLHOP_JWT_SECRET_FILE", str(file))

    with pytest.raises(SystemExit):
        load(GatewaySettings)

    printed = capsys.readouterr().err
    assert "BELLHOP_JWT_SECRET: " in printed
    assert "hush" not in printed


def test_without_variable_and_file_there_is_no_secret() -> None:
    assert secret_from({}, "BELLHOP_JWT_SECRET") is None
