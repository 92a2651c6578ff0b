"""The gateway's settings: one kind of key for tokens, fetched safely, and the local stack's issuer nowhere else."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr, ValidationError

from deploy.local.credentials import ISSUER
from gateway.settings import STRIPE_JS_URL, GatewaySettings
from psp_adapter.stripe_http import API_VERSION

SECRET = SecretStr("a secret of 32 characters or more, for HMAC")
KEYS = "https://login.alpenhof.example/.well-known/jwks.json"


def _settings(**changes: Any) -> GatewaySettings:
    said = {
        "amqp_url": SecretStr("amqp://localhost"),
        "jwt_issuer": "https://login.alpenhof.example",
        "seal_keys": SecretStr(Fernet.generate_key().decode()),
    }
    return GatewaySettings(**{**said, **changes})


def _refused(**changes: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        _settings(**changes)
    return str(raised.value)


def test_tokens_are_checked_with_a_secret_or_with_published_keys_never_both_and_never_neither() -> None:
    assert _settings(jwt_secret=SECRET).jwt_jwks_url == ""
    assert _settings(jwt_jwks_url=KEYS).jwt_secret.get_secret_value() == ""

    assert "BELLHOP_JWT_JWKS_URL" in _refused(jwt_secret=SECRET, jwt_jwks_url=KEYS)
    assert "BELLHOP_JWT_JWKS_URL" in _refused()


@pytest.mark.parametrize("url", ["http://login.example/keys", "file:///etc/passwd", "https:///keys", "login.example"])
def test_keys_are_fetched_only_where_they_cannot_be_swapped(url: str) -> None:
    assert "https address" in _refused(jwt_jwks_url=url)


def test_on_this_machine_keys_may_come_over_plain_http() -> None:
    assert _settings(jwt_jwks_url="http://127.0.0.1:9000/keys").jwt_jwks_url


def test_the_local_stacks_tokens_are_believed_on_this_machine_only() -> None:
    """Its `bellhop token` signs whatever it is asked to."""
    assert _settings(jwt_issuer=ISSUER, jwt_secret=SECRET).http_host == "127.0.0.1"

    assert "local stack" in _refused(jwt_issuer=ISSUER, jwt_secret=SECRET, http_host="0.0.0.0")


@pytest.mark.parametrize("name", ["jwt_issuer", "jwt_audience"])
def test_an_empty_issuer_or_audience_is_refused(name: str) -> None:
    assert name in _refused(jwt_secret=SECRET, **{name: ""})


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:12111/v3/", "http://js.stripe.com/v3/", "https://js.stripe.example/"]
)
def test_a_live_publishable_key_goes_with_stripes_own_script_only(url: str) -> None:
    assert "js.stripe.com" in _refused(jwt_secret=SECRET, stripe_publishable_key="pk_live_x", stripe_js_url=url)

    assert _settings(jwt_secret=SECRET, stripe_publishable_key="pk_test_x", stripe_js_url=url).stripe_js_url == url
    assert _settings(jwt_secret=SECRET, stripe_publishable_key="pk_live_x").stripe_js_url


def test_the_pages_script_is_the_release_that_belongs_to_the_adapters_api_version() -> None:
    """Stripe pairs them by name: https://docs.stripe.com/sdks/stripejs-versioning."""
    release = API_VERSION.rsplit(".", 1)[1]

    assert _settings(jwt_secret=SECRET).stripe_js_url == f"https://js.stripe.com/{release}/stripe.js"
    assert f"BELLHOP_STRIPE_JS_URL:-{STRIPE_JS_URL}}}" in Path("deploy/compose.yaml").read_text()
