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
from chassis.errors import PublishFailedError, TransientError
from chassis.metrics import Metrics
from psp_adapter.events import EventTranslator
from psp_adapter.stripe_api import BadSignatureError, PspBrokenError, verify_signature
from psp_adapter.stripe_money import UnpayableAmountError

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
    events: EventTranslator

    async def __call__(self, request: Request) -> Response:
        if not self.secrets:
            return self._answer(404, "off", "Webhooks are off: STRIPE_WEBHOOK_SECRET is not set.")
        try:
            body = (await _read(request)).decode()
            verify_signature(body, request.headers.get("stripe-signature", ""), self.secrets)
            event = json.loads(body)
            envelope = await self.events.envelope_of(event)
        except _TooLargeError:
            return self._answer(413, "refused", f"A webhook may have at most {MAX_BODY} bytes.")
        except BadSignatureError as error:
            log.warning("webhook.refused", error=str(error))
            return self._answer(400, "refused", "The signature does not match.")
        except (ValueError, KeyError, TypeError, UnpayableAmountError, PspBrokenError) as error:
            log.error("webhook.malformed", error=repr(error))
            return self._answer(400, "refused", "The body is no event of Stripe's.")
        except TransientError as error:
            log.error("webhook.unanswered", error=str(error))
            return self._answer(503, "unpublished", "The event could not be looked up; please send it again.")
        if isinstance(envelope, Ignored):
            log.info("webhook.handled", type=event["type"], outcome=envelope.name, reason=envelope.reason)
            return self._answer(200, "ignored", envelope.reason)
        return await self._publish(envelope)

    async def _publish(self, envelope: Envelope) -> Response:
        try:
            await self.bus.publish(envelope)
        except PublishFailedError as error:
            log.error("webhook.unpublished", message_id=envelope.message_id, kind=envelope.kind, error=str(error))
            return self._answer(503, "unpublished", "The event could not be recorded; please send it again.")
        log.info("webhook.handled", message_id=envelope.message_id, kind=envelope.kind, outcome="applied")
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
