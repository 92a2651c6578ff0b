"""Stripe's webhook: verify the raw bytes, put the fact on the bus, and only then say thank you.

2xx means the broker has confirmed the event; until then Stripe keeps it and tries again
(https://docs.stripe.com/webhooks#behaviors).
"""

import json
from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis.bus import Bus
from chassis.decision import Ignored
from chassis.envelope import Envelope
from chassis.errors import PublishFailedError
from chassis.metrics import Metrics
from contracts.psp import PspPaymentEvent
from psp_adapter.stripe_api import BadSignatureError, verify_signature
from psp_adapter.stripe_money import UnpayableAmountError
from psp_adapter.translate import report_of_event

log = structlog.get_logger()

MAX_BODY = 256 * 1024


class _TooLargeError(ValueError):
    """More bytes than any event of Stripe's has."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """`POST /webhooks/stripe`"""

    bus: Bus
    metrics: Metrics
    secrets: tuple[str, ...]

    async def __call__(self, request: Request) -> Response:
        if not self.secrets:
            return self._answer(404, "off", "Webhooks are off: STRIPE_WEBHOOK_SECRET is not set.")
        try:
            body = (await _read(request)).decode()
            verify_signature(body, request.headers.get("stripe-signature", ""), self.secrets)
            event = json.loads(body)
            event_id, event_type = str(event["id"]), str(event["type"])
            report = report_of_event(event)
        except _TooLargeError:
            return self._answer(413, "refused", f"A webhook may have at most {MAX_BODY} bytes.")
        except BadSignatureError as error:
            log.warning("webhook.refused", error=str(error))
            return self._answer(400, "refused", "The signature does not match.")
        except (ValueError, KeyError, TypeError, UnpayableAmountError) as error:
            log.error("webhook.malformed", error=repr(error))
            return self._answer(400, "refused", "The body is no event of Stripe's.")
        if isinstance(report, Ignored):
            log.info("webhook.handled", event_id=event_id, type=event_type, outcome=report.name, reason=report.reason)
            return self._answer(200, "ignored", report.reason)
        return await self._publish(event_id, report)

    async def _publish(self, event_id: str, report: PspPaymentEvent) -> Response:
        # The id comes from Stripe's: the same event delivered twice is dropped downstream.
        message_id = f"psp.{event_id}"
        try:
            await self.bus.publish(Envelope(report, message_id, correlation_id=message_id))
        except PublishFailedError as error:
            log.error("webhook.unpublished", event_id=event_id, kind=report.kind, error=str(error))
            return self._answer(503, "unpublished", "The event could not be recorded; please send it again.")
        log.info("webhook.handled", event_id=event_id, kind=report.kind, order_id=report.order_id, outcome="applied")
        return self._answer(200, "applied", "The event is recorded.")

    def _answer(self, status: int, outcome: str, detail: str) -> Response:
        self.metrics.handled.labels(self.metrics.service, "webhook", outcome).inc()
        return JSONResponse({"outcome": outcome, "detail": detail}, status_code=status)


async def _read(request: Request) -> bytes:
    """The raw bytes, never more than the limit in memory, whatever the headers claim."""
    if int(request.headers.get("content-length") or 0) > MAX_BODY:
        raise _TooLargeError
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise _TooLargeError
        chunks.append(chunk)
    return b"".join(chunks)
