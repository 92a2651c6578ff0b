"""Stripe's webhook: verify the raw bytes, put the fact on the bus, and only then say thank you.

2xx means the broker has confirmed the event; until then Stripe keeps it and tries again
(https://docs.stripe.com/webhooks#behaviors). Anybody can post here, so what is refused is refused early: by its headers
before a byte of its body is read, and by its signature before it is parsed.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from chassis.bus import Bus
from chassis.decision import Ignored
from chassis.envelope import Envelope
from chassis.errors import PublishFailedError, TransientError
from chassis.metrics import Metrics
from chassis.seldom import Seldom
from psp_adapter.events import EventTranslator
from psp_adapter.signature import cannot_hold
from psp_adapter.stripe_api import BadSignatureError, PspBrokenError, verify_signature
from psp_adapter.stripe_money import UnpayableAmountError

log = structlog.get_logger()

MAX_BODY = 256 * 1024
"""Bytes of one event."""

MAX_READING = 256
"""Bodies in memory at once: 64 MiB when all are as large as they may be."""

READ_SECONDS = 10.0
"""How long a sender may take over its body."""


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


@dataclass(slots=True)
class _Readers:
    """How many bodies are being read now."""

    now: int = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        if self.now >= MAX_READING:
            raise _RefusedError(503, "too many bodies at once", "Too many at once; please send it again.")
        self.now += 1
        try:
            yield
        finally:
            self.now -= 1


@dataclass(frozen=True, slots=True)
class Webhook:
    """`POST /webhooks/stripe`"""

    bus: Bus
    metrics: Metrics
    secrets: tuple[str, ...] = field(repr=False)
    events: EventTranslator
    _readers: _Readers = field(default_factory=_Readers)
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
        reason = cannot_hold(header, time.time())
        if reason:
            raise _unsigned(reason)
        with self._readers.one_more():
            raw = await _read(request)
            try:
                body = raw.decode()
                verify_signature(body, header, self.secrets)
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


async def _read(request: Request) -> bytes:
    """The raw bytes, never more than the limit in memory, whatever the headers claim. Raises _RefusedError."""
    too_large = _RefusedError(413, "the body is too large", f"A webhook may have at most {MAX_BODY} bytes.")
    announced = request.headers.get("content-length", "0")
    if len(announced) > 9 or int(announced) > MAX_BODY:  # that it is a number, the server has seen to
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                if len(body) + len(chunk) > MAX_BODY:
                    raise too_large
                body += chunk
    except TimeoutError:
        raise _RefusedError(408, "the body took too long", "The body did not come in time.") from None
    except ClientDisconnect:
        raise _RefusedError(400, "the sender hung up", "The body did not come whole.") from None
    return bytes(body)
