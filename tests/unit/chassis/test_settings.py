"""Settings: a bad one stops the start with a line that says which, and never shows a value."""

import os

import pytest

from chassis.runtime.settings import ServiceSettings, load
from extras_service.settings import ExtrasSettings
from gateway.settings import GatewaySettings
from payment_service.settings import PaymentSettings
from psp_adapter.settings import AdapterSettings

SECRETS = {
    "BELLHOP_AMQP_URL": "amqp://bellhop:hush-amqp@localhost/",
    "BELLHOP_MONGODB_URL": "mongodb://bellhop:hush-mongo@localhost/",
    "BELLHOP_JWT_SECRET": "hush-jwt-" + "x" * 32,
    "BELLHOP_SEAL_KEYS": "aHVzaC1zZWFsLWtleS1mb3ItdGVzdHMtb25seS0xMjM=",
    "STRIPE_API_KEY": "sk_test_hush",
    "STRIPE_WEBHOOK_SECRET": "whsec_hush",
}
PLAIN = {"BELLHOP_JWT_ISSUER": "https://login.example"}
ALL = (ExtrasSettings, PaymentSettings, AdapterSettings, GatewaySettings)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole environment and nothing else of ours."""
    for name in list(os.environ):
        if name.startswith(("BELLHOP_", "STRIPE_")):
            monkeypatch.delenv(name)
    for name, value in {**SECRETS, **PLAIN}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("settings_type", ALL)
def test_a_whole_environment_loads(settings_type: type[ServiceSettings]) -> None:
    assert load(settings_type).amqp_url.get_secret_value() == SECRETS["BELLHOP_AMQP_URL"]


@pytest.mark.parametrize("settings_type", ALL)
def test_secrets_never_show(settings_type: type[ServiceSettings]) -> None:
    settings = load(settings_type)

    for text in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert "hush" not in text
        assert SECRETS["BELLHOP_SEAL_KEYS"] not in text


@pytest.mark.parametrize(
    ("settings_type", "variable"),
    [
        (ExtrasSettings, "BELLHOP_AMQP_URL"),
        (ExtrasSettings, "BELLHOP_MONGODB_URL"),
        (PaymentSettings, "BELLHOP_MONGODB_URL"),
        (GatewaySettings, "BELLHOP_JWT_ISSUER"),
        (GatewaySettings, "BELLHOP_SEAL_KEYS"),
        (AdapterSettings, "BELLHOP_SEAL_KEYS"),
        (AdapterSettings, "STRIPE_API_KEY"),
    ],
)
def test_a_missing_variable_stops_the_start_and_is_named(
    settings_type: type[ServiceSettings],
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv(variable)

    with pytest.raises(SystemExit) as stopped:
        load(settings_type)

    assert stopped.value.code == 2
    assert f"{variable}: Field required\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings_type", "variable", "value"),
    [
        (GatewaySettings, "BELLHOP_JWT_SECRET", "hush-too-short"),
        (GatewaySettings, "BELLHOP_HTTP_PORT", "hush-65536"),
        (ExtrasSettings, "BELLHOP_HTTP_PORT", "65536"),
        (ExtrasSettings, "BELLHOP_PAY_WITHIN", "hush-a-while"),
        (PaymentSettings, "BELLHOP_SWEEP_EVERY", "0"),
        (AdapterSettings, "BELLHOP_LOG_FORMAT", "hush-xml"),
        (AdapterSettings, "BELLHOP_SEAL_KEYS", "hush-no-fernet-key"),
        (GatewaySettings, "BELLHOP_SEAL_KEYS", " , "),
        (PaymentSettings, "BELLHOP_LOG_LEVEL", "hush-loud"),
        (ExtrasSettings, "BELLHOP_MONGODB_URL", "mongodb://u:hu@sh@mongo.example/"),
        (PaymentSettings, "BELLHOP_MONGODB_URL", "mongodb://u:hush@mongo.example/?tls=yes"),
        (GatewaySettings, "BELLHOP_AMQP_URL", "https://u:hush@rabbit.example/"),
        (ExtrasSettings, "BELLHOP_AMQP_URL", "amqps://u:hush@rabbit.example/?cafile=/no/such/file"),
    ],
)
def test_a_bad_value_stops_the_start_and_is_not_shown(
    settings_type: type[ServiceSettings],
    variable: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit) as stopped:
        load(settings_type)

    printed = capsys.readouterr().err
    assert stopped.value.code == 2
    assert f"{variable}: " in printed
    assert "hush" not in printed


@pytest.mark.parametrize(
    ("settings_type", "field", "old", "new"),
    [
        (GatewaySettings, "live_stream_max_seconds", "BELLHOP_LONGEST_LIVE_STREAM", "BELLHOP_LIVE_STREAM_MAX_SECONDS"),
        (PaymentSettings, "poll_interval_factor", "BELLHOP_POLL_PACE", "BELLHOP_POLL_INTERVAL_FACTOR"),
        (AdapterSettings, "stripe_breaker_threshold", "BELLHOP_STRIPE_PATIENCE", "BELLHOP_STRIPE_BREAKER_THRESHOLD"),
    ],
)
def test_a_setting_is_read_by_its_old_name_unless_the_new_one_is_set(
    settings_type: type[ServiceSettings], field: str, old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(old, "7")
    by_its_old_name = load(settings_type)
    monkeypatch.setenv(new, "3")
    by_both = load(settings_type)

    assert (getattr(by_its_old_name, field), getattr(by_both, field)) == (7, 3)


def test_every_problem_is_named_at_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("BELLHOP_AMQP_URL")
    monkeypatch.delenv("BELLHOP_MONGODB_URL")

    with pytest.raises(SystemExit):
        load(ExtrasSettings)

    printed = capsys.readouterr().err
    assert "BELLHOP_AMQP_URL" in printed
    assert "BELLHOP_MONGODB_URL" in printed


@pytest.mark.parametrize(
    ("variable", "secrets"),
    [("whsec_new, whsec_old,", ("whsec_new", "whsec_old")), ("whsec_one", ("whsec_one",)), (" , ", ()), ("", ())],
)
def test_webhook_secrets_are_a_list_and_none_means_off(
    variable: str, secrets: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", variable)

    assert load(AdapterSettings).accounts[0].webhook_secrets == secrets
