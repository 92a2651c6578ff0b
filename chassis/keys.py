"""Keys and ids made of names."""

import base64
import hashlib


def joined(*names: str) -> str:
    """One key for these names. Different names have different keys: a slash within a name is escaped."""
    *first, last = names
    return "/".join([*(name.replace("%", "%25").replace("/", "%2F") for name in first), last])


def short_digest(text: str) -> str:
    """26 letters and digits, 130 bits of the text's SHA-256: what follows the prefix of a derived id."""
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:26]
