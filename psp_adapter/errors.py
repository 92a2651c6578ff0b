"""Failures of calls to the PSP: unavailable, refused for one object, or forbidden to this installation."""

from collections.abc import Awaitable, Callable
from enum import StrEnum

from chassis.errors import ForbiddenError, PermanentError, TransientError


class PspUnavailableError(TransientError):
    """The PSP did not answer, or answered that the call must be repeated."""

    def __init__(self, doing: str, said: str) -> None:
        super().__init__(f"the PSP failed while {doing}: {said}")


class PspBrokenError(PermanentError):
    """The PSP refused a request for this object, permanently: already refunded, disputed, too large."""

    def __init__(self, doing: str, said: str, code: str) -> None:
        self.code = code
        super().__init__(f"the PSP refused {doing}: {said}")


class Forbidden(StrEnum):
    """The reason why the PSP rejects this installation."""

    KEY = "key"
    """401: the key is wrong, revoked or expired."""
    RIGHT = "right"
    """403: the key lacks a right."""
    IDEMPOTENCY_KEY = "idempotency_key"
    """A different request was made with this idempotency key: by an older version, or a second installation."""
    UNKNOWN_OBJECT = "unknown_object"
    """An id from a payment is unknown: the key is of another account or mode, or test data was deleted."""

    MODE = "mode"
    """An answer is of the other mode, live or test, than the key's prefix says."""

    ACCOUNT = "account"
    """The key is of another account than BELLHOP_STRIPE_ACCOUNT names."""

    @property
    def concerns_one_payment(self) -> bool:
        """Whether it may concern a single payment only, while calls for others succeed."""
        return self in (Forbidden.IDEMPOTENCY_KEY, Forbidden.UNKNOWN_OBJECT, Forbidden.MODE)

    @property
    def is_elsewhere(self) -> bool:
        """Whether a payment's ids seem to be of another account or mode than the key."""
        return self in (Forbidden.UNKNOWN_OBJECT, Forbidden.MODE)


_ADVICE = {
    Forbidden.ACCOUNT: "Set STRIPE_API_KEY to a key of the account that BELLHOP_STRIPE_ACCOUNT names, or correct that.",
    Forbidden.KEY: "Set STRIPE_API_KEY to a valid key.",
    Forbidden.RIGHT: "Give the key of STRIPE_API_KEY this right.",
    Forbidden.IDEMPOTENCY_KEY: "The request is repeated later. Check whether a second installation uses this account.",
    Forbidden.MODE: "Check that BELLHOP_STRIPE_API_BASE is the address of the right server.",
    Forbidden.UNKNOWN_OBJECT: "Check whether STRIPE_API_KEY is of another account or mode than before.",
}


class PspForbiddenError(ForbiddenError):
    """The PSP rejects this installation: its configuration is wrong. No decision is based on it."""

    def __init__(self, doing: str, said: str, reason: Forbidden, is_over: Callable[[], Awaitable[bool]]) -> None:
        self.forbidden = reason
        self._is_over = is_over
        super().__init__(f"the PSP rejected this installation while {doing}: {said} {_ADVICE[reason]}", reason)

    async def is_over(self) -> bool:
        return await self._is_over()
