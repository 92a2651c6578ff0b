"""`POST /webhooks`: verify the raw bytes, book, and only then return 2xx.

Until then Bellhop keeps the webhook and tries again, in order per order; operators see it with `bellhop webhooks
deliveries`. The address may be reachable from outside, so requests are refused early: by the size of the body before it
is read, and by the signature before it is parsed.
"""

import asyncio
from dataclasses import dataclass, field

import structlog
from pydantic import ValidationError
from pydantic_core import from_json
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis.errors import TransientError
from chassis.runtime.log_throttle import LogThrottle
from chassis.runtime.metrics import Metrics
from chassis.text import cut
from chassis.web.request_bodies import BodyReaders, BodyRefusedError, Refused
from chassis.web.request_trace import traceparent_for
from connectors.apaleo.api import ApaleoRefusedError
from connectors.apaleo.booking import Booking, BusyError
from connectors.apaleo.postings import UnbookableError
from contracts.webhooks import OrderWebhook, WebhookType

log = structlog.get_logger()

MAX_BODY = 1024 * 1024
"""Bytes. An order of 100 lines with all its receipts has a tenth of it."""
READ_SECONDS = 10.0
BOOKED = (WebhookType.CONFIRMED, WebhookType.REFUNDED)
"""Those with a receipt. Nothing else moves money."""
_LONGEST = 200
_REFUSALS = {
    Refused.TOO_LARGE: (413, f"A webhook may have at most {MAX_BODY} bytes."),
    Refused.TOO_SLOW: (408, "The body did not arrive in time."),
    Refused.CROWDED_OUT: (503, "Too many requests at once; please send it again."),
    Refused.HUNG_UP: (400, "The body is incomplete."),
}
_BUSY = 5
"""Seconds after which another attempt is likely to have ended."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    booking: Booking
    secrets: tuple[str, ...] = field(repr=False)
    """Several while one replaces another."""
    metrics: Metrics
    _readers: BodyReaders = field(default_factory=BodyReaders)
    _throttle: LogThrottle = field(default_factory=lambda: LogThrottle(every=1.0))

    async def __call__(self, request: Request) -> Response:
        until = asyncio.get_running_loop().time() + READ_SECONDS
        try:
            body = await self._readers.read(request.scope, request.receive, MAX_BODY, until)
        except BodyRefusedError as refused:
            status, detail = _REFUSALS[refused.why]
            return self._refused(status, str(refused.why), detail)
        if not self._is_signed(body, dict(request.headers)):
            # A forger must not learn which check failed.
            return self._refused(401, "signature", "The signature does not match.")
        try:
            said = from_json(body)
            kind = said.get("type") if isinstance(said, dict) else None
            if kind not in BOOKED:
                return self._answer(204, "ignored")
            webhook = OrderWebhook.model_validate(said, strict=False)
        except ValidationError as error:
            places = ", ".join(sorted({".".join(map(str, each["loc"])) for each in error.errors()}))
            log.error("webhook.malformed", places=cut(places, _LONGEST))
            return self._answer(422, "refused", "The body is not that of a webhook of a version known here.")
        except ValueError:
            return self._answer(422, "refused", "The body is not JSON.")
        traceparent_for(request.scope, webhook.data.order_id)  # its span and log lines belong to the order's trace
        return await self._booked(webhook)

    async def _booked(self, webhook: OrderWebhook) -> Response:
        order = webhook.data
        about = {"order_id": order.order_id, "receipt": order.receipt.number if order.receipt else None}
        try:
            number = await self.booking.book(order)
        except (UnbookableError, ApaleoRefusedError) as error:
            log.error("booking.refused", **about, error=str(error))
            return self._answer(422, "refused", "It cannot be booked; the connector's log says why.")
        except TransientError as error:
            log.warning("booking.unfinished", **about, error=str(error))
            pause = _BUSY if isinstance(error, BusyError) else getattr(error, "retry_after", None)
            return self._answer(503, "retried", "It is not booked yet; please send it again.", pause)
        outcome = "applied" if number else "duplicate"
        log.info("booking.done", **about, type=webhook.type, postings=number, outcome=outcome)
        return self._answer(204, outcome)

    def _is_signed(self, body: bytes, headers: dict[str, str]) -> bool:
        for secret in self.secrets:
            try:
                Webhook(secret).verify(body, headers, json_parse=False)
            except (WebhookVerificationError, ValueError):  # the latter for a header that is no signature at all
                continue
            return True
        return False

    def _refused(self, status: int, reason: str, detail: str) -> Response:
        held_back = self._throttle.admit()
        if held_back is not None:
            log.warning("webhook.refused", status=status, reason=reason, more_before_it=held_back)
        answer = self._answer(status, "refused", detail)
        answer.headers["connection"] = "close"  # the rest of the body is not read
        return answer

    def _answer(self, status: int, outcome: str, detail: str = "", retry_after: int | None = None) -> Response:
        self.metrics.handled.labels(self.metrics.service, "webhook", outcome).inc()
        headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
        if status == 204:
            return Response(status_code=204)
        return JSONResponse({"outcome": outcome, "detail": detail}, status_code=status, headers=headers)
