"""Stripe's API through its own SDK: the only file that imports it. Its errors are translated here, once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any

import stripe

from chassis.envelope import utc_now
from chassis.errors import PermanentError, TransientError
from chassis.redaction import Redaction
from contracts.psp import ClosePspSession, CreatePspRefund, CreatePspSession
from psp_adapter.calls import Call, record
from psp_adapter.signature import TOLERANCE_SECONDS
from psp_adapter.stripe_money import to_stripe
from psp_adapter.translate import EVENT_TYPES, Books, Intent, RefundObject, books_of


def _said(error: stripe.StripeError) -> str:
    # The text may go onto the bus and into a document.
    return Redaction()(f"{type(error).__name__}: {error.user_message or error}")


class PspUnavailableError(TransientError):
    """Stripe did not answer, or asked us to try again."""

    def __init__(self, doing: str, cause: stripe.StripeError) -> None:
        super().__init__(f"the PSP failed while {doing}: {_said(cause)}")


class PspBrokenError(PermanentError):
    """Stripe refused a request that would be refused again: a wrong key, a wrong parameter."""

    def __init__(self, doing: str, cause: stripe.StripeError) -> None:
        self.code = str(getattr(cause, "code", None) or type(cause).__name__)
        super().__init__(f"the PSP refused {doing}: {_said(cause)}")


class BadSignatureError(ValueError):
    """A webhook that was not signed by Stripe with a secret of ours within the tolerance."""


class _RecordedHttp(stripe.HTTPXClient):
    """The SDK's transport, with every request recorded: the SDK sends some of them more than once by itself."""

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        began, started = utc_now(), perf_counter()
        try:
            answer, status, answered = await super().request_async(method, url, headers, post_data)
        except stripe.APIConnectionError:
            record(Call.to(began, method, url, None, (perf_counter() - started) * 1000))
            raise
        record(Call.to(began, method, url, status, (perf_counter() - started) * 1000, answer))
        return answer, status, answered


