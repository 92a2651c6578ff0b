"""Sealed values: readable only by the services that hold the keys, so no queue, document or log can leak them."""

from typing import Annotated

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import AfterValidator, SecretStr

from chassis.errors import PermanentError


class BrokenSealError(PermanentError):
    """None of the keys opens a sealed value."""

    def __init__(self) -> None:
        super().__init__("a sealed value cannot be opened: sealed with a key that is no longer in BELLHOP_SEAL_KEYS?")


def _usable(keys: SecretStr) -> SecretStr:
    Seal(keys)
    return keys


class Seal:
    """Fernet keys: the first seals, all of them open.

    To rotate without a gap, give every service the new key second, then to all of them first: `old,new`, then
    `new,old`, then `new` alone once no value sealed with the old key is needed.
    """

    def __init__(self, keys: SecretStr) -> None:
        """`keys` is a comma-separated list. Raises ValueError when one is not a Fernet key."""
        parts = [key.strip() for key in keys.get_secret_value().split(",") if key.strip()]
        if not parts:
            raise ValueError("BELLHOP_SEAL_KEYS holds no key; make one with `bellhop seal-key`")
        try:
            self._fernet = MultiFernet([Fernet(key) for key in parts])
        except ValueError as error:
            raise ValueError(
                "BELLHOP_SEAL_KEYS holds a key that is not a Fernet key; make one with `bellhop seal-key`"
            ) from error

    def close(self, value: str) -> str:
        return self._fernet.encrypt(value.encode()).decode()

    def open(self, sealed: str) -> str:
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise BrokenSealError from None


SealKeys = Annotated[SecretStr, AfterValidator(_usable)]
"""A setting of seal keys: an unusable one stops the start with a sentence, not with a traceback."""
