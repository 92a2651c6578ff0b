"""No secret in anything that people read: by its shape, by its value, by its name."""

import io
import json
import logging
from typing import Any

import pytest
import structlog
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from chassis.runtime import redaction
from chassis.runtime.logs import set_up_logs
from chassis.runtime.redaction import REDACTED, Redaction
from chassis.runtime.settings import LogFormat
from gateway.settings import GatewaySettings
from tests.unit.chassis.test_logs import logs_as_they_were

__all__ = ["logs_as_they_were"]  # a fixture that holds here as well

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJndWVzdC03In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
SEALED = Fernet(Fernet.generate_key()).encrypt(b"a client secret").decode()


def made_up(prefix: str) -> str:
    """A key of Stripe's form, put together here so that no scanner takes this file for a leak."""
    return prefix + "4eC39HqLyjWDarjtT1zdp7dc"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"Invalid API Key provided: {made_up('sk_live_')}", made_up("sk_live_")),
        (f"key {made_up('rk_test_')}, wrong", made_up("rk_test_")),
        (f"signed with {made_up('whsec_')}.", made_up("whsec_")),
        (f"confirm(pi_3abc_secret_{made_up('')})", f"pi_3abc_secret_{made_up('')}"),
        (f"Authorization: Bearer {JWT}", JWT),
        (f"token {JWT} expired", JWT),
        (f"x.y {JWT}.more", JWT),
        ("cannot reach amqp://bellhop:hu@sh@rabbit:5672/", "hu@sh"),
        ("authorization: Bearer opaque-token-of-a-guest", "opaque-token-of-a-guest"),
        ("Authorization: Basic YmVsbGhvcDpodXNo", "YmVsbGhvcDpodXNo"),
        pytest.param(f"sealed as {SEALED}", SEALED, id="a sealed value"),
        ("cannot reach amqp://bellhop:hush@rabbit:5672/", "hush"),
        ("cannot reach mongodb+srv://bellhop:hu%40sh@store/?w=1", "hu%40sh"),
        ("connect(password='hush')", "hush"),
        ('{"client_secret": "hush", "id": 1}', "hush"),
        ("{'client_secret': 'hush'}", "hush"),
        ("/confirm?client_secret=hush&x=1", "hush"),
        ("card 4242424242424242 declined", "4242424242424242"),
        ("card 4242 4242 4242 4242 declined", "4242 4242 4242 4242"),
        ("3782-822463-10005", "3782-822463-10005"),
    ],
)
def test_a_secret_is_taken_out_by_its_shape_and_the_rest_stays(text: str, secret: str) -> None:
    redacted = Redaction()(text)

    assert secret not in redacted
    assert redacted == text.replace(
        f"bellhop:{secret}@" if "://" in text else secret, f"{REDACTED}{'@' * ('://' in text)}"
    )


@pytest.mark.parametrize("secret", ["amqp://bellhop:hush-hush@rabbit/", f"Bearer {JWT}", made_up("sk_live_")])
@pytest.mark.parametrize("before", range(16 * 1024 - 160, 16 * 1024 + 10, 7))
def test_no_piece_of_a_secret_is_left_where_a_long_text_is_cut(before: int, secret: str) -> None:
    redacted = Redaction()("a" * before + " " + secret + " and more" * 1000)

    assert len(redacted) < 17 * 1024
    assert not any(part in redacted for part in ("hush", JWT[:20], made_up("sk_live_")[:12]))


@pytest.mark.parametrize(
    "text",
    [
        "ord_01J9ZQ6N4S0V8W3X5Y7Z9A1B2C was changed by others 5 times in a row",
        "psp.evt_1PqABC2eZvKYlo2C",
        "pi_3MtwBwLkdIwHu7ix28a3tqPa",
        "create:pay_1:1",
        made_up("pk_test_"),
        "mongodb://store:27017/?w=majority",
        "https://docs.stripe.com/webhooks#verify-manually",
        "4242424242424241 fails the check",
        "2026-07-01T09:00:00+00:00",
        "1234567890123",
        "reader@localhost",
        "token expired",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redaction()(text) == text


@given(st.text())
def test_any_text_is_taken_and_what_is_redacted_stays_so(text: str) -> None:
    once = Redaction()(text)

    assert Redaction()(once) == once


PIECES = (
    *("sk_live_", "rk_test_", "whsec_", "pi_3abc_secret_", JWT, SEALED, "://", "@", "Bearer ", "basic ", "BASIC\t"),
    *("password", "passwd=", 'api_key": "', "client_secret=", "Access_Token: ", "refresh_token='"),
    *("pa\u017f\u017fword=", "bas\u0131c "),  # letters that a pattern without regard to case takes for s and i
    *("4242", " ", "-", ".", "_", "4242424242424242", "3782-822463-10005", "hush", "ord_1", "\n", "\xe9", "x"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_a_text_that_is_passed_over_quickly_holds_no_shape(text: str) -> None:
    """The quick look decides only whether the shapes are searched."""
    assert Redaction()(text) == redaction._SHAPES.sub(redaction._masked, text)


def settings() -> GatewaySettings:
    return GatewaySettings(
        amqp_url=SecretStr("amqp://bellhop:pass%2Fword-of-broker@host/"),
        jwt_secret=SecretStr("correct horse battery staple, and more of it"),
        jwt_issuer="https://login.example",
        seal_keys=SecretStr(f"{'A' * 43}=, {'B' * 43}="),
    )


@pytest.mark.parametrize(
    "secret",
    [
        "correct horse battery staple, and more of it",
        "pass%2Fword-of-broker",
        "pass/word-of-broker",
        "A" * 43 + "=",
        "B" * 43 + "=",
    ],
)
def test_what_a_process_was_given_is_taken_out_wherever_it_turns_up(secret: str) -> None:
    redact = Redaction.of(settings())

    assert redact(f"before {secret} after") == f"before {REDACTED} after"
    assert secret not in repr(redact)


def test_a_setting_that_is_no_secret_stays() -> None:
    assert Redaction.of(settings())("https://login.example") == "https://login.example"


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
def test_a_log_line_holds_no_secret_wherever_it_is_put(
    log_format: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logs("gateway", log_format=log_format, redaction=Redaction.of(settings()))
    secret = "pass/word-of-broker"
    log = structlog.get_logger()

    log.info("a", text=secret, nested={"list": [secret, {"deep": secret}]}, number=7, error=ValueError(secret))
    log.info("b", token="hush", client_secret="hush", authorization="hush")
    logging.getLogger("some.library").warning("connecting with %s", secret)
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("c")
        logging.getLogger("some.library").exception("broken")

    redacted = capsys.readouterr().out
    assert redacted.count(f"ValueError: {REDACTED}") == 2
    assert "number" in redacted
    assert secret not in redacted
    assert "hush" not in redacted


def test_ids_amounts_and_times_come_through_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("gateway", log_format=LogFormat.JSON)
    fields: dict[str, Any] = {"order_id": "ord_1", "amount": 4242424242424242, "ratio": 0.5, "ok": True, "none": None}

    structlog.get_logger().info("a", **fields)

    line = json.load(io.StringIO(capsys.readouterr().out))
    assert {name: line[name] for name in fields} == fields
