"""Converts foreign values to ones that JSON, the document store and a terminal can all represent."""

import math
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from chassis.messaging.amqp_decoding import Undecoded
from chassis.runtime.redaction import Redaction

_DEEPEST = 50
"""Levels. The document store takes 100, and a page should not have to draw as many."""
_LONGEST_ERROR = 300
_SHOWN = 512
"""Bytes of a header that cannot be decoded."""


def plain(value: object, depth: int = 0) -> Any:
    """A header or parsed body without what JSON or BSON refuses: NUL in names, lone surrogates, NaN, deep nesting."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return plain_text(value)
        case datetime():
            return value.astimezone(UTC).isoformat()
        case bytes() | bytearray():
            return bytes(value).decode(errors="backslashreplace")
        case Undecoded(raw=raw, reason=reason):
            return f"cannot be decoded ({reason}): {b64encode(raw[:_SHOWN]).decode()}"
        case Mapping() | list() | tuple() if depth >= _DEEPEST:
            return f"nested deeper than {_DEEPEST} levels"
        case Mapping():
            return {_name(str(name)): plain(inner, depth + 1) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner, depth + 1) for inner in value]
        case _:
            return str(value)


def plain_text(text: str) -> str:
    """The text with lone surrogates, which no encoding takes, written as escapes."""
    return text.encode(errors="backslashreplace").decode()


def error_text(error: BaseException) -> str:
    """What an error says, or its type if it says nothing; without secrets, 300 characters at most."""
    if isinstance(error, TimeoutError) and not str(error):
        return "there was no answer in time"
    return Redaction()(str(error) or repr(error))[:_LONGEST_ERROR]


def _name(name: str) -> str:
    return plain_text(name).replace("\0", r"\x00")  # the one character that MongoDB refuses in a field's name
