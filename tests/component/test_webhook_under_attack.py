"""The webhook endpoint and people who are not Stripe: nothing of theirs gets onto the bus, and refusing it is cheap."""

import asyncio
import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Message

from chassis.runtime.clock import SharedClock
from psp_adapter import webhook as endpoint
from psp_adapter.accounts import Accounts
from psp_adapter.event_parking import EventParking
from psp_adapter.webhook import MAX_BODY, Webhook
from tests.component.bench import Bench
from tests.support.fake_stripe import answering, intent

ROOT = Path(__file__).resolve().parents[2]
NEW, OLD, FOREIGN = "whsec_new", "whsec_old", "whsec_foreign"


def event(event_type: str = "payment_intent.succeeded") -> bytes:
    about = {**intent("succeeded"), "amount_received": 50_000}
    return json.dumps({"id": "evt_1", "type": event_type, "created": 1, "data": {"object": about}}).encode()


def signed(body: bytes, secret: str = NEW, *, age: float = 0) -> str:
    header: str = stripe.WebhookSignature.generate_signature_header(
        body.decode("latin-1"), secret, int(time.time() - age)
    )
    return header


@dataclass
class Door:
    """The endpoint without a server: what it answers, and how much of a body it took to do so."""

    bench: Bench = field(default_factory=lambda: Bench("psp-adapter"))
    chunks_read: int = 0

    def __post_init__(self) -> None:
        accounts = Accounts.only(answering(200, intent("succeeded")).api, webhook_secrets=(NEW, OLD))
        parking = EventParking(self.bench.bus, self.bench.metrics)
        clock = SharedClock("Stripe")
        self.webhook = Webhook(self.bench.bus, self.bench.metrics, accounts, parking, clock)
        self.app = Starlette(routes=[Route("/webhooks/stripe", self.webhook.__call__, methods=["POST"])])

    async def knock(self, chunks: Iterable[bytes | None], header: str, *, announced: int | None = None) -> int:
        """The status. `None` for a chunk is a sender that hangs up."""
        parts: Iterator[bytes | None] = iter(chunks)
        answered: list[int] = []

        async def receive() -> Message:
            self.chunks_read += 1
            part = next(parts, b"")
            if part is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": part, "more_body": part != b""}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered.append(message["status"])

        headers = [(b"stripe-signature", header.encode("latin-1", "replace"))]
        if announced is not None:
            headers.append((b"content-length", str(announced).encode()))
        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": "/webhooks/stripe",
            "query_string": b"",
            "headers": headers,
        }
        await self.app(scope, receive, send)
        [status] = answered
        return status


async def test_an_unsigned_request_is_refused_before_a_byte_of_its_body_is_read() -> None:
    door = Door()

    statuses = [
        await door.knock([event()], header)
        for header in ("", "t=1,v1=x", "v1=" + "0" * 64, f"t={int(time.time())}", "t=,v1=", "x" * 2000)
    ]

    assert set(statuses) == {400}
    assert door.chunks_read == 0


async def test_a_replay_outside_the_tolerance_is_refused_before_a_byte_of_its_body_is_read() -> None:
    door = Door()

    async with door.bench.running():
        assert await door.knock([event()], signed(event(), age=299)) == 200
        read = door.chunks_read
        assert await door.knock([event()], signed(event(), age=303)) == 400

    assert door.chunks_read == read
    assert len(door.bench.published) == 1


async def test_both_secrets_are_believed_during_rotation_and_no_third() -> None:
    door = Door()

    async with door.bench.running():
        statuses = [await door.knock([event()], signed(event(), secret)) for secret in (NEW, OLD, FOREIGN)]

    assert statuses == [200, 200, 400]


async def test_a_body_that_announces_too_much_is_refused_unread() -> None:
    door = Door()

    assert await door.knock([b" "], signed(b" "), announced=MAX_BODY + 1) == 413
    assert await door.knock([b" "], signed(b" "), announced=10**20) == 413
    assert door.chunks_read == 0


async def test_an_endless_body_is_read_up_to_the_limit_and_no_further() -> None:
    door = Door()
    endless = (b" " * 1024 for _ in iter(int, 1))

    status = await door.knock(endless, signed(b"another body"))

    assert status == 413
    assert door.chunks_read == MAX_BODY // 1024 + 1


async def test_a_body_in_single_bytes_is_read_like_any_other() -> None:
    door = Door()
    body = event()

    async with door.bench.running():
        assert await door.knock((body[i : i + 1] for i in range(len(body))), signed(body)) == 200


async def test_a_sender_that_hangs_up_is_forgotten() -> None:
    door = Door()

    assert await door.knock([b"{", None], signed(b"{}")) == 400
    assert door.webhook._readers.held == 0


async def test_a_sender_that_takes_too_long_over_its_body_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "READ_SECONDS", 0)
    door = Door()

    assert await door.knock(iter([b"{"] * 10), signed(b"{}")) in {400, 408}
    assert door.webhook._readers.held == 0


async def test_ten_thousand_forged_requests_leave_no_message_no_memory_and_hardly_a_line_in_the_log() -> None:
    alone = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.component.forged_requests", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await alone.communicate()
    left = json.loads(printed)

    assert left["published"] == 0
    assert left["refused"] == 10_000
    assert min(later - earlier for earlier, later in pairwise(left["held"])) < 16 * 1024  # a leak grows in every round
    assert left["lines"] <= left["seconds"] * 10 + 10  # one a second, on a machine however slow
    assert left["seconds"] / 9_000 < 0.005  # of processor time each; a hundred times what a quiet machine takes


anything = st.binary(max_size=200)
headers = st.one_of(
    st.text(max_size=200),
    st.builds(
        lambda age, signature: f"t={int(time.time() - age)},v1={signature}",
        st.integers(-1000, 1000),
        st.text("0123456789abcdef", min_size=64, max_size=64),
    ),
    st.builds(lambda body, age: signed(body, FOREIGN, age=age), anything, st.integers(-1000, 1000)),
)


@settings(max_examples=60)
@given(body=st.one_of(anything, st.just(event())), header=headers)
async def test_whatever_is_not_signed_by_stripe_is_refused_and_never_published(body: bytes, header: str) -> None:
    door = Door()

    async with door.bench.running():
        status = await door.knock([body], header)

    assert status == 400
    assert door.bench.published == []


@settings(max_examples=60)
@given(position=st.integers(0, len(event()) - 1), byte=st.integers(0, 255), secret=st.sampled_from((NEW, OLD)))
async def test_a_signed_body_with_one_byte_changed_is_refused(position: int, byte: int, secret: str) -> None:
    door = Door()
    changed = bytearray(event())
    changed[position] = byte

    async with door.bench.running():
        status = await door.knock([bytes(changed)], signed(event(), secret))

    assert status == (200 if changed == event() else 400)
    assert len(door.bench.published) == (1 if changed == event() else 0)


@settings(max_examples=40)
@given(body=st.one_of(anything.filter(lambda body: body.isascii()), st.just(b"[" * 100_000)))
async def test_a_signed_body_of_any_content_is_answered_and_breaks_nothing(body: bytes) -> None:
    door = Door()

    async with door.bench.running():
        status = await door.knock([body], signed(body))

    assert status == 400
