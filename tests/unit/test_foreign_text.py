"""Text that strangers write: every function that reads some takes 16 KiB of it in linear time, and does not break."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, cast

import jwt
import pytest
import structlog
from cryptography.fernet import Fernet
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from starlette.requests import Request
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from chassis.amounts import amount_of
from chassis.messaging.provenance import Arrival, Door, MisroutedMessageError, Trust, UntrustedSenderError
from chassis.runtime.metrics import Metrics
from chassis.runtime.redaction import Redaction
from chassis.web.client_addresses import network_of
from chassis.web.problems import ProblemError
from chassis.web.receipt_emails import receipt_email_of
from chassis.web.request_trace import traceparent_of
from chassis.web.static_assets import File
from connectors.apaleo.folios import Folios
from connectors.apaleo.postings import postings_of
from connectors.apaleo.webhook import Endpoint
from contracts.accounts import may_receive_replies
from contracts.ids import ExtraId
from contracts.message import known_version, parse
from contracts.orders import PlaceOrder, RequestedLine
from contracts.topology import EXTRAS_COMMANDS
from extras_service.catalogue.quote import quote
from gateway.api.idempotency import checked
from gateway.app import create_app
from gateway.settings import GatewaySettings
from ops.core import timespec
from ops.core.dead_letters.editing import EditError, apply_assignments
from ops.core.message_log.search import offset_of
from ops.core.messages import RecordedMessage
from ops.core.trace.assemble import build_story
from ops.core.trace.captions import caption
from ops.core.trace.collect import UnknownOrderError, order_id_of
from ops.core.trace.model import Participant, Step, StepKind
from ops.core.trace.svg import svg
from ops.web.api.bodies import Wanted
from psp_adapter.http_trace import call_of
from psp_adapter.signature import BadSignatureError, rejection_of, verify_signature
from tests.support import apaleo
from tests.support import orders as given_extras

SIZE = 16 * 1024
SIZES = (SIZE, 4000, 300)
"""Characters. Some texts are refused for their length, and the shorter ones must be taken as well."""
LONGEST = 0.05
"""Seconds of processor time. What takes longer is measured against a quarter of it."""
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)

SETTINGS = GatewaySettings(
    amqp_url=SecretStr("amqp://bellhop:a-long-password@localhost"),
    jwt_secret=SecretStr("x" * 32),
    jwt_issuer="tests",
    seal_keys=SecretStr(Fernet.generate_key().decode()),
    address_rate="1000000/second",
)
APP = create_app(SETTINGS)
REDACTION = Redaction.of(SETTINGS)
DOOR = Door(EXTRAS_COMMANDS.name, EXTRAS_COMMANDS.bindings, Trust.of("extras-service", "", requires_sender=True))
FILE = File.of(b"body", ".css")
TOKEN = jwt.encode(
    {
        "sub": "guest-1",
        "property": "alpenhof",
        "reservation": "R-1",
        "stay_from": "2027-02-01",
        "stay_to": "2027-02-05",
        "role": "guest",
        "iss": "tests",
        "aud": "bellhop",
        "iat": int(time.time()),
        "exp": int(time.time()) + 86400,
    },
    "x" * 32,
    algorithm="HS256",
)


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")


def _request(headers: dict[str, str] | None = None) -> Request:
    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in (headers or {}).items()]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": raw})


def _ask(path: str = "/v1/orders", body: bytes = b"", method: str = "GET", **headers: str) -> None:
    """One request through the whole gateway; whatever is wrong with it, the answer is not a failure of ours."""
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": raw,
        "client": ("127.0.0.1", 1),
    }
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    asyncio.run(APP(scope, receive, send))
    assert 200 <= statuses[0] < 500


def _post(body: bytes) -> None:
    _ask("/v1/orders", body, "POST", authorization=f"Bearer {TOKEN}", content_type="application/json")


def _seen(text: str) -> RecordedMessage:
    return RecordedMessage(
        message_id=text,
        kind=text,
        body=text.encode(),
        correlation_id=text,
        headers={
            "http": text,
            "psp": text,
            "error": text,
            "error_type": text,
            "last_failed_at": text,
            "ended": "parked",
        },
        exchange="failures",
        sender=text,
        routing_key=text,
    )


def _tell(text: str) -> None:
    seen = _seen(text)
    story = build_story("ord_1", [seen, seen.model_copy(update={"exchange": "events"})], [])
    svg(story)


def _drawn(text: str) -> None:
    caption(Step(1, StepKind.CALL, NOW, True, Participant.ADAPTER, (Participant.STRIPE,), text, text))


def _filtered(text: str) -> None:
    with suppress(ValidationError):
        wanted = Wanted(queue=text[:300], kind=text[:300], error=text[:300], order=text[:300])
        wanted.filter().matches(_seen(text))


def _translated(text: str) -> None:
    parse(PlaceOrder.wire_kind(), json.dumps({"order_id": text, "lines": [{"extra_id": text}], "guest": text}).encode())


def _ordered(text: str) -> None:
    guest = given_extras.guest()
    line = RequestedLine.model_construct(extra_id=ExtraId(text), quantity=1, day=date(2027, 2, 1))
    quote(guest, (line,), {})


def _logged(text: str) -> None:
    event = {"event": text, "path": text, "nested": {"list": [text, {"deep": text}]}, "error": ValueError(text)}
    line = dict(REDACTION.processor(None, "info", event))
    structlog.processors.JSONRenderer()(None, "info", dict(line))
    structlog.dev.ConsoleRenderer()(None, "info", line)


def _forwarded(text: str) -> None:
    proxies = ProxyHeadersMiddleware(cast("Any", APP), trusted_hosts="127.0.0.0/8,::1")
    proxies.trusted_hosts.get_trusted_client_address(text)


def _unverified(text: str) -> None:
    part = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")[:2700]
    _ask(authorization=f"Bearer {part}.{part}.{part}")


DOOR_OF_CONNECTOR = Endpoint(cast("Any", None), ("whsec_bmV3",), Metrics("test"))


def _signature(text: str) -> dict[str, str]:
    return {"webhook-id": text, "webhook-timestamp": str(int(time.time())), "webhook-signature": text}


def _booked(text: str) -> None:
    named = apaleo.line(0, apaleo.euros(100), name={"en": text, text: text}, quantity=2, extra_id=ExtraId(text))
    about = apaleo.order([apaleo.payment((0, 100, 1900))], lines=(named,), order_id=text, reservation_id=text)
    postings = postings_of(about, apaleo.TERMS)
    Folios((), about.order_id).has(postings[0])


FUNCTIONS: dict[str, Callable[[str], Any]] = {
    "redaction": REDACTION,
    "the log": _logged,
    "Accept-Encoding": lambda text: FILE.response(_request({"accept-encoding": text}), "no-cache"),
    "If-None-Match": lambda text: FILE.response(_request({"if-none-match": text}), "no-cache"),
    "traceparent": lambda text: traceparent_of(_request({"traceparent": text}).scope),
    "Idempotency-Key": checked,
    "Stripe-Signature": lambda text: rejection_of(text, 0.0),
    "Stripe-Signature by the SDK": lambda text: verify_signature("body", text[:1024], ("whsec_1",), 0.0),
    "an address": network_of,
    "a webhook at the connector": _booked,
    "a signature at the connector": lambda text: DOOR_OF_CONNECTOR._is_signed(text.encode(), _signature(text)),
    "X-Forwarded-For": _forwarded,
    "a path": lambda text: _ask(f"/{text}"),
    "the id of an order": lambda text: _ask(f"/v1/orders/{text}", authorization=f"Bearer {TOKEN}"),
    "a theme": lambda text: _ask(f"/page/theme/{text}.css"),
    "a file of the page": lambda text: _ask(f"/page/1/{text}"),
    "Host": lambda text: _ask("/none", host=text),
    "Authorization": lambda text: _ask(authorization=text),
    "a token": lambda text: _ask(authorization=f"Bearer {text}"),
    "a token's parts": _unverified,
    "a token's address": lambda text: receipt_email_of({"email": text, "email_verified": text}),
    "a token's address, cut": lambda text: receipt_email_of({"email": f"a@{text[:200]}.example"}),
    "Content-Length": lambda text: _ask("/v1/orders", b"", "POST", content_length=text),
    "Content-Type": lambda text: _ask(
        "/v1/orders", b"{}", "POST", content_type=text, authorization=f"Bearer {TOKEN}", idempotency_key="k"
    ),
    "Origin": lambda text: _ask(origin=text),
    "a body": lambda text: _post(text.encode()),
    "a body's strings": lambda text: _post(json.dumps({"lines": [{"extra_id": text, "quantity": text}]}).encode()),
    "a body's lines": lambda text: _post(b'{"lines":[%b{}]}' % (b"{}," * len(text))),
    "a body's keys": lambda text: _post(json.dumps({text: text, "lines": text}).encode()),
    "a message's kind": lambda text: parse(text, b"{}"),
    "a message's body": lambda text: parse(PlaceOrder.wire_kind(), text.encode()),
    "a message's fields": _translated,
    "a message's version": lambda text: known_version(f"orders.place-order.v{text}"),
    "a message's way": lambda text: DOOR.admit(Arrival(text, "", text, text, {"origin_queue": text})),
    "a reply address": lambda text: may_receive_replies(text, text),
    "an extra's id": _ordered,
    "a call's answer": lambda text: call_of(NOW, "GET", "http://psp/" + text, 200, 1.0, text.encode()),
    "a moment": lambda text: timespec.parse(text, NOW),
    "an amount": lambda text: amount_of(text, "EUR"),
    "an offset": lambda text: offset_of(text, NOW),
    "a filter": _filtered,
    "a message found": lambda text: (_seen(text).order_id, _seen(text).readable_body(), _seen(text).failed_at),
    "an edit": lambda text: apply_assignments(b'{"lines": [1]}', [text, f"lines.{text}=1"]),
    "an order to trace": order_id_of,
    "a story": _tell,
    "a caption": _drawn,
}
REFUSALS = (
    ValueError,
    MisroutedMessageError,
    UntrustedSenderError,
    ProblemError,
    BadSignatureError,
    EditError,
    UnknownOrderError,
)
"""What these functions may raise: each is caught where they are called."""

FRAGMENTS = (
    *("a", "1", " ", ".", ":", "@", "/", "=", ",", "-", "*", "[", "{", '"', "\\", "%", "\0", "\n", "é", "²"),
    *("eyJ-", "eyJaaaaa.", "eyJaaaaa-", "://:", "a://", "pi_a_secret_", "cs_-", "bearer ", "password=", "1 ", "4 2-"),
    *("gAAAAA-", "sk_live_", "ord_", "pay_a", "t=1,", "v1=", "gzip", "gzip;q=0,", "127.0.0.1,", "::1,", "1.1", "a.b="),
    *('{"a":', '[{"id":"a_', "*a", "[a-", "00:00:00.000 ", "GET / ", "; ", "%2e", "q=0.", "1e9"),
)
BEGINNINGS = ("", "://", "eyJaaaaaa.", '{"id": "', "t=1,v1=", "Bearer ", "gzip", "ord_a")
ENDS = ("", "\n", "@", ".", "}", "d")
fragments = st.sampled_from(FRAGMENTS) | st.text(min_size=1, max_size=6)


def _repeated(fragment: str, beginning: str, end: str, size: int) -> str:
    return beginning + (fragment * size)[: size - len(beginning) - len(end)] + end


def _seconds(function: Callable[[str], Any], text: str) -> float:
    began = time.process_time()
    with suppress(*REFUSALS):
        function(text)
    return time.process_time() - began


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=40)
@example("://", ":", "\n", SIZE)  # a second in the pattern for passwords in addresses
@example("", "eyJ-", "", SIZE)  # 40 ms in the pattern for tokens, and four times that for twice the length
@example("", "1", "d", 300)
@example("", "²", "", SIZE)
@example("", "[", "", SIZE)
@given(st.sampled_from(BEGINNINGS), fragments, st.sampled_from(ENDS), st.sampled_from(SIZES))
def test_the_time_for_repeated_fragments_grows_no_faster_than_their_length(
    name: str, beginning: str, fragment: str, end: str, size: int
) -> None:
    """On a slow machine all of them take long: what counts is that four times the length takes no more than eight
    times as long, where a quadratic pattern takes sixteen times.
    """
    text, quarter = (_repeated(fragment, beginning, end, length) for length in (size, size // 4))

    seconds = _seconds(FUNCTIONS[name], text)

    if seconds >= LONGEST:
        function = FUNCTIONS[name]
        assert min(_seconds(function, text) for _ in range(3)) < 8 * min(_seconds(function, quarter) for _ in range(3))
