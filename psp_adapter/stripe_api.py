"""Payment sessions and refunds at Stripe, through its SDK."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import stripe
import structlog

from contracts.psp import CapturePspSession, ClosePspSession, CreatePspRefund, CreatePspSession
from psp_adapter.errors import PspBrokenError
from psp_adapter.stripe_access import LOOKED_THROUGH, PAGE
from psp_adapter.stripe_errors import code_of
from psp_adapter.stripe_money import to_stripe
from psp_adapter.stripe_objects import INSTALLATION, Intent, RefundObject, is_release
from psp_adapter.stripe_reader import StripeReader

log = structlog.get_logger()

_T = TypeVar("_T")

_NO_INTENT = "/v1/payment_intents/pi_bellhop_asks_whether_it_may"
_RETRIEVE = ("get", _NO_INTENT)
_CANCEL = ("post", f"{_NO_INTENT}/cancel")
_CAPTURE = ("post", f"{_NO_INTENT}/capture")

_UNEXPECTED_STATE = ("payment_intent_unexpected_state", "charge_expired_for_capture")

_KEYS = 5
"""Number of idempotency keys tried for one request while Stripe repeats a stored failure under each."""


@dataclass(frozen=True, slots=True)
class StripeApi(StripeReader):
    """The calls the adapter makes."""

    async def create_session(self, command: CreatePspSession, receipt_email: str | None = None) -> Intent:
        """Open a PaymentIntent. Idempotent: the same command returns the same intent.

        A request that Stripe refuses with a `receipt_email` is repeated without it, under a different idempotency key:
        under the first key Stripe expects the address.
        """
        amount, currency = to_stripe(command.amount)
        metadata = {
            "order_id": command.order_id,
            "payment_id": command.payment_id,
            "session_no": str(command.session_no),
            INSTALLATION: self.installation,
        }
        params: Any = {"amount": amount, "currency": currency, "metadata": metadata}
        if command.description:
            params["description"] = command.description
        if command.is_captured_later:
            params["capture_method"] = "manual"
        if self.statement_descriptor_suffix:
            params["statement_descriptor_suffix"] = self.statement_descriptor_suffix

        async def create(key: str, **receipt: str) -> Intent:
            if "~" in key and (found := await self._opened_before(metadata)) is not None:
                return found
            options: stripe.RequestOptions = {"idempotency_key": key}
            try:
                return self.access.intent(await self.client.v1.payment_intents.create_async(params | receipt, options))
            except stripe.IdempotencyError as error:
                # An earlier request had another suffix, or came from a version without the texts: use that session.
                found = None if error.http_status == 409 else await self._opened_before(metadata)
                if found is None:
                    raise
                return found

        with self.access.translating(f"opening a session for {command.payment_id}", ("post", "/v1/payment_intents")):
            key = f"session:{command.payment_id}:{command.session_no}"
            if command.sealed_receipt_email is None:
                return await _beyond_stored_failures(create, key)
            if receipt_email is not None:
                with _without_receipt(command):
                    return await _beyond_stored_failures(partial(create, receipt_email=receipt_email), key)
            if (found := await self._opened_before(metadata)) is not None:
                return found
            return await _beyond_stored_failures(create, f"{key}:no-receipt")

    async def _opened_before(self, metadata: Mapping[str, str]) -> Intent | None:
        """A PaymentIntent that was opened by a request which appeared to fail, searched among the newest."""
        page = await self.client.v1.payment_intents.list_async({"limit": PAGE})
        seen = 0
        async for raw in page.auto_paging_iter():
            intent, seen = self.access.intent(raw), seen + 1
            if metadata.items() <= intent.metadata.items():
                return intent
            if seen == LOOKED_THROUGH:
                break
        return None

    async def cancel_session(self, command: ClosePspSession) -> Intent:
        """Cancel a PaymentIntent; returns its state afterwards, cancelled or not."""
        reference = command.psp_reference
        with self.access.translating(f"closing the session of {command.payment_id}", _CANCEL, held=reference):
            try:
                return self.access.intent(await self.client.v1.payment_intents.cancel_async(reference))
            except stripe.InvalidRequestError as error:
                return self._unchanged(error)

    async def capture_session(self, command: CapturePspSession) -> Intent:
        """Capture what is authorised; returns the PaymentIntent's state afterwards, captured or not.

        An intent is captured at most once, so a command that is repeated days later captures nothing again.
        """
        reference, (amount, _currency) = command.psp_reference, to_stripe(command.amount)

        async def capture(key: str) -> Intent:
            options: stripe.RequestOptions = {"idempotency_key": key}
            captured = await self.client.v1.payment_intents.capture_async(
                reference, {"amount_to_capture": amount}, options
            )
            return self.access.intent(captured)

        with self.access.translating(f"capturing {command.payment_id}", _CAPTURE, held=reference):
            try:
                key = f"capture:{command.payment_id}:{command.session_no}:{amount}"
                return await _beyond_stored_failures(capture, key)
            except stripe.InvalidRequestError as error:
                return self._unchanged(error)
            except stripe.CardError:
                # The bank refuses what it had authorised; the intent says what is left.
                return await self.retrieve_session(reference, held=True)

    def _unchanged(self, error: stripe.InvalidRequestError) -> Intent:
        """The intent that a refused change left as it was: "You cannot cancel this PaymentIntent because it has a
        status of …". Raises the error if it is about anything else."""
        current = getattr(error.error, "payment_intent", None)
        if error.code not in _UNEXPECTED_STATE or current is None:
            raise error
        return self.access.intent(current)

    async def retrieve_session(self, psp_reference: str, *, held: bool = False) -> Intent:
        """Read a PaymentIntent. With `held`, a payment of ours holds it, so it must exist."""
        with self.access.translating(f"asking for {psp_reference}", _RETRIEVE, held=psp_reference if held else None):
            return self.access.intent(
                await self.client.v1.payment_intents.retrieve_async(psp_reference, {"expand": ["latest_charge"]})
            )

    async def find_session(self, psp_reference: str) -> Intent | None:
        """Read a PaymentIntent, or None if the account does not know it."""
        try:
            return await self.retrieve_session(psp_reference)
        except PspBrokenError as error:
            if error.code == "resource_missing":
                return None
            raise

    async def create_refund(self, command: CreatePspRefund) -> RefundObject:
        """The refund with this `refund_id`: an existing one, or else a new one.

        A command may be repeated days later, from a dead letter or the message log, when Stripe has forgotten its
        idempotency key (kept for 24 hours: https://docs.stripe.com/api/idempotent_requests). The key prevents two
        concurrent deliveries from making two refunds.
        """
        amount, _currency = to_stripe(command.amount)
        metadata = {"order_id": command.order_id, "payment_id": command.payment_id, "refund_id": command.refund_id}

        async def create(key: str) -> RefundObject:
            found = await self.find_refund(command)
            if found is not None:
                return found
            options: stripe.RequestOptions = {"idempotency_key": key}
            refund = await self.client.v1.refunds.create_async(
                {"payment_intent": command.psp_reference, "amount": amount, "metadata": metadata}, options
            )
            return RefundObject.model_validate(refund.to_dict())

        doing = f"refunding {command.refund_id}"
        with self.access.translating(doing, ("post", "/v1/refunds"), held=command.psp_reference):
            return await _beyond_stored_failures(create, f"refund:{command.refund_id}")

    async def find_refund(self, command: CreatePspRefund) -> RefundObject | None:
        """Find the refund of an earlier request with this `refund_id`, the oldest if there are several. Read-only."""
        refunds = await self.refunds_of(command.psp_reference)
        made = [refund for refund in refunds if refund.metadata.get("refund_id") == command.refund_id]
        return made[-1] if made else None

    async def refunds_of(self, psp_reference: str) -> Sequence[RefundObject]:
        """All refunds of a PaymentIntent that a payment holds, the newest first."""
        with self.access.translating(f"listing refunds of {psp_reference}", ("get", "/v1/refunds"), held=psp_reference):
            page = await self.client.v1.refunds.list_async({"payment_intent": psp_reference, "limit": PAGE})
            listed = [refund.to_dict() async for refund in page.auto_paging_iter()]
        return [RefundObject.model_validate(refund) for refund in listed if not is_release(refund)]


