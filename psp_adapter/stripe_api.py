"""Stripe's API through its own SDK: the only file that imports it. Its errors are translated here, once."""

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
from psp_adapter.http_trace import Call, record
from psp_adapter.signature import rejection_of
from psp_adapter.stripe_keys import check_api_base, livemode_of, mode_name
from psp_adapter.stripe_money import to_stripe
from psp_adapter.translate import EVENT_TYPES, INSTALLATION, Intent, RefundObject

log = structlog.get_logger()

_T = TypeVar("_T")

_PAGE = 100
"""Objects per page: the most Stripe gives."""

_MONEY = frozenset(("payment_intent", "charge", "refund", "dispute", "balance_transaction", "payout"))
"""Types of objects whose mode is compared with the key's. Events are compared where they are translated."""

_PAUSES = (1.0, 5.0, 20.0)
"""Seconds before a page of a list is asked for again."""

API_VERSION: str = stripe.api_version
"""The version of Stripe's API that the installed SDK speaks."""


class BadSignatureError(ValueError):
    """A webhook that was not signed by Stripe with a secret of ours within the tolerance."""


class _RecordedHttp(stripe.HTTPXClient):
    """The SDK's transport, with every request recorded: the SDK sends some of them more than once by itself."""

    clock: SharedClock
    """Stripe's time, as its answers give it."""

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        began, started, asked_at = utc_now(), perf_counter(), self.clock.steady()
        try:
            answer, status, answered = await super().request_async(method, url, headers, post_data)
        except stripe.APIConnectionError:
            record(Call.of(began, method, url, None, (perf_counter() - started) * 1000))
            raise
        record(Call.of(began, method, url, status, (perf_counter() - started) * 1000, answer))
        self._set_clock(answered, asked_at)
        return answer, status, answered

    def _set_clock(self, answered: Mapping[str, str], asked_at: float) -> None:
        """Never ahead of Stripe's: an answer dated too late would make the event after it look overtaken."""
        said = next((value for name, value in answered.items() if name.lower() == "date"), "")
        with suppress(ValueError):
            self.clock.set_by_seconds(parsedate_to_datetime(said), asked_at)


