"""Keys of Stripe's: a live one is sent to Stripe and to nothing else."""

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr, ValidationError

from psp_adapter.settings import AdapterSettings
from psp_adapter.stripe_api import StripeApi
from psp_adapter.stripe_keys import livemode_of

LIVE, RESTRICTED, TEST = (f"{kind}_x" for kind in ("sk_live", "rk_live", "sk_test"))
SANDBOX = "http://127.0.0.1:12111"


def _settings(key: str, base: str | None) -> AdapterSettings:
    return AdapterSettings(
        amqp_url=SecretStr("amqp://localhost"),
        stripe_api_key=SecretStr(key),
        stripe_api_base=base,
        seal_keys=SecretStr(Fernet.generate_key().decode()),
    )


@pytest.mark.parametrize(
    ("key", "livemode"), [(LIVE, True), (RESTRICTED, True), (TEST, False), ("rk_test_x", False), ("pk_live_x", None)]
)
def test_the_prefix_of_a_key_says_whether_it_moves_real_money(key: str, livemode: bool | None) -> None:
    assert livemode_of(key) is livemode


@pytest.mark.parametrize("key", [LIVE, RESTRICTED])
@pytest.mark.parametrize("base", [SANDBOX, "http://api.stripe.com", "https://api.stripe.com.example"])
def test_a_live_key_with_an_address_that_is_not_stripes_stops_the_start(key: str, base: str) -> None:
    with pytest.raises(ValidationError, match="live key") as raised:
        _settings(key, base)
    with pytest.raises(ValueError, match="live key"):
        StripeApi.connect(key, base=base, timeout=1, retries=0)

    assert key not in str(raised.value)


@pytest.mark.parametrize(("key", "base"), [(LIVE, None), (LIVE, "https://api.stripe.com"), (LIVE, ""), (TEST, SANDBOX)])
def test_a_test_key_goes_anywhere_and_a_live_one_to_stripe(key: str, base: str | None) -> None:
    assert _settings(key, base).stripe_api_base == base
