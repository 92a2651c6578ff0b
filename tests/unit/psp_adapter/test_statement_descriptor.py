"""The statement descriptor suffix: what Stripe would refuse with every payment stops the start."""

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr, ValidationError

from psp_adapter.settings import AdapterSettings


def _settings(suffix: str | None) -> AdapterSettings:
    return AdapterSettings(
        amqp_url=SecretStr("amqp://localhost"),
        stripe_api_key=SecretStr("sk_test_x"),
        stripe_statement_descriptor_suffix=suffix,
        seal_keys=SecretStr(Fernet.generate_key().decode()),
    )


@pytest.mark.parametrize("suffix", ["A", "EXTRAS", "Bar & Spa 24/7", "x" * 22])
def test_a_suffix_that_stripe_takes_is_kept(suffix: str) -> None:
    assert _settings(suffix).stripe_statement_descriptor_suffix == suffix


@pytest.mark.parametrize("suffix", ["x" * 23, "2026", " ", "a\nb", "ホテル", *(f"a{each}" for each in "<>\\'\"*")])
def test_a_suffix_that_stripe_refuses_stops_the_start(suffix: str) -> None:
    with pytest.raises(ValidationError, match="1 to 22"):
        _settings(suffix)


@pytest.mark.parametrize("suffix", [None, ""])
def test_an_empty_suffix_is_none(suffix: str | None) -> None:
    assert _settings(suffix).stripe_statement_descriptor_suffix is None
