"""Settings of the connector: those that could only book wrongly, or nothing, stop the start."""

import os
import subprocess
import sys
from typing import Any

import pytest

from chassis.runtime.settings import load
from connectors.apaleo.settings import ApaleoSettings

GIVEN = {
    "BELLHOP_MONGODB_URL": "mongodb://127.0.0.1:1",
    "BELLHOP_APALEO_CLIENT_ID": "BELL-SP-HOP",
    "BELLHOP_APALEO_CLIENT_SECRET": "client-secret",
    "BELLHOP_APALEO_WEBHOOK_SECRET": "whsec_bmV3, whsec_b2xk",
    "BELLHOP_APALEO_PROPERTIES": "alpenhof:MUC, seaside:HAM",
    "BELLHOP_APALEO_VAT": "700:Reduced,1900:Normal,none:Without",
}


def given(monkeypatch: pytest.MonkeyPatch, **changes: str) -> ApaleoSettings:
    for name, value in (GIVEN | changes).items():
        monkeypatch.setenv(name, value)
    return load(ApaleoSettings)


def test_settings_say_what_is_booked_as_what(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(monkeypatch, BELLHOP_APALEO_SERVICE_TYPES="breakfast:FoodAndBeverages")

    assert settings.webhook_secrets == ("whsec_bmV3", "whsec_b2xk")
    assert settings.terms.properties == {"alpenhof": "MUC", "seaside": "HAM"}
    assert settings.terms.vat_types == {700: "Reduced", 1900: "Normal", None: "Without"}
    assert settings.terms.service_types == {"breakfast": "FoodAndBeverages"}
    assert (settings.apaleo_url, settings.apaleo_timeout) == ("https://api.apaleo.com", 8.0)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BELLHOP_APALEO_URL", "http://api.apaleo.com"),
        ("BELLHOP_APALEO_URL", "https://user:pw@api.apaleo.com"),
        ("BELLHOP_APALEO_IDENTITY_URL", "identity.apaleo.com"),
        ("BELLHOP_APALEO_CLIENT_ID", ""),
        ("BELLHOP_APALEO_CLIENT_SECRET", ""),
        ("BELLHOP_APALEO_WEBHOOK_SECRET", " , "),
        ("BELLHOP_APALEO_WEBHOOK_SECRET", "whsec_"),
        ("BELLHOP_APALEO_WEBHOOK_SECRET", "whsec_a"),
        ("BELLHOP_APALEO_PROPERTIES", "alpenhof"),
        ("BELLHOP_APALEO_PROPERTIES", ""),
        ("BELLHOP_APALEO_PROPERTIES", "alpenhof:MUC,alpenhof:HAM"),
        ("BELLHOP_APALEO_VAT", ""),
        ("BELLHOP_APALEO_VAT", "19%:Normal"),
        ("BELLHOP_APALEO_VAT", "1900:Nromal"),
        ("BELLHOP_APALEO_SERVICE_TYPES", "breakfast:Food"),
        ("BELLHOP_APALEO_PAYMENT_METHOD", "Other card"),
        ("BELLHOP_APALEO_TIMEOUT", "0"),
    ],
)
def test_an_unusable_setting_stops_the_start_with_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    with pytest.raises(SystemExit):
        given(monkeypatch, **{variable: value})

    said = capsys.readouterr().err
    assert said.startswith(f"{variable}: ")
    assert "client-secret" not in said


def test_the_process_does_not_start_without_its_settings_and_names_them() -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("BELLHOP_")}

    ran = subprocess.run(
        [sys.executable, "-m", "connectors.apaleo"], env=bare, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 2
    required = {each for each in GIVEN if f"{each}: Field required" in ran.stderr}
    assert required == set(GIVEN)


@pytest.mark.parametrize("name", ["CLIENT_SECRET", "WEBHOOK_SECRET"])
def test_secrets_may_come_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, name: str) -> None:
    (tmp_path / "secret").write_text("whsec_ZmlsZQ==\n")
    for variable, value in GIVEN.items():
        if not variable.endswith(name):
            monkeypatch.setenv(variable, value)
    monkeypatch.setenv(f"BELLHOP_APALEO_{name}_FILE", str(tmp_path / "secret"))

    settings = load(ApaleoSettings)

    assert getattr(settings, f"apaleo_{name.lower()}").get_secret_value() == "whsec_ZmlsZQ=="
