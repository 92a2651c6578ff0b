"""How a call to the PSP fails: unanswered, refused about one object, or not for us to make."""

from collections.abc import Awaitable, Callable
from enum import StrEnum

from chassis.errors import ForbiddenError, PermanentError, TransientError


class PspUnavailableError(TransientError):
    """The PSP did not answer, or asked us to try again."""

    def __init__(self, doing: str, said: str) -> None:
        super().__init__(f"the PSP failed while {doing}: {said}")


class PspBrokenError(PermanentError):
    """The PSP refused a request about this object, and would refuse it again: already refunded, disputed, too large."""

    def __init__(self, doing: str, said: str, code: str) -> None:
        self.code = code
        super().__init__(f"the PSP refused {doing}: {said}")


class Forbidden(StrEnum):
    """Why the PSP will not be asked by this installation."""

    KEY = "key"
    """401: the key is wrong, revoked or expired."""
    RIGHT = "right"
    """403: the key lacks a right."""
    IDEMPOTENCY_KEY = "idempotency_key"
    """Another request was made under this idempotency key: by an older version, or a second installation."""
    UNKNOWN_OBJECT = "unknown_object"
    """An id we hold is not known: the key is of another account or mode, or test data was deleted."""

    MODE = "mode"
    """An answer is of the other mode, live or test, than the key's prefix says."""

    ACCOUNT = "account"
    """The key is of another account than BELLHOP_STRIPE_ACCOUNT names."""

    @property
    def concerns_one_payment(self) -> bool:
        """Whether it may be about one payment alone, while others can be asked for."""
        return self in (Forbidden.IDEMPOTENCY_KEY, Forbidden.UNKNOWN_OBJECT, Forbidden.MODE)

    @property
    def is_elsewhere(self) -> bool:
        """Whether what a payment holds seems to be of another account or mode than the key."""
        return self in (Forbidden.UNKNOWN_OBJECT, Forbidden.MODE)


_ADVICE = {
    Forbidden.ACCOUNT: "Set STRIPE_API_KEY to a key of the account that BELLHOP_STRIPE_ACCOUNT names, or correct that.",
    Forbidden.KEY: "Set STRIPE_API_KEY to a valid key.",
    Forbidden.RIGHT: "Give the key of STRIPE_API_KEY this right.",
    Forbidden.IDEMPOTENCY_KEY: "It is asked again later. Does a second installation use this account?",
    Forbidden.MODE: "Is BELLHOP_STRIPE_API_BASE the address of the right server?",
    Forbidden.UNKNOWN_OBJECT: "Is STRIPE_API_KEY of another account or mode than before?",
}


class PspForbiddenError(ForbiddenError):
    """We may not ask: an outage of our configuration, on which nothing is decided."""

    def __init__(self, doing: str, said: str, reason: Forbidden, is_over: Callable[[], Awaitable[bool]]) -> None:
        self.forbidden = reason
        self._is_over = is_over
        super().__init__(f"the PSP may not be asked while {doing}: {said} {_ADVICE[reason]}", reason)

    async def is_over(self) -> bool:
        return await self._is_over()
