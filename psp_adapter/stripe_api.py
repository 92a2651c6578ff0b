"""Stripe's API through its SDK. No other module imports the SDK; its errors are translated here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from time import perf_counter
from typing import Any, TypeVar, assert_never

import stripe
import structlog

from chassis.messaging.envelope import utc_now
from chassis.runtime.clock import SharedClock
from chassis.runtime.redaction import Redaction
from contracts.psp import ClosePspSession, CreatePspRefund, CreatePspSession
from psp_adapter.errors import Forbidden, PspBrokenError, PspForbiddenError, PspUnavailableError
from psp_adapter.http_trace import call_of, record
from psp_adapter.signature import rejection_of
from psp_adapter.stripe_keys import check_api_base, livemode_of, mode_name
from psp_adapter.stripe_money import to_stripe
from psp_adapter.translate import EVENT_TYPES, INSTALLATION, Intent, RefundObject

log = structlog.get_logger()

_T = TypeVar("_T")

_PAGE = 100
"""Objects per page: Stripe's maximum."""

_MONEY = frozenset(("payment_intent", "charge", "refund", "dispute", "balance_transaction", "payout"))
"""Types of objects whose mode is compared with the key's. Events are compared when they are translated."""

_PAUSES = (1.0, 5.0, 20.0)
"""Delays in seconds before a page of a list is requested again."""

API_VERSION: str = stripe.api_version
"""The version of Stripe's API that the installed SDK speaks."""


class BadSignatureError(ValueError):
    """A webhook has no valid signature with one of our secrets within the tolerance."""


class _RecordedHttp(stripe.HTTPXClient):
    """The SDK's transport, with every request captured: the SDK repeats some of them by itself."""

    clock: SharedClock
    """Stripe's clock, read from its answers."""

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        began, started, asked_at = utc_now(), perf_counter(), self.clock.steady()
        try:
            answer, status, answered = await super().request_async(method, url, headers, post_data)
        except stripe.APIConnectionError:
            record(call_of(began, method, url, None, (perf_counter() - started) * 1000))
            raise
        record(call_of(began, method, url, status, (perf_counter() - started) * 1000, answer))
        self._set_clock(answered, asked_at)
        return answer, status, answered

    def _set_clock(self, answered: Mapping[str, str], asked_at: float) -> None:
        """Never sets the clock ahead of Stripe's: an answer dated too late would make the next event look overtaken."""
        said = next((value for name, value in answered.items() if name.lower() == "date"), "")
        with suppress(ValueError):
            self.clock.set_by_seconds(parsedate_to_datetime(said), asked_at)


