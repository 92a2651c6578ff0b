"""Stripe's webhook: verify the raw bytes, put the fact on the bus, and only then say thank you.

2xx means the broker has confirmed the event; until then Stripe keeps it and tries again
(https://docs.stripe.com/webhooks#behaviors). Anybody can post here, so what is refused is refused early: by its headers
before a byte of its body is read, and by its signature before it is parsed.
"""

import asyncio
import json
from dataclasses import dataclass, field

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis.bodies import BodyReaders, BodyRefusedError, Refused
from chassis.bus import Bus
from chassis.clock import SharedClock
from chassis.decision import Ignored
from chassis.envelope import Envelope
from chassis.errors import PublishFailedError, TransientError
from chassis.metrics import Metrics
from chassis.seldom import Seldom
from psp_adapter.errors import PspBrokenError
from psp_adapter.events import EventTranslator
from psp_adapter.signature import cannot_hold
from psp_adapter.stripe_api import BadSignatureError, verify_signature
from psp_adapter.stripe_money import UnpayableAmountError

log = structlog.get_logger()

MAX_BODY = 256 * 1024
"""Bytes of one event."""

READ_SECONDS = 10.0
"""How long a sender may take over its body."""


_REFUSALS = {
    Refused.TOO_LARGE: (413, f"A webhook may have at most {MAX_BODY} bytes."),
    Refused.TOO_SLOW: (408, "The body did not come in time."),
    Refused.CROWDED_OUT: (503, "Too many at once; please send it again."),
    Refused.HUNG_UP: (400, "The body did not come whole."),
}


class _RefusedError(Exception):
    """A request whose body is not worth reading, or not worth parsing."""

    def __init__(self, status: int, reason: str, told: str) -> None:
        self.status = status
        self.reason = reason
        self.told = told
        super().__init__(reason)


def _unsigned(reason: str) -> _RefusedError:
    # Whoever forges is not told what gave it away.
    return _RefusedError(400, reason, "The signature does not match.")


@dataclass(frozen=True, slots=True)
class Webhook:
    """`POST /webhooks/stripe`"""

    bus: Bus
    metrics: Metrics
    secrets: tuple[str, ...] = field(repr=False)
    events: EventTranslator
    clock: SharedClock
    """Stripe's time, which the age of a signature is measured by."""
    _readers: BodyReaders = field(default_factory=BodyReaders)
    _seldom: Seldom = field(default_factory=lambda: Seldom(every=1.0))

    async def __call__(self, request: Request) -> Response:
        if not self.secrets:
            return self._answer(404, "off", "Webhooks are off: STRIPE_WEBHOOK_SECRET is not set.")
        try:
            body = await self._signed_body(request)
        except _RefusedError as refused:
            return self._refuse(refused)
        try:
            event = json.loads(body)
            envelope = await self.events.envelope_of(event, "webhook")
        except (ValueError, KeyError, TypeError, RecursionError, UnpayableAmountError, PspBrokenError) as error:
            log.error("webhook.malformed", error=repr(error))
            return self._answer(400, "refused", "The body is no event of Stripe's.")
        except TransientError as error:
            log.error("webhook.unanswered", error=str(error))
            return self._answer(503, "unpublished", "The event could not be looked up; please send it again.")
        if isinstance(envelope, Ignored):
            log.info("webhook.handled", type=event["type"], outcome=envelope.name, reason=envelope.reason)
            return self._answer(200, "ignored", envelope.reason)
        return await self._publish(envelope)

    async def _signed_body(self, request: Request) -> str:
        """The body, once it is known to be signed. Raises _RefusedError."""
        header = request.headers.get("stripe-signature", "")
        now = self.clock.now().timestamp()
        if reason := cannot_hold(header, now):
            raise _unsigned(reason)
        until = asyncio.get_running_loop().time() + READ_SECONDS
        try:
            body = (await self._readers.read(request.scope, request.receive, MAX_BODY, until)).decode()
            verify_signature(body, header, self.secrets, now)
        except BodyRefusedError as refused:
            status, advice = _REFUSALS[refused.why]
            raise _RefusedError(status, refused.why, advice) from None
        except (BadSignatureError, UnicodeDecodeError) as error:
            raise _unsigned(str(error)) from error
        return body

    def _refuse(self, refused: _RefusedError) -> Response:
        held_back = self._seldom.due()
        if held_back is not None:
            log.warning("webhook.refused", status=refused.status, reason=refused.reason, more_before_it=held_back)
        answer = self._answer(refused.status, "refused", refused.told)
        # What is left of its body is not waited for.
        answer.headers["connection"] = "close"
        return answer

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
