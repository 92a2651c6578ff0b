"""Whether Stripe answers this installation at all, and in the key's mode; if not, what to ask again until it does."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, assert_never

import stripe

from contracts.psp_accounts import DEFAULT_ACCOUNT
from psp_adapter.errors import Forbidden, PspBrokenError, PspForbiddenError, PspUnavailableError
from psp_adapter.stripe_errors import code_of, is_silence, said_by, why_forbidden
from psp_adapter.stripe_keys import mode_name
from psp_adapter.stripe_objects import Intent

PAGE = 100
"""Objects per page: Stripe's maximum."""

_MONEY = frozenset(("payment_intent", "charge", "refund", "dispute", "balance_transaction", "payout"))
"""Types of objects whose mode is compared with the key's. Events are compared when they are translated."""

Call = tuple[str, str]
"""Method and path of a call that, without parameters, changes nothing and shows whether the key permits it."""

LOOKED_THROUGH = 500
"""Number of newest PaymentIntents among which one of ours proves that the account is ours."""


@dataclass(frozen=True, slots=True)
class StripeAccess:
    """Translates errors and checks answers of one client."""

    client: stripe.StripeClient
    livemode: bool | None
    """Whether the key moves real money; None if its prefix does not show it."""
    account: str = DEFAULT_ACCOUNT

    @contextmanager
    def translating(self, doing: str, call: Call, *, held: str | None = None) -> Iterator[None]:
        """Translate Stripe's errors of one call. `held` is the id of our PaymentIntent it concerns, if any."""
        if self.account != DEFAULT_ACCOUNT:
            doing = f"{doing} at the account {self.account} of BELLHOP_PSP_ACCOUNTS"
        try:
            yield
        except stripe.StripeError as error:
            if is_silence(error):
                raise PspUnavailableError(doing, said_by(error)) from error
            reason = why_forbidden(error, held)
            if reason is None:
                raise PspBrokenError(doing, said_by(error), code_of(error)) from error
            raise PspForbiddenError(doing, said_by(error), reason, self._asking_again(reason, call, held)) from error

    def _asking_again(self, reason: Forbidden, call: Call, held: str | None) -> Callable[[], Awaitable[bool]]:
        match reason:
            case Forbidden.UNKNOWN_OBJECT if held is not None:
                return partial(self.is_our_account, held)
            case Forbidden.MODE:
                return self._is_our_mode
            case (
                Forbidden.UNKNOWN_OBJECT
                | Forbidden.KEY
                | Forbidden.RIGHT
                | Forbidden.IDEMPOTENCY_KEY
                | Forbidden.ACCOUNT
            ):
                return partial(self._may_call, *call)
            case _:
                assert_never(reason)

    def intent(self, raw: Any) -> Intent:
        data: Mapping[str, Any] = raw.to_dict() if isinstance(raw, stripe.StripeObject) else raw
        self.check_mode(data)
        return Intent.model_validate(data)

    def check_mode(self, found: Mapping[str, Any]) -> None:
        """Raises PspForbiddenError for an object in the other mode: no decision may rest on such an answer."""
        livemode = found.get("livemode")
        if self.livemode is None or not isinstance(livemode, bool) or found.get("object") not in _MONEY:
            return
        if livemode is not self.livemode:
            names = mode_name(livemode), mode_name(self.livemode)
            said = f"{found.get('id')} is of {names[0]} mode, and STRIPE_API_KEY is a {names[1]} key."
            raise PspForbiddenError("reading its answer", said, Forbidden.MODE, self._is_our_mode)

    async def _is_our_mode(self) -> bool:
        """Whether a recent PaymentIntent is in the key's mode, or none exists: then a single object is at fault."""
        try:
            page = await self.client.v1.payment_intents.list_async({"limit": PAGE}, {"max_network_retries": 0})
        except stripe.StripeError:
            return False
        modes = {intent.livemode for intent in page.data}
        return not modes or self.livemode in modes

    async def refusal_of(self, method: str, path: str) -> str | None:
        """Stripe's reason why the key may not make this call, or None if it may. Raises PspUnavailableError.

        The call has no parameters or concerns an object that does not exist, and so changes nothing.
        """
        try:
            await self.client.raw_request_async(method, path, max_network_retries=0)
        except stripe.StripeError as error:
            if is_silence(error):
                raise PspUnavailableError(f"asking for the right to {path}", said_by(error)) from error
            return said_by(error) if why_forbidden(error, None) is not None else None
        return None

    async def _may_call(self, method: str, path: str) -> bool:
        try:
            return await self.refusal_of(method, path) is None
        except PspUnavailableError:
            return False

    async def is_our_account(self, held: str) -> bool:
        """Whether the account knows this id, or another PaymentIntent of ours: then a single one is missing."""
        try:
            found = await self.client.v1.payment_intents.retrieve_async(held, None, {"max_network_retries": 0})
        except stripe.StripeError as error:
            if is_silence(error) or why_forbidden(error, held) is not Forbidden.UNKNOWN_OBJECT:
                return False
        else:
            return bool(found.id == held)
        seen = 0
        try:
            page = await self.client.v1.payment_intents.list_async({"limit": PAGE}, {"max_network_retries": 0})
            async for intent in page.auto_paging_iter():
                seen += 1
                if self.intent(intent).is_ours or seen == LOOKED_THROUGH:
                    return self.intent(intent).is_ours
        except (stripe.StripeError, PspForbiddenError):
            pass
        return False
