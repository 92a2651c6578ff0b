"""Checks that the key belongs to the account in BELLHOP_STRIPE_ACCOUNT."""

from psp_adapter.errors import Forbidden, PspBrokenError, PspForbiddenError, PspUnavailableError
from psp_adapter.stripe_reader import StripeReader


class ExpectedAccount:
    """Compares the key's account with the expected one until they match: a key never changes its account."""

    def __init__(self, stripe: StripeReader, expected: str | None) -> None:
        """With `expected` None or empty, any account is accepted."""
        self._stripe = stripe
        self._expected = expected
        self._is_right = not expected

    @property
    def account_id(self) -> str | None:
        """The PSP's id of the expected account."""
        return self._expected

    async def check(self) -> None:
        """Raises PspForbiddenError for a key of another account or without the right to read its account, and
        PspUnavailableError while the PSP is unavailable.
        """
        if self._is_right:
            return
        doing = "comparing its account"
        try:
            found = await self._stripe.find("/v1/account")
        except PspBrokenError as refused:
            raise PspForbiddenError(doing, str(refused), Forbidden.ACCOUNT, self._is_over) from refused
        known = found.get("id") if found else None
        if known != self._expected:
            said = f"the key is of {known}, and {self._expected} is expected."
            raise PspForbiddenError(doing, said, Forbidden.ACCOUNT, self._is_over)
        self._is_right = True

    async def _is_over(self) -> bool:
        try:
            await self.check()
        except (PspForbiddenError, PspUnavailableError):
            return False
        return True