@dataclass(frozen=True, slots=True)
class StripeApi:
    """The calls the adapter makes."""

    client: stripe.StripeClient
    http: _RecordedHttp
    livemode: bool | None = None
    """Whether the key moves real money; None when its prefix says nothing about that."""
    installation: str = "bellhop"
    """Which installation of several on one account this is."""
    statement_descriptor_suffix: str | None = None
    """What the guest's card statement shows after the account's own prefix."""

    @property
    def clock(self) -> SharedClock:
        """Stripe's time: what its reports and webhooks are compared by. This machine's until it has answered once."""
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
        """Nothing is sent yet. `base` is the sandbox's address; None means Stripe itself.

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
        """Open a PaymentIntent. Asking again with the same command returns the same intent.

        A request that Stripe refuses with a `receipt_email` is made without. That one has a key of its own: under the
        other key Stripe expects the address.
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
                # Asked for before with another suffix, or by a version without the texts: that session is the one.
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
        """A PaymentIntent that a request which seemed to fail has opened, among the newest of the account."""
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
        """Cancel a PaymentIntent; returns it as it is afterwards, cancelled or not."""
        reference = command.psp_reference
        with self._translating(f"closing the session of {command.payment_id}", _CANCEL, held=reference):
            try:
                intent = await self.client.v1.payment_intents.cancel_async(reference)
            except stripe.InvalidRequestError as error:
                # "You cannot cancel this PaymentIntent because it has a status of …": the intent itself comes with it.
                current = getattr(error.error, "payment_intent", None)
                if error.code != "payment_intent_unexpected_state" or current is None:
                    raise
                return self._intent(current)
        return self._intent(intent)

    async def retrieve_session(self, psp_reference: str, *, held: bool = False) -> Intent:
        """A PaymentIntent as it is now. `held`: by a payment of ours, so that it must exist."""
        with self._translating(f"asking for {psp_reference}", _RETRIEVE, held=psp_reference if held else None):
            return self._intent(await self.client.v1.payment_intents.retrieve_async(psp_reference))

    async def find_session(self, psp_reference: str) -> Intent | None:
        """A PaymentIntent as it is now, or None when the account does not know it."""
        try:
            return await self.retrieve_session(psp_reference)
        except PspBrokenError as error:
            if error.code == "resource_missing":
                return None
            raise

    async def create_refund(self, command: CreatePspRefund) -> RefundObject:
        """The refund with this `refund_id`: the one that was made before, else a new one.

        A command may come again days later, from a dead letter or the message log, when Stripe has forgotten its
        idempotency key (kept for 24 hours: https://docs.stripe.com/api/idempotent_requests). The key itself keeps two
        deliveries at the same time from making two.
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
        """The refund an earlier request with this `refund_id` made, the oldest if there are several; a read."""
        refunds = await self.refunds_of(command.psp_reference)
        made = [refund for refund in refunds if refund.metadata.get("refund_id") == command.refund_id]
        return made[-1] if made else None

    async def refunds_of(self, psp_reference: str) -> Sequence[RefundObject]:
        """Every refund of a PaymentIntent that we hold, the newest first."""
        with self._translating(f"listing refunds of {psp_reference}", ("get", "/v1/refunds"), held=psp_reference):
            page = await self.client.v1.refunds.list_async({"payment_intent": psp_reference, "limit": 100})
            return [RefundObject.model_validate(refund.to_dict()) async for refund in page.auto_paging_iter()]

    async def answers(self) -> bool:
        """Whether Stripe answers now. A refusal is an answer."""
        try:
            await self.client.v1.events.list_async({"limit": 1}, {"max_network_retries": 0})
        except stripe.StripeError as error:
            return not _is_silence(error)
        return True

    async def events_since(self, since: datetime) -> Sequence[Mapping[str, Any]]:
        """Everything Stripe has recorded since then that means something to us, oldest first. It keeps 30 days."""
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
        """What a thin event is about, as it is now. Raises KeyError, TypeError or ValueError if it names no object.

        Not by the SDK's `fetch_related_object_async`: in 16.1 it sends a parameter `usage`, which the API refuses.
        """
        url = str(event["related_object"]["url"])
        if not url.startswith("/v1/"):
            raise ValueError(f"not a path of Stripe's API: {url[:100]}")
        return await self._get(url, {})

    async def each(self, path: str, **params: Any) -> AsyncIterator[Mapping[str, Any]]:
        """Every object of a list (`/v1/refunds`) as Stripe writes it, the newest first, read page by page.

        As raw values, which no unexpected field can spoil. A page is asked for again a few times: a list of hours does
        not end on one time-out. `expand` counts from the list: `data.charge`.
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
        """One object (`/v1/charges/ch_1`) as Stripe writes it; None when there is none of that id."""
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
        """Raises PspForbiddenError for money of the other mode than the key's: no decision rests on such an answer."""
        livemode = found.get("livemode")
        if self.livemode is None or not isinstance(livemode, bool) or found.get("object") not in _MONEY:
            return
        if livemode is not self.livemode:
            names = mode_name(livemode), mode_name(self.livemode)
            said = f"{found.get('id')} is of {names[0]} mode, and STRIPE_API_KEY is a {names[1]} key."
            raise PspForbiddenError("reading its answer", said, Forbidden.MODE, self._is_our_mode)

    async def _is_our_mode(self) -> bool:
        """Whether any of the newest PaymentIntents is of the key's mode, or there is none: then only the one is odd."""
        try:
            page = await self.client.v1.payment_intents.list_async({"limit": _PAGE}, {"max_network_retries": 0})
        except stripe.StripeError:
            return False
        modes = {intent.livemode for intent in page.data}
        return not modes or self.livemode in modes

    @contextmanager
    def _translating(self, doing: str, call: "_Call", *, held: str | None = None) -> Iterator[None]:
        """Translate Stripe's errors of one call. `held`: the id of a PaymentIntent of ours that the call is about."""
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
        """Why the key may not make this call, in Stripe's words; None when it may. Raises PspUnavailableError.

        The call is made without parameters or about an object that does not exist, and so changes nothing.
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
        """Whether the account knows this id, or any other PaymentIntent of ours: then only the one is gone."""
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
            # The SDK compares signatures as text and raises TypeError for one that is not ASCII.
            continue
        return
    raise BadSignatureError("the signature matches none of the webhook secrets")


_Call = tuple[str, str]
"""Method and path of a call that, made without parameters, changes nothing and shows whether the key may make it."""

_NO_INTENT = "/v1/payment_intents/pi_bellhop_asks_whether_it_may"
_RETRIEVE: _Call = ("get", _NO_INTENT)
_CANCEL: _Call = ("post", f"{_NO_INTENT}/cancel")

_OF_OUR_CONFIGURATION = frozenset(("account_invalid", "livemode_mismatch", "testmode_charges_only"))
"""Codes of a 400 that are about the key's account or mode (https://docs.stripe.com/error-codes)."""


_LOOKED_THROUGH = 500
"""PaymentIntents, the newest first, among which one of ours shows that the account is ours."""

_KEYS = 5
"""Under how many idempotency keys one thing is asked for, while Stripe repeats a stored failure under each."""


async def _beyond_stored_failures(create: Callable[[str], Awaitable[_T]], key: str) -> _T:
    """Ask under a key, and under the next one when Stripe only repeats the failure it stored under that key.

    Stripe stores even a 500 with its key and repeats it for a day (https://docs.stripe.com/api/idempotent_requests).
    A next key is used only then, so all deliveries of a command use the same keys in the same order.
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
    """Leave the block where Stripe refuses a request that has a `receipt_email`, or expects others under its key.

    Whatever the refusal is about: one that is not about the address comes again without it, and its text, which is
    logged and stored, cannot quote the address. 409 is no refusal: the first request with that key is still running.
    """
    try:
        yield
    except (stripe.InvalidRequestError, stripe.IdempotencyError) as error:
        if error.http_status == 409:
            raise
        log.warning("psp.no_receipt", payment_id=command.payment_id, reason="the PSP refused it", code=_code(error))


def _said(error: stripe.StripeError) -> str:
    # The text may go onto the bus and into a document.
    return Redaction()(f"{type(error).__name__}: {error.user_message or error}")


def _code(error: stripe.StripeError) -> str:
    return str(error.code or type(error).__name__)


def _is_silence(error: stripe.StripeError) -> bool:
    if isinstance(error, stripe.APIConnectionError | stripe.RateLimitError) or error.http_status is None:
        return True
    # 409: the first request with this idempotency key is still running.
    return error.http_status >= 500 or error.http_status == 409


def _why_forbidden(error: stripe.StripeError, held: str | None) -> Forbidden | None:
    """Why we may not ask, or None when this very object was refused."""
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
