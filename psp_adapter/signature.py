"""The `Stripe-Signature` header of a webhook: its form and age, which need no body, and the signature itself.

Form and tolerance: https://docs.stripe.com/webhooks#verify-manually.
"""

import stripe

TOLERANCE_SECONDS = 300
"""Maximum age of a signature in seconds, so that a recorded webhook cannot be replayed later."""

MAX_HEADER = 1024
"""Maximum length in characters. Stripe sends a time and one signature per secret in use, about 80 each."""

_SHA256_HEX = 64


class BadSignatureError(ValueError):
    """A webhook has no valid signature with one of our secrets within the tolerance."""


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


def verify_signature(body: str, header: str, secrets: tuple[str, ...], now: float) -> None:
    """Check a webhook against each secret in use: two during rotation. `now` is Stripe's time, in Unix seconds.

    Rule: https://docs.stripe.com/webhooks#verify-manually. Raises BadSignatureError.
    """
    if reason := rejection_of(header, now):
        raise BadSignatureError(reason)
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret, None)
        except (stripe.SignatureVerificationError, TypeError):
            # The SDK compares signatures as text and raises TypeError for a signature that is not ASCII.
            continue
        return
    raise BadSignatureError("the signature matches none of the webhook secrets")
