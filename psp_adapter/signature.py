"""Checks on the `Stripe-Signature` header that need no body.

Form and tolerance: https://docs.stripe.com/webhooks#verify-manually.
"""

TOLERANCE_SECONDS = 300
"""Maximum age of a signature in seconds, so that a recorded webhook cannot be replayed later."""

MAX_HEADER = 1024
"""Maximum length in characters. Stripe sends a time and one signature per secret in use, about 80 each."""

_SHA256_HEX = 64


def rejection_of(header: str, now: float) -> str | None:
    """Reason to reject the header without checking a secret, or None. `now` is in Unix seconds."""
    if len(header) > MAX_HEADER:
        return "the signature header is too long"
    parts = [part.partition("=")[::2] for part in header.split(",")]
    times = [value for name, value in parts if name == "t"]
    if not times or not (times[0].isascii() and times[0].isdigit()):
        return "the signature header names no time"
    if int(times[0]) < now - TOLERANCE_SECONDS:
        return "the signature is too old"
    if not any(name == "v1" and len(value) == _SHA256_HEX for name, value in parts):
        return "the signature header holds no signature"
    return None
