"""What the SDK's errors mean. Callers outside the adapter see only the errors of `psp_adapter.errors`."""

import stripe

from chassis.runtime.redaction import Redaction
from psp_adapter.errors import Forbidden

_OF_OUR_CONFIGURATION = frozenset(("account_invalid", "livemode_mismatch", "testmode_charges_only"))
"""Error codes with status 400 that concern the key's account or mode (https://docs.stripe.com/error-codes)."""


def said_by(error: stripe.StripeError) -> str:
    # The text may be published and stored.
    return Redaction()(f"{type(error).__name__}: {error.user_message or error}")


def code_of(error: stripe.StripeError) -> str:
    return str(error.code or type(error).__name__)


def is_silence(error: stripe.StripeError) -> bool:
    if isinstance(error, stripe.APIConnectionError | stripe.RateLimitError) or error.http_status is None:
        return True
    # 409: the first request with this idempotency key is still running.
    return error.http_status >= 500 or error.http_status == 409


def why_forbidden(error: stripe.StripeError, held: str | None) -> Forbidden | None:
    """The reason why this installation is rejected, or None if only this object was refused."""
    match error:
        case stripe.AuthenticationError():
            return Forbidden.KEY
        case stripe.PermissionError():
            return Forbidden.RIGHT
        case stripe.IdempotencyError():
            return Forbidden.IDEMPOTENCY_KEY
        case _ if error.code in _OF_OUR_CONFIGURATION:
            return Forbidden.KEY
        case _ if held is not None and error.code == "resource_missing":
            return Forbidden.UNKNOWN_OBJECT
        case _:
            return None
