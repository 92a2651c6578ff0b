"""Stripe's webhook: verify the raw bytes, publish the event, and only then return 2xx.

2xx means that the broker has confirmed the event; until then Stripe keeps it and tries again
(https://docs.stripe.com/webhooks#behaviors). The endpoint is open to the internet, so requests are rejected early: by
their headers before the body is read, and by their signature before it is parsed.
"""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis.decision import Done, Ignored
from chassis.errors import TransientError
from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Envelope
from chassis.runtime import tracing
from chassis.runtime.clock import SharedClock
from chassis.runtime.log_throttle import LogThrottle
from chassis.runtime.metrics import Metrics
from chassis.runtime.tracing import Kind, Span
from chassis.web.request_bodies import BodyReaders, BodyRefusedError, Refused
from contracts.trace_headers import CameBy
from psp_adapter.accounts import Account, Accounts
from psp_adapter.event_parking import EventParking
from psp_adapter.events import MalformedEventError, SnapshotEvent, ThinEvent, event_of
from psp_adapter.signature import BadSignatureError, rejection_of, verify_signature

log = structlog.get_logger()

MAX_BODY = 256 * 1024
"""Bytes of one event."""

READ_SECONDS = 10.0
"""Seconds a sender has for its body."""


_REFUSALS = {
    Refused.TOO_LARGE: (413, f"A webhook may have at most {MAX_BODY} bytes."),
    Refused.TOO_SLOW: (408, "The body did not arrive in time."),
    Refused.CROWDED_OUT: (503, "Too many requests at once; please send it again."),
    Refused.HUNG_UP: (400, "The body is incomplete."),
}


class _RefusedError(Exception):
    """The request is rejected before its body is read, or before it is parsed."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        self.status = status
        self.reason = reason
        self.detail = detail
        super().__init__(reason)


def _unsigned(reason: str) -> _RefusedError:
    # A forger must not learn which check failed.
    return _RefusedError(400, reason, "The signature does not match.")


@dataclass(frozen=True, slots=True)
class Webhook:
    """`POST /webhooks/stripe`, and `/webhooks/stripe/NAME` for an account of that name."""

    bus: Bus
    metrics: Metrics
    accounts: Accounts
    parking: EventParking
    clock: SharedClock
    """Stripe's time, by which the age of a signature is measured."""
    _readers: BodyReaders = field(default_factory=BodyReaders)
    _throttle: LogThrottle = field(default_factory=lambda: LogThrottle(every=1.0))

    async def __call__(self, request: Request) -> Response:
        began = tracing.now_ns()
        endpoint = self.accounts.at_endpoint(request.path_params.get("account"))
        if endpoint is None or not endpoint.webhook_secrets:
            return self._answer(404, "off", "Webhooks are off here: no webhook secret is set for this address.")
        try:
            body = await self._signed_body(request, endpoint.webhook_secrets)
        except _RefusedError as refused:
            return self._refuse(refused)
        try:
            event = _parsed(body)
            shape = event_of(event)
        except MalformedEventError as error:
            log.error("webhook.malformed", error=str(error))
            return self._answer(400, "refused", f"The body is {error}")
        account = self.accounts.account_of(event, endpoint)
        if isinstance(account, Ignored):
            return self._ignored(shape, account)
        try:
            envelope = await account.events.envelope_of(event, CameBy.WEBHOOK)
            if isinstance(envelope, Ignored):
                return self._ignored(shape, envelope)
            with _span_of(envelope, began) as span:
                await self.bus.publish(replace(envelope, traceparent=span.traceparent))
                trace_id = tracing.trace_id_of(span.traceparent)
        except TransientError as error:
            return self._not_now(shape, error)
        except Exception as error:
            return await self._parked(shape, error, account)
        log.info(
            "webhook.handled",
            account=account.name,
            message_id=envelope.message_id,
            kind=envelope.kind,
            outcome=Done.name,
            **({"trace_id": trace_id} if trace_id else {}),
        )
        return self._answer(200, Done.name, "The event is recorded.")

    async def _signed_body(self, request: Request, secrets: tuple[str, ...]) -> str:
        """The body, with its signature verified. Raises _RefusedError."""
        header = request.headers.get("stripe-signature", "")
        now = self.clock.now().timestamp()
        if reason := rejection_of(header, now):
            raise _unsigned(reason)
        until = asyncio.get_running_loop().time() + READ_SECONDS
        try:
            body = (await self._readers.read(request.scope, request.receive, MAX_BODY, until)).decode()
            verify_signature(body, header, secrets, now)
        except BodyRefusedError as refused:
            status, advice = _REFUSALS[refused.why]
            raise _RefusedError(status, refused.why, advice) from None
        except (BadSignatureError, UnicodeDecodeError) as error:
            raise _unsigned(str(error)) from error
        return body

    def _refuse(self, refused: _RefusedError) -> Response:
        held_back = self._throttle.admit()
        if held_back is not None:
            log.warning("webhook.refused", status=refused.status, reason=refused.reason, more_before_it=held_back)
        answer = self._answer(refused.status, "refused", refused.detail)
        # The rest of the body is not read.
        answer.headers["connection"] = "close"
        return answer

    def _ignored(self, event: SnapshotEvent | ThinEvent, ignored: Ignored) -> Response:
        log.info("webhook.handled", type=event.type, outcome=ignored.name, reason=ignored.reason)
        return self._answer(200, "ignored", ignored.reason)

    async def _parked(self, event: SnapshotEvent | ThinEvent, error: Exception, account: Account) -> Response:
        """Dead-letter an untranslatable event: Stripe would repeat it for three days, then disable the endpoint."""
        try:
            await self.parking.park(event, error, account.name)
        except TransientError as unpublished:
            return self._not_now(event, unpublished)
        return self._answer(200, "parked", "The event cannot be translated. It waits for an operator.")

    def _not_now(self, event: SnapshotEvent | ThinEvent, error: TransientError) -> Response:
        log.error("webhook.unpublished", event_id=event.id, type=event.type, error=str(error))
        return self._answer(503, "unpublished", "The event could not be looked up or recorded; please send it again.")

    def _answer(self, status: int, outcome: str, detail: str) -> Response:
        self.metrics.handled.labels(self.metrics.service, "webhook", outcome).inc()
        return JSONResponse({"outcome": outcome, "detail": detail}, status_code=status)


def _span_of(envelope: Envelope, began: int | None) -> Span:
    """The span of a signed request, in the trace of the order that its event is about."""
    return tracing.begin(
        "POST /webhooks/stripe",
        Kind.SERVER,
        order_id=getattr(envelope.message, "order_id", None),
        attributes={"http.request.method": "POST", "http.route": "/webhooks/stripe"},
        began=began,
    )


def _parsed(body: str) -> Any:
    """Parse the body. Raises MalformedEventError if it is not JSON, or has text that is not Unicode."""
    try:
        return from_json(body)
    except ValueError as error:
        raise MalformedEventError(f"not JSON: {error}") from error
