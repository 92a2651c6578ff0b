"""Sealed values, and keys that change."""

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from chassis.errors import is_transient
from chassis.seal import BrokenSealError, Seal

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def _seal(*keys: str) -> Seal:
    return Seal(SecretStr(",".join(keys)))


def test_what_was_closed_can_be_opened() -> None:
    seal = _seal(NEW)

    sealed = seal.close("pi_1_secret_é")

    assert seal.open(sealed) == "pi_1_secret_é"
    assert "secret" not in sealed


def test_the_old_key_still_opens_during_rotation_and_the_new_one_closes() -> None:
    before, during, afterwards = _seal(OLD), _seal(NEW, OLD), _seal(NEW)

    assert during.open(before.close("x")) == "x"
    assert afterwards.open(during.close("x")) == "x"
    with pytest.raises(BrokenSealError):
        before.open(during.close("x"))


@pytest.mark.parametrize("sealed", ["", "garbage", "gAAAAAB"])
def test_a_value_no_key_opens_is_a_permanent_error_that_shows_nothing(sealed: str) -> None:
    with pytest.raises(BrokenSealError, match="BELLHOP_SEAL_KEYS") as raised:
        _seal(NEW).open(sealed)

    assert not is_transient(raised.value)
    assert NEW not in str(raised.value)


def test_a_changed_value_is_not_opened() -> None:
    sealed = _seal(NEW).close("pi_1_secret")

    with pytest.raises(BrokenSealError):
        _seal(NEW).open(sealed[:-4] + "AAA=")


def test_blanks_around_keys_do_not_matter() -> None:
    assert _seal(f" {NEW} ", "", f"\n{OLD}").open(_seal(OLD).close("x")) == "x"


@pytest.mark.parametrize("keys", ["", " , ", "short", f"{'A' * 43}!"])
def test_keys_that_are_none_are_refused_without_showing_them(keys: str) -> None:
    with pytest.raises(ValueError, match="BELLHOP_SEAL_KEYS") as raised:
        _seal(keys)

    assert "short" not in str(raised.value)
    assert "AAAA" not in str(raised.value)