async def _beyond_stored_failures(create: Callable[[str], Awaitable[_T]], key: str) -> _T:
    """Make a request under an idempotency key, and under the next one if Stripe only repeats a stored failure.

    Stripe stores even a 500 with its key and repeats it for a day (https://docs.stripe.com/api/idempotent_requests).
    The next key is used only then, so all deliveries of a command use the same keys in the same order.
    """
    for number in range(2, _KEYS + 1):
        try:
            return await create(key)
        except stripe.StripeError as error:
            headers = {name.lower(): value for name, value in (error.headers or {}).items()}
            if (error.http_status or 0) < 500 or headers.get("idempotent-replayed") != "true":
                raise
        key = f"{key.partition('~')[0]}~{number}"
    return await create(key)


@contextmanager
def _without_receipt(command: CreatePspSession) -> Iterator[None]:
    """Suppress Stripe's refusal of a request with a `receipt_email`, or a mismatch under its idempotency key.

    Every refusal is suppressed: one for another reason recurs without the address, and its text, which is logged and
    stored, cannot quote the address. 409 is not a refusal: the first request with that key is still running.
    """
    try:
        yield
    except (stripe.InvalidRequestError, stripe.IdempotencyError) as error:
        if error.http_status == 409:
            raise
        log.warning("psp.no_receipt", payment_id=command.payment_id, reason="the PSP refused it", code=code_of(error))