@dataclass(frozen=True, slots=True)
class StripeApi:
    """The calls the adapter makes."""

    client: stripe.StripeClient
    http: _RecordedHttp
    livemode: bool | None = None
    """Whether the key moves real money; None if its prefix does not show it."""
    installation: str = "bellhop"
    """The name of this installation among several on one account."""
    statement_descriptor_suffix: str | None = None
    """The text on card statements after the account's prefix."""

    @property
    def clock(self) -> SharedClock:
        """Stripe's time, by which its reports and webhooks are compared. Until its first answer, this machine's."""
        return self.http.clock

    @classmethod
    def connect(
        cls,
        api_key: str,
        *,
        base: str | None,
        timeout: float,
        retries: int,
        installation: str = "bellhop",
        statement_descriptor_suffix: str | None = None,
    ) -> "StripeApi":
        """Sends nothing yet. `base` is the sandbox's address; None means Stripe itself.

        Raises ValueError for a live key and a `base` that is not Stripe's.
        """
        check_api_base(api_key, base)
        http = _RecordedHttp(timeout=timeout)
        http.clock = SharedClock("Stripe")
        client = stripe.StripeClient(
            api_key,
            http_client=http,
            max_network_retries=retries,
            base_addresses={"api": base} if base else {},
        )
        return cls(client, http, livemode_of(api_key), installation, statement_descriptor_suffix)

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
        if self.statement_descriptor_suffix:
            params["statement_descriptor_suffix"] = self.statement_descriptor_suffix

        async def create(key: str, **receipt: str) -> Intent:
            if "~" in key and (found := await self._opened_before(metadata)) is not None:
                return found
            options: stripe.RequestOptions = {"idempotency_key": key}
            try:
                return self._intent(await self.client.v1.payment_intents.create_async(params | receipt, options))
            except stripe.IdempotencyError as error:
                # An earlier request had another suffix, or came from a version without the texts: use that session.
                found = None if error.http_status == 409 else await self._opened_before(metadata)
                if found is None:
                    raise
                return found

        with self._translating(f"opening a session for {command.payment_id}", ("post", "/v1/payment_intents")):
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
        page = await self.client.v1.payment_intents.list_async({"limit": 100})
        seen = 0
        async for raw in page.auto_paging_iter():
            intent, seen = self._intent(raw), seen + 1
            if metadata.items() <= intent.metadata.items():
                return intent
            if seen == _LOOKED_THROUGH:
                break
        return None

    async def cancel_session(self, command: ClosePspSession) -> Intent:
        """Cancel a PaymentIntent; returns its state afterwards, cancelled or not."""
        reference = command.psp_reference
        with self._translating(f"closing the session of {command.payment_id}", _CANCEL, held=reference):
            try:
                intent = await self.client.v1.payment_intents.cancel_async(reference)
            except stripe.InvalidRequestError as error:
                # "You cannot cancel this PaymentIntent because it has a status of …": the error carries the intent.
                current = getattr(error.error, "payment_intent", None)
                if error.code != "payment_intent_unexpected_state" or current is None:
                    raise
                return self._intent(current)
        return self._intent(intent)

    async def retrieve_session(self, psp_reference: str, *, held: bool = False) -> Intent:
        """Read a PaymentIntent. With `held`, a payment of ours holds it, so it must exist."""
        with self._translating(f"asking for {psp_reference}", _RETRIEVE, held=psp_reference if held else None):
            return self._intent(await self.client.v1.payment_intents.retrieve_async(psp_reference))

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
        with self._translating(doing, ("post", "/v1/refunds"), held=command.psp_reference):
            return await _beyond_stored_failures(create, f"refund:{command.refund_id}")

    async def find_refund(self, command: CreatePspRefund) -> RefundObject | None:
        """Find the refund of an earlier request with this `refund_id`, the oldest if there are several. Read-only."""
        refunds = await self.refunds_of(command.psp_reference)
        made = [refund for refund in refunds if refund.metadata.get("refund_id") == command.refund_id]
        return made[-1] if made else None

    async def refunds_of(self, psp_reference: str) -> Sequence[RefundObject]:
        """All refunds of a PaymentIntent that a payment holds, the newest first."""
        with self._translating(f"listing refunds of {psp_reference}", ("get", "/v1/refunds"), held=psp_reference):
            page = await self.client.v1.refunds.list_async({"payment_intent": psp_reference, "limit": 100})
            return [RefundObject.model_validate(refund.to_dict()) async for refund in page.auto_paging_iter()]

    async def answers(self) -> bool:
        """Whether Stripe is available. A refusal counts as an answer."""
        try:
            await self.client.v1.events.list_async({"limit": 1}, {"max_network_retries": 0})
        except stripe.StripeError as error:
            return not _is_silence(error)
        return True

    async def events_since(self, since: datetime) -> Sequence[Mapping[str, Any]]:
        """All relevant events since then, oldest first. Stripe keeps 30 days."""
        with self._translating("listing recent events", ("get", "/v1/events")):
            page = await self.client.v1.events.list_async(
                {"created": {"gte": int(since.timestamp())}, "limit": 100, "types": list(EVENT_TYPES)}
            )
            newest_first = [event.to_dict() async for event in page.auto_paging_iter()]
        return newest_first[::-1]

    async def event(self, event_id: str, *, is_thin: bool = False) -> Mapping[str, Any]:
        """One event. Stripe keeps it for 30 days."""
        return await self._get(f"/{'v2/core' if is_thin else 'v1'}/events/{event_id}", {})

    async def related_object(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Fetch the object of a thin event. Raises KeyError, TypeError or ValueError if it names none.

        Not by the SDK's `fetch_related_object_async`: in 16.1 it sends a parameter `usage`, which the API refuses.
        """
        url = str(event["related_object"]["url"])
        if not url.startswith("/v1/"):
            raise ValueError(f"not a path of Stripe's API: {url[:100]}")
        return await self._get(url, {})

    async def each(self, path: str, **params: Any) -> AsyncIterator[Mapping[str, Any]]:
        """All objects of a list (`/v1/refunds`) as raw JSON, the newest first, read page by page.

        Raw values, so that an unexpected field does no harm. A page is requested several times if need be: a list that
        takes hours must not fail with one time-out. `expand` is relative to the list: `data.charge`.
        """
        params = {"limit": _PAGE, **params}
        while True:
            page = await self._page(path, params)
            for item in page["data"]:
                yield item
            if not page["has_more"]:
                return
            params["starting_after"] = page["data"][-1]["id"]

    async def _page(self, path: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        for pause in (*_PAUSES, None):
            try:
                return await self._get(path, params)
            except PspUnavailableError:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last try returns or raises")

    async def find(self, path: str, **params: Any) -> Mapping[str, Any] | None:
        """One object (`/v1/charges/ch_1`) as raw JSON, or None if the id is unknown."""
        try:
            return await self._get(path, params)
        except PspBrokenError as error:
            if error.code != "resource_missing":
                raise
            return None

    async def _get(self, path: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._translating(f"reading {path}", ("get", path)):
            answer = await self.client.raw_request_async("get", path, **params)
        found: Mapping[str, Any] = answer.data
        for each in found["data"] if found.get("object") == "list" else (found,):
            self._check_mode(each)
        return found

    def _intent(self, raw: Any) -> Intent:
        data: Mapping[str, Any] = raw.to_dict() if isinstance(raw, stripe.StripeObject) else raw
        self._check_mode(data)
        return Intent.model_validate(data)

    def _check_mode(self, found: Mapping[str, Any]) -> None:
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
            page = await self.client.v1.payment_intents.list_async({"limit": _PAGE}, {"max_network_retries": 0})
        except stripe.StripeError:
            return False
        modes = {intent.livemode for intent in page.data}
        return not modes or self.livemode in modes

    @contextmanager
    def _translating(self, doing: str, call: "_Call", *, held: str | None = None) -> Iterator[None]:
        """Translate Stripe's errors of one call. `held` is the id of our PaymentIntent it concerns, if any."""
        try:
            yield
        except stripe.StripeError as error:
            if _is_silence(error):
                raise PspUnavailableError(doing, _said(error)) from error
            reason = _why_forbidden(error, held)
            if reason is None:
                raise PspBrokenError(doing, _said(error), _code(error)) from error
            raise PspForbiddenError(doing, _said(error), reason, self._asking_again(reason, call, held)) from error

    def _asking_again(self, reason: Forbidden, call: "_Call", held: str | None) -> Callable[[], Awaitable[bool]]:
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

    async def refusal_of(self, method: str, path: str) -> str | None:
        """Stripe's reason why the key may not make this call, or None if it may. Raises PspUnavailableError.

        The call has no parameters or concerns an object that does not exist, and so changes nothing.
        """
        try:
            await self.client.raw_request_async(method, path, max_network_retries=0)
        except stripe.StripeError as error:
            if _is_silence(error):
                raise PspUnavailableError(f"asking for the right to {path}", _said(error)) from error
            return _said(error) if _why_forbidden(error, None) is not None else None
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
            if _is_silence(error) or _why_forbidden(error, held) is not Forbidden.UNKNOWN_OBJECT:
                return False
        else:
            return bool(found.id == held)
        seen = 0
        try:
            page = await self.client.v1.payment_intents.list_async({"limit": 100}, {"max_network_retries": 0})
            async for intent in page.auto_paging_iter():
                seen += 1
                if self._intent(intent).is_ours or seen == _LOOKED_THROUGH:
                    return self._intent(intent).is_ours
        except (stripe.StripeError, PspForbiddenError):
            pass
        return False

    async def close(self) -> None:
        await self.http.close_async()  # type: ignore[no-untyped-call]


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


_Call = tuple[str, str]
"""Method and path of a call that, without parameters, changes nothing and shows whether the key permits it."""

_NO_INTENT = "/v1/payment_intents/pi_bellhop_asks_whether_it_may"
_RETRIEVE: _Call = ("get", _NO_INTENT)
_CANCEL: _Call = ("post", f"{_NO_INTENT}/cancel")

_OF_OUR_CONFIGURATION = frozenset(("account_invalid", "livemode_mismatch", "testmode_charges_only"))
"""Error codes with status 400 that concern the key's account or mode (https://docs.stripe.com/error-codes)."""


_LOOKED_THROUGH = 500
"""Number of newest PaymentIntents among which one of ours proves that the account is ours."""

_KEYS = 5
"""Number of idempotency keys tried for one request while Stripe repeats a stored failure under each."""


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
        log.warning("psp.no_receipt", payment_id=command.payment_id, reason="the PSP refused it", code=_code(error))


def _said(error: stripe.StripeError) -> str:
    # The text may be published and stored.
    return Redaction()(f"{type(error).__name__}: {error.user_message or error}")


def _code(error: stripe.StripeError) -> str:
    return str(error.code or type(error).__name__)


def _is_silence(error: stripe.StripeError) -> bool:
    if isinstance(error, stripe.APIConnectionError | stripe.RateLimitError) or error.http_status is None:
        return True
    # 409: the first request with this idempotency key is still running.
    return error.http_status >= 500 or error.http_status == 409


def _why_forbidden(error: stripe.StripeError, held: str | None) -> Forbidden | None:
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
