"""Removes secrets from text written for people: logs, dead letters' headers, health problems.

Two nets. By shape: keys, tokens, passwords in addresses and card numbers. By value: the secrets of this process's
settings, wherever they occur.
"""

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from chassis.text import cut

REDACTED = "[redacted]"

_SHORTEST = 8
"""Characters. A shorter secret is found by its shape only: taking out every `guest` would make a log unreadable."""

_LONGEST = 16 * 1024
"""Maximum length of a redacted text, in characters; the rest is cut."""

_TORN = 256
"""Characters. The end of a text that was cut may be the beginning of a secret: so much goes, back to a space."""

# Each alternative is linear in the text: no two repetitions that can take the same characters follow one another, and
# none begins inside the run of characters that it reads (a JWT may hold "-", at which another word begins). No group is
# possessive: Python before 3.11.4 does not match those.
_SHAPES = re.compile(
    r"""
    (?P<secret>
        \b(?:sk|rk)_(?:test|live)_[A-Za-z0-9]{6,}           # Stripe's API keys
      | \bwhsec_[A-Za-z0-9+/=]{6,}                          # its webhook secrets
      | \b(?:pi|seti|cs)_[A-Za-z0-9_]+?_secret_[A-Za-z0-9]+ # its client secrets
      | (?<![\w-])(?=[\w-]++\.[\w-]++\.)[\w-]*?\beyJ[\w-]{5,}+\.[\w-]++\.[\w-]*+  # a JWT
      | \bgAAAAA[A-Za-z0-9_-]{40,}={0,2}                    # a sealed value (Fernet)
      | (?<=://)[^\s/@:]*+:[^\s/]*(?=@)                     # user:password in an address
      | (?i:(?<=bearer\s)|(?<=basic\s))[A-Za-z0-9._~+/-]{8,}=*
    )
    | (?P<name>(?i:password|passwd|api_key|client_secret|(?:access|refresh)_token)["']?\s?[=:]\s?["']?)
      (?P<value>[^\s"'&,;)}\]]+)
    | (?P<card>(?<![\w.-])\d(?:[ -]?\d){13,18}(?![\w.-]))
    """,
    re.VERBOSE,
)

# What a text holds, in lower case, if it holds one of the shapes: looking for these takes a tenth of the time.
_SIGNS_IN_WORDS = ("k_test_", "k_live_", "whsec_", "_secret", "eyj", "gaaaaa")
_SIGNS = (*_SIGNS_IN_WORDS, "://", "bearer", "basic", "passw", "api_key", "access_token", "refresh_token")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*+")
"""An id, an event or a status: no address, no name with a value and, after its first letter, no card number."""
_DIGITS = re.compile(r"\d(?:[ -]?\d){13}")

_SECRET_NAME = re.compile(r"(?:^|_)(?:password|secrets?|token|authorization|api_key|seal_keys?|cvc|card_number)$", re.I)


@dataclass(frozen=True, slots=True)
class Redaction:
    """Removes secrets from text: by shape, and by the values it was given."""

    values: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, settings: BaseSettings) -> Self:
        """A redactor for every secret setting, each part of a list, and the password within an address."""
        known: set[str] = set()
        for name in type(settings).model_fields:
            value = getattr(settings, name)
            if isinstance(value, SecretStr):
                known.update(_parts(value.get_secret_value()))
        return cls(tuple(sorted((value for value in known if len(value) >= _SHORTEST), key=len, reverse=True)))

    def __call__(self, text: str) -> str:
        """The text without secrets, and no more than its first 16 KiB: what is long comes from outside."""
        for value in self.values:
            text = text.replace(value, REDACTED)
        text = _whole_words(text)
        return _SHAPES.sub(_masked, text) if _may_hold_secret(text) else text

    def processor(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """A structlog processor that redacts at every depth."""
        return {name: self._value(name, value) for name, value in event.items()}

    def _value(self, name: object, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(name, str) and _is_secret_name(name):
            return REDACTED
        match value:
            case str():
                return self(value)
            case Mapping():
                return {key: self._value(key, inner) for key, inner in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._value(None, inner) for inner in value]
            case _:
                return self(repr(value))


def _parts(secret: str) -> set[str]:
    parts = {secret, *(part.strip() for part in secret.split(","))}
    password = urlsplit(secret).password if "://" in secret else None
    if password:
        parts |= {password, unquote(password)}
    return parts


@lru_cache(maxsize=1024)
def _is_secret_name(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _may_hold_secret(text: str) -> bool:
    """Whether any of the shapes is possible. Another alphabet may hold letters that only look like ASCII's."""
    if not text.isascii():
        return True
    is_word = _WORD.fullmatch(text) is not None
    lowered = text.lower()
    for sign in _SIGNS_IN_WORDS if is_word else _SIGNS:
        if sign in lowered:
            return True
    return not is_word and _DIGITS.search(text) is not None


def _whole_words(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    safe = _LONGEST - _TORN
    space = text.rfind(" ", safe, _LONGEST)
    return cut(text, space if space > 0 else safe)


def _masked(found: re.Match[str]) -> str:
    if found["card"] is not None and not _is_card(found["card"]):
        return found[0]
    return f"{found['name'] or ''}{REDACTED}"


def _is_card(text: str) -> bool:
    """Whether the digits satisfy the check of ISO/IEC 7812 (Luhn), as every card number does."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