@dataclass(frozen=True, slots=True)
class StripeApi:
    """The calls the adapter makes."""

    client: stripe.StripeClient
    http: stripe.HTTPXClient

    @classmethod
    def connect(cls, api_key: str, *, base: str | None, timeout: float, retries: int) -> "StripeApi":
        """Nothing is sent yet. `base` is the sandbox's address; None means Stripe itself."""
        http = _RecordedHttp(timeout=timeout)
        client = stripe.StripeClient(
            api_key,
            http_client=http,
            max_network_retries=retries,
            base_addresses={"api": base} if base else {},
        )
        return cls(client, http)

    async def create_session(self, command: CreatePspSession) -> Intent:
        """Open a PaymentIntent. Asking again with the same command returns the same intent."""
        amount, currency = to_stripe(command.amount)
        doing = f"opening a session for {command.payment_id}"
        try:
            intent = await self.client.v1.payment_intents.create_async(
                {
                    "amount": amount,
                    "currency": currency,
                    "metadata": {"order_id": command.order_id, "payment_id": command.payment_id},
                },
                {"idempotency_key": f"create:{command.payment_id}:{command.session_no}"},
            )
        except stripe.StripeError as error:
            raise _translated(doing, error) from error
        return _intent(intent)

    async def cancel_session(self, command: ClosePspSession) -> Intent:
        """Cancel a PaymentIntent; returns it as it is afterwards, cancelled or not."""
        doing = f"closing the session of {command.payment_id}"
        try:
            intent = await self.client.v1.payment_intents.cancel_async(command.psp_reference)
        except stripe.InvalidRequestError as error:
            # "You cannot cancel this PaymentIntent because it has a status of …": the intent itself comes with it.
            current = getattr(error.error, "payment_intent", None)
            if error.code != "payment_intent_unexpected_state" or current is None:
                raise PspBrokenError(doing, error) from error
            return _intent(current)
        except stripe.StripeError as error:
            raise _translated(doing, error) from error
        return _intent(intent)

    async def retrieve_session(self, psp_reference: str) -> Intent:
        """A PaymentIntent as it is now."""
        try:
            return _intent(await self.client.v1.payment_intents.retrieve_async(psp_reference))
        except stripe.StripeError as error:
            raise _translated(f"asking for {psp_reference}", error) from error

    async def create_refund(self, command: CreatePspRefund) -> RefundObject:
        """The refund with this `refund_id`: the one that was made before, else a new one.

        A command may come again days later, from a dead letter or the message log, when Stripe has forgotten its
        idempotency key (kept for 24 hours: https://docs.stripe.com/api/idempotent_requests). The key itself keeps two
        deliveries at the same time from making two.
        """
        found = await self.find_refund(command)
        if found is not None:
            return found
        amount, _currency = to_stripe(command.amount)
        metadata = {"order_id": command.order_id, "payment_id": command.payment_id, "refund_id": command.refund_id}
        try:
            refund = await self.client.v1.refunds.create_async(
                {"payment_intent": command.psp_reference, "amount": amount, "metadata": metadata},
                {"idempotency_key": f"refund:{command.refund_id}"},
            )
        except stripe.StripeError as error:
            raise _translated(f"refunding {command.refund_id}", error) from error
        return RefundObject.model_validate(refund.to_dict())

    async def find_refund(self, command: CreatePspRefund) -> RefundObject | None:
        """The refund an earlier request with this `refund_id` made, the oldest if there are several; a read."""
        try:
            page = await self.client.v1.refunds.list_async({"payment_intent": command.psp_reference, "limit": 100})
            refunds = [RefundObject.model_validate(refund.to_dict()) async for refund in page.auto_paging_iter()]
        except stripe.StripeError as error:
            raise _translated(f"looking for {command.refund_id}", error) from error
        made = [refund for refund in refunds if refund.metadata.get("refund_id") == command.refund_id]
        return made[-1] if made else None  # Stripe lists the newest first

    async def answers(self) -> bool:
        """Whether Stripe answers now. A refusal is an answer."""
        try:
            await self.client.v1.events.list_async({"limit": 1}, {"max_network_retries": 0})
        except stripe.StripeError as error:
            return not isinstance(_translated("looking whether it is there", error), PspUnavailableError)
        return True

    async def events_since(self, since: datetime) -> Sequence[Mapping[str, Any]]:
        """Everything Stripe has recorded since then that means something to us, oldest first. It keeps 30 days."""
        try:
            page = await self.client.v1.events.list_async(
                {"created": {"gte": int(since.timestamp())}, "limit": 100, "types": list(EVENT_TYPES)}
            )
            newest_first = [event.to_dict() async for event in page.auto_paging_iter()]
        except stripe.StripeError as error:
            raise _translated("listing recent events", error) from error
        return newest_first[::-1]

    async def books(self) -> dict[str, Books]:
        """What Stripe holds for each PaymentIntent of ours, by its id: the whole account is read, page by page."""
        try:
            intents = await self.client.v1.payment_intents.list_async({"limit": 100})
            found = {intent.id: _intent(intent) async for intent in intents.auto_paging_iter()}
            refunds = await self.client.v1.refunds.list_async({"limit": 100})
            raw_refunds = [refund.to_dict() async for refund in refunds.auto_paging_iter()]
        except stripe.StripeError as error:
            raise _translated("reading the account's books", error) from error
        given_back: dict[str, list[RefundObject]] = {}
        for raw in raw_refunds:
            given_back.setdefault(str(raw.get("payment_intent")), []).append(RefundObject.model_validate(raw))
        return {
            reference: books_of(intent, given_back.get(reference, []))
            for reference, intent in found.items()
            if intent.is_ours
        }

    async def close(self) -> None:
        await self.http.close_async()  # type: ignore[no-untyped-call]


def verify_signature(body: str, header: str, secrets: tuple[str, ...]) -> None:
    """Check a webhook against each secret in use: two during rotation.

    Rule: https://docs.stripe.com/webhooks#verify-manually. Raises BadSignatureError.
    """
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
        except (stripe.SignatureVerificationError, TypeError):
            # The SDK compares signatures as text and raises TypeError for one that is not ASCII.
            continue
        return
    raise BadSignatureError("the signature matches none of the webhook secrets, or is too old")


def _intent(raw: Any) -> Intent:
    data: Mapping[str, Any] = raw.to_dict() if isinstance(raw, stripe.StripeObject) else raw
    return Intent.model_validate(data)


def _translated(doing: str, error: stripe.StripeError) -> PspUnavailableError | PspBrokenError:
    match error:
        case stripe.APIConnectionError() | stripe.RateLimitError():
            return PspUnavailableError(doing, error)
        case _ if error.http_status is None or error.http_status >= 500 or error.http_status == 409:
            # 409: the first request with this idempotency key is still running.
            return PspUnavailableError(doing, error)
        case _:
            return PspBrokenError(doing, error)
