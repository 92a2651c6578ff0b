"""What can be told from a `Stripe-Signature` header alone, before a byte of the body is read.

Form and tolerance: https://docs.stripe.com/webhooks#verify-manually.
"""

TOLERANCE_SECONDS = 300
"""How old a signature may be: a recorded webhook is worth nothing after that."""

MAX_HEADER = 1024
"""Characters. Stripe sends a time and one signature per secret in use, about 80 each."""

_SHA256_HEX = 64


def rejection_of(header: str, now: float) -> str | None:
    """Why no secret could ever match this header, or None when it has to be tried. `now` is in Unix seconds."""
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
