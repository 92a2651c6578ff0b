"""The webhook service's own parts with a real HTTP receiver: what is sent, how often, in which order, and to whom."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from opentelemetry.trace import SpanKind
from pydantic import SecretStr
from structlog.testing import capture_logs

from chassis.decision import Applied, Ignored, Outcome
from chassis.errors import StoreUnavailableError
from chassis.messaging.descriptions import OrderNotDescribedError
from chassis.messaging.envelope import Delivery
from chassis.runtime.metrics import Metrics
from chassis.runtime.steps import Step, Steps
from chassis.runtime.tracing import trace_id_of_order
from chassis.seal import Seal
from contracts.erasure import OrderErased
from contracts.ids import OrderId, PropertyId, SubscriberId
from contracts.mail import OrderDescribed
from contracts.order_receipts import ReceiptIssued
from contracts.orders import OrderCancelled, OrderFulfilled, PaymentStatus
from contracts.webhooks import OrderWebhook, WebhookType
from deploy.local.patience import patient
from deploy.local.ports import HOST
from extras_service.order.state import Order
from tests.support import mails
from tests.support import orders as given
from tests.support.certificates import certificate
from tests.support.collector import kept_spans
from tests.support.fake_store import FakeStore
from tests.support.receipts import issued, refund_made, taxed
from tests.support.waiting import until
from tests.support.webhook_receiver import (
    CLOSE,
    ENDLESS,
    HANG,
    NO_HTTP,
    REDIRECT,
    TORN,
    Behaviour,
    Receiver,
    webhook_receiver,
)
from tests.support.webhooks import GUEST, PMS, SPA, TERMS, adding
from webhooks.dispatcher import OlderServiceError, Sending
from webhooks.due import HELD_FOR
from webhooks.feed.decide import CLAIMED_FOR, PAUSES
from webhooks.feed.inputs import SendAgain, Verdict
from webhooks.feed.state import WebhookEntry, WebhookStatus, feed_id_of
from webhooks.http import Caller
from webhooks.keeper import NO_SUBSCRIBER
from webhooks.signing import new_secret
from webhooks.subscriber.inputs import RotateSecret
from webhooks.subscriber.state import Subscriber, SubscriberStatus
from webhooks.wiring import Terms, wire

SEAL = Seal(SecretStr(Fernet.generate_key().decode()))
SECRET, NEW_SECRET = new_secret(), new_secret()
TIME_OUT = patient(0.5)


@dataclass
class Described:
    """The order as it is; it may change, and the extras service may not answer."""

    order: Order
    version: int | None = 5
    is_away: bool = False
    asked: int = 0

    async def of(self, order_id: OrderId, property_id: PropertyId) -> OrderDescribed | None:
        self.asked += 1
        if self.is_away:
            raise OrderNotDescribedError(order_id, "no answer")
        if property_id != self.order.guest.property_id:
            return None
        described = mails.described(self.order)
        view = described.order.model_copy(update={"order_id": order_id})
        return described.model_copy(update={"order": view, "order_version": self.version})


class Silent:
    """A bus on which nothing is expected."""

    async def publish(self, envelope: object) -> None:
        raise AssertionError(f"{envelope} was published")


@dataclass
class Desk:
    """The service without a broker: its handlers are called as a consumer calls them, and its sweeps by hand."""

    order: Order = field(default_factory=lambda: taxed(given.confirmed()))
    terms: Terms = TERMS
    store: FakeStore = field(default_factory=FakeStore)
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    most_at_once: int = 4

    def __post_init__(self) -> None:
        self.described = Described(self.order)
        self.start()

    def start(self) -> None:
        """As a new process would."""
        receivers = Caller(TIME_OUT, self.terms.allow_private)
        self.metrics = Metrics("webhooks")
        steps = Steps(self.metrics, Step.WEBHOOK_DELIVERED)
        sending = Sending(self.described, receivers, SEAL, self.most_at_once, steps)
        self.parts = wire(Silent(), self.store, lambda: self.now, self.terms, sending)

    async def subscribe(
        self, receiver: Receiver, subscriber_id: SubscriberId = PMS, secret: str = SECRET, **named: Any
    ) -> None:
        message = adding(subscriber_id, named.pop("url", receiver.url), sealed_secret=SEAL.close(secret), **named)
        await self.parts.subscribers.handle(subscriber_id, message, Delivery("a", "a", "webhooks add"))
        await self.parts.directory.refresh()

    async def event(self, event: Any, message_id: str = "m-1", sent_at: dt.datetime | None = None) -> Outcome[Any]:
        handler = self.parts.handlers.events()[type(event)]
        return await handler(event, Delivery(message_id, "corr", event.kind, sent_at=sent_at))

    async def sweep(self) -> None:
        """One sweep, and all attempts that it begins."""
        assert self.parts.dispatcher is not None
        await self.parts.directory.refresh()
        await self.parts.dispatcher.sweep()
        await self.parts.dispatcher.idle()

    async def subscriber(self, subscriber_id: SubscriberId = PMS) -> Subscriber:
        stored = await self.parts.collections.subscribers.load(subscriber_id)
        assert stored is not None
        return stored.state

    async def entries(
        self, subscriber_id: SubscriberId = PMS, order_id: OrderId = given.ORDER_ID
    ) -> tuple[WebhookEntry, ...]:
        stored = await self.parts.collections.feeds.load(feed_id_of(subscriber_id, order_id))
        return stored.state.entries if stored else ()

    async def entry(self, subscriber_id: SubscriberId = PMS) -> WebhookEntry:
        (entry,) = await self.entries(subscriber_id)
        return entry

    def measured(self, outcome: str) -> tuple[float | None, float | None]:
        """How many webhooks ended so, and the seconds that they took together."""
        labels = {"service": "webhooks", "step": Step.WEBHOOK_DELIVERED, "outcome": outcome}
        value = self.metrics.registry.get_sample_value
        return value("bellhop_step_seconds_count", labels), value("bellhop_step_seconds_sum", labels)

    def later(self, by: timedelta) -> None:
        self.now += by


def receipt_issued(order: Order | None = None, order_id: OrderId = given.ORDER_ID) -> ReceiptIssued:
    (receipt, *_) = issued(order or taxed(given.confirmed()))
    receipt = receipt.model_copy(update={"order_id": order_id})
    return ReceiptIssued(order_id=order_id, receipt=receipt, guest_id=GUEST.guest_id)


def fulfilled(order_id: OrderId = given.ORDER_ID) -> OrderFulfilled:
    return OrderFulfilled(order_id=order_id, guest_id=GUEST.guest_id, property_id=GUEST.property_id)


def cancelled(order_id: OrderId = given.ORDER_ID) -> OrderCancelled:
    return OrderCancelled(
        order_id=order_id,
        guest_id=GUEST.guest_id,
        property_id=GUEST.property_id,
        payment_status=PaymentStatus.PAID,
    )


@asynccontextmanager
async def subscribed(*, terms: Terms = TERMS, **named: Any) -> AsyncIterator[tuple[Desk, Receiver]]:
    async with webhook_receiver(**named) as receiver:
        desk = Desk(terms=terms)
        await desk.subscribe(receiver)
        yield desk, receiver


async def test_a_confirmed_order_is_reported_signed_with_all_that_a_receiver_needs() -> None:
    async with subscribed() as (desk, receiver):
        assert isinstance(await desk.event(receipt_issued()), Applied)
        await desk.sweep()

    (received,) = receiver.received
    said = OrderWebhook.model_validate(received.verified(SECRET))
    assert said.type is WebhookType.CONFIRMED
    assert (said.payload_version, said.data.order_version) == (1, 5)
    assert (said.data.guest_id, said.data.reservation_id) == (GUEST.guest_id, GUEST.reservation_id)
    assert said.data.total == given.TOTAL
    assert [line.vat for line in said.data.lines] == [line.vat for line in desk.order.lines]
    assert said.data.receipt == said.data.receipts[0]
    assert said.data.receipt.number == 1
    assert received.path == "/hooks?key=k-1"
    assert received.headers["content-type"] == "application/json"
    entry = await desk.entry()
    assert (entry.webhook_id, entry.status, entry.attempts) == (received.webhook_id, WebhookStatus.DELIVERED, 1)
    assert entry.body is None
    assert desk.measured("ok") == (1, 0)


async def test_without_a_subscriber_nothing_is_written_and_no_one_is_asked() -> None:
    desk = Desk()

    assert await desk.event(receipt_issued()) == Ignored(NO_SUBSCRIBER)

    await desk.sweep()
    assert desk.store.raw["webhook_feeds"] == {}
    assert desk.described.asked == 0


async def test_a_subscriber_hears_of_its_property_and_its_kinds_alone() -> None:
    async with webhook_receiver() as receiver:
        desk = Desk()
        await desk.subscribe(receiver, PMS, property_id="seaside")
        await desk.subscribe(receiver, SPA, kinds=(WebhookType.CANCELLED,))

        assert await desk.event(receipt_issued()) == Ignored(NO_SUBSCRIBER)
        assert isinstance(await desk.event(cancelled()), Applied)
        await desk.sweep()

    assert [json.loads(each.body)["type"] for each in receiver.received] == ["order.cancelled"]


async def test_an_event_that_is_delivered_or_replayed_again_is_reported_once() -> None:
    async with subscribed() as (desk, receiver):
        await desk.event(receipt_issued(), "m-1")
        await desk.sweep()
        again = [await desk.event(receipt_issued(), message_id) for message_id in ("m-1", "replayed", "m-1")]
        desk.start()
        await desk.sweep()

    assert again == [Ignored("it was delivered already, nothing is sent")] * 3
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (500, "answered 500"),
        (404, "answered 404"),
        (REDIRECT, "answered 302: redirects are not followed"),
        # Named here: the time-out follows the machine's load, and the workers of a run must collect the same names.
        pytest.param(HANG, f"no answer within {TIME_OUT:g} s", id="hang"),
        (CLOSE, "no answer: "),
        (TORN, "no answer: "),
        (NO_HTTP, "no answer: "),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 300_000 + b"\r\n\r\n", "no answer: "),
    ],
)
async def test_what_is_not_taken_is_sent_again_under_the_same_id_with_the_same_body(
    behaviour: Behaviour, said: str
) -> None:
    async with subscribed(behaviours=[behaviour]) as (desk, receiver):
        await desk.event(receipt_issued())
        await desk.sweep()
        failed = await desk.entry()
        await desk.sweep()  # too early
        desk.described.version = 6
        desk.later(PAUSES[0])
        await desk.sweep()

    assert failed.status is WebhookStatus.WAITING
    assert failed.said.startswith(said)
    assert "/inside" not in [each.path for each in receiver.received]
    first, second = receiver.received
    assert (first.webhook_id, first.body) == (second.webhook_id, second.body)
    assert all(each.is_signed_with(SECRET) for each in receiver.received)
    entry = await desk.entry()
    assert (entry.status, entry.attempts, entry.order_version) == (WebhookStatus.DELIVERED, 2, 5)
    assert (await desk.subscriber()).summary == "enabled"


async def test_an_answer_without_end_counts_by_its_status_and_is_not_read() -> None:
    async with subscribed(then=ENDLESS) as (desk, _):
        await desk.event(receipt_issued())
        await desk.sweep()

    assert (await desk.entry()).status is WebhookStatus.DELIVERED


async def test_a_pause_that_the_receiver_asks_for_is_kept() -> None:
    busy = b"HTTP/1.1 429 Slow\r\nRetry-After: 420\r\nContent-Length: 0\r\n\r\n"
    async with subscribed(behaviours=[busy]) as (desk, receiver):
        await desk.event(receipt_issued())
        await desk.sweep()
        desk.later(timedelta(seconds=419))
        await desk.sweep()
        assert len(receiver.received) == 1
        desk.later(timedelta(seconds=2))
        await desk.sweep()

    assert len(receiver.received) == 2


async def test_a_receiver_that_is_gone_is_disabled_with_the_reason() -> None:
    async with subscribed(then=410) as (desk, receiver):
        await desk.event(receipt_issued())
        await desk.sweep()
        desk.later(timedelta(days=1))
        await desk.sweep()

    subscriber = await desk.subscriber()
    assert (subscriber.status, len(receiver.received)) == (SubscriberStatus.DISABLED, 1)
    assert "410" in subscriber.cause
    assert subscriber.needs_attention


async def test_after_days_of_failure_a_receiver_is_disabled_and_what_waits_stays() -> None:
    async with subscribed(then=500) as (desk, receiver):
        await desk.event(receipt_issued())
        await desk.event(fulfilled())
        for _ in range(60):
            await desk.sweep()
            desk.later(timedelta(hours=4))

    subscriber, entries = await desk.subscriber(), await desk.entries()
    assert subscriber.status is SubscriberStatus.DISABLED
    assert [each.status for each in entries] == [WebhookStatus.PARKED, WebhookStatus.WAITING]
    assert len(receiver.received) < 40
    count, seconds = desk.measured("failed")
    assert count == 1
    assert (seconds or 0) >= TERMS.give_up_after.total_seconds()
    assert desk.measured("ok") == (0, 0)


async def test_what_one_process_delivers_ends_the_failures_that_another_has_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with subscribed(behaviours=[500]) as (desk, receiver):
        other = Desk(store=desk.store, now=desk.now)
        await other.parts.directory.refresh()
        await other.event(receipt_issued(), "m-1")
        await other.sweep()
        assert (await desk.subscriber()).failures == 1

        async def as_it_was() -> None:
            """Its attempt began before the other's failure was written."""

        monkeypatch.setattr(desk.parts.directory, "refresh", as_it_was)
        await desk.event(receipt_issued(order_id=OrderId("ord_2")), "m-2")
        await desk.sweep()

    assert len(receiver.received) == 2
    assert not (await desk.subscriber()).needs_attention


async def test_an_orders_webhooks_come_in_order_though_the_first_fails() -> None:
    async with subscribed(behaviours=[500, 500]) as (desk, receiver):
        await desk.event(receipt_issued())
        await desk.event(fulfilled(), "m-2")
        await desk.event(cancelled(), "m-3")
        for _ in range(6):
            await desk.sweep()
            desk.later(timedelta(seconds=30))

    types = [each.verified(SECRET)["type"] for each in receiver.received]
    assert types == [*["order.confirmed"] * 3, "order.changed", "order.cancelled"]


async def test_one_subscriber_that_hangs_delays_no_other() -> None:
    async with webhook_receiver(then=HANG) as hanging, webhook_receiver() as quick:
        desk = Desk()
        await desk.subscribe(hanging, PMS)
        await desk.subscribe(quick, SPA)
        for number in range(20):
            order_id = OrderId(f"ord_{number}")
            await desk.event(receipt_issued(order_id=order_id), f"m-{number}")
        assert desk.parts.dispatcher is not None
        for _ in range(40):
            await desk.parts.dispatcher.sweep()
            await asyncio.sleep(0.01)
            if len(quick.received) == 20:
                break

        assert len(quick.received) == 20
        assert len(hanging.received) < 20
        await desk.parts.dispatcher.idle()


async def test_no_more_than_so_many_are_under_way_to_one_subscriber_and_one_once_it_fails() -> None:
    async with webhook_receiver(then=HANG) as receiver:
        desk = Desk(most_at_once=3)
        await desk.subscribe(receiver)
        for number in range(9):
            await desk.event(receipt_issued(order_id=OrderId(f"ord_{number}")), f"m-{number}")
        await desk.sweep()
        # Three, and one for each of the two failures that do not hold it yet.
        first = len(receiver.received)
        assert 3 <= first <= 5

        await desk.sweep()  # held
        assert len(receiver.received) == first
        desk.later(timedelta(minutes=1))
        await desk.sweep()
        assert len(receiver.received) == first + 1


async def test_two_processes_send_each_webhook_once() -> None:
    async with subscribed() as (desk, receiver):
        other = Desk(store=desk.store, now=desk.now)
        for number in range(10):
            await desk.event(receipt_issued(order_id=OrderId(f"ord_{number}")), f"m-{number}")

        async def all_are_sent() -> bool:
            await asyncio.gather(desk.sweep(), other.sweep())
            return len(receiver.received) >= 10

        await until(all_are_sent, "both processes together have sent ten webhooks")
        await asyncio.gather(desk.sweep(), other.sweep())

    assert sorted(each.verified(SECRET)["data"]["order_id"] for each in receiver.received) == [
        f"ord_{number}" for number in range(10)
    ]


@pytest.mark.parametrize("point", ["before the claim", "after the claim", "after the answer"])
async def test_a_process_that_dies_at_any_point_leaves_a_webhook_that_is_sent_again(
    point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with subscribed() as (desk, receiver):
        await desk.event(receipt_issued())
        writes = 0
        real = desk.parts.collections.feeds.write
        dies_before = {"before the claim": 1, "after the claim": 1, "after the answer": 2}[point]

        async def write(*args: Any, **named: Any) -> bool:
            nonlocal writes
            writes += 1
            if writes == dies_before and point != "after the claim":
                raise asyncio.CancelledError
            written = await real(*args, **named)
            if writes == dies_before:
                raise asyncio.CancelledError
            return written

        monkeypatch.setattr(desk.parts.collections.feeds, "write", write)
        await desk.sweep()
        monkeypatch.setattr(desk.parts.collections.feeds, "write", real)
        before = len(receiver.received)
        desk.start()
        await desk.sweep()
        if point != "before the claim":
            assert len(receiver.received) == before  # claimed
        desk.later(CLAIMED_FOR)
        await desk.sweep()

    assert len(receiver.received) == (2 if point == "after the answer" else 1)
    assert len({(each.webhook_id, each.body) for each in receiver.received}) == 1
    assert (await desk.entry()).status is WebhookStatus.DELIVERED


async def test_while_orders_are_not_described_nothing_is_sent_and_no_attempt_counts() -> None:
    async with subscribed() as (desk, receiver):
        await desk.event(receipt_issued())
        desk.described.is_away = True
        await desk.sweep()
        assert (await desk.entry()).attempts == 0
        assert (await desk.subscriber()).summary == "enabled"
        desk.described.is_away = False
        desk.start()
        await desk.sweep()

    assert len(receiver.received) == 1


async def test_an_extras_service_that_says_no_version_is_awaited() -> None:
    async with subscribed() as (desk, receiver):
        desk.described.version = None
        await desk.event(receipt_issued())
        with capture_logs() as logs:
            await desk.sweep()

    assert receiver.received == []
    assert str(OlderServiceError("the extras service is older")) in str(logs)


def refunded_in_part() -> Order:
    return given.after(taxed(given.confirmed()), given.refunding(1200), refund_made(1200))


async def with_both_receipts(receiver: Receiver, added_after: timedelta) -> tuple[Desk, ReceiptIssued, ReceiptIssued]:
    """A desk whose order has two receipts, and their events. The subscriber was added so long after them."""
    desk = Desk(order=refunded_in_part(), now=given.NOW + added_after)
    await desk.subscribe(receiver)
    desk.now = dt.datetime.now(dt.UTC)
    payment, refund = (
        ReceiptIssued(order_id=given.ORDER_ID, receipt=each, guest_id=GUEST.guest_id) for each in issued(desk.order)
    )
    return desk, payment, refund


async def test_the_webhook_of_a_refund_waits_for_that_of_the_payment_whose_event_is_retried() -> None:
    async with webhook_receiver() as receiver:
        desk, payment, refund = await with_both_receipts(receiver, -timedelta(minutes=1))
        await desk.event(refund, "m-2")
        with capture_logs() as logs:
            await desk.sweep()
        assert receiver.received == []
        assert "the event of the order's receipt 1 has not come yet" in str(logs)
        await desk.event(payment, "m-1")
        desk.start()
        await desk.sweep()
        await desk.sweep()

    assert [each.verified(SECRET)["type"] for each in receiver.received] == ["order.confirmed", "order.refunded"]


@pytest.mark.parametrize(
    ("added_after", "passed"),
    [(timedelta(minutes=-1), HELD_FOR + timedelta(seconds=1)), (timedelta(minutes=1), timedelta())],
    ids=["its retries are over", "the payment was before the subscriber"],
)
async def test_the_webhook_of_a_refund_does_not_wait_for_ever(added_after: timedelta, passed: timedelta) -> None:
    async with webhook_receiver() as receiver:
        desk, _, refund = await with_both_receipts(receiver, added_after)
        await desk.event(refund, "m-2")
        desk.now += passed
        await desk.sweep()

    assert [json.loads(each.body)["type"] for each in receiver.received] == ["order.refunded"]


async def test_an_order_that_is_gone_is_dropped() -> None:
    async with subscribed() as (desk, receiver):
        await desk.event(receipt_issued())
        desk.described.order = given.confirmed().model_copy(update={"guest": given.guest(property_id="other")})
        await desk.sweep()

    entry = await desk.entry()
    assert (entry.status, entry.said, receiver.received) == (WebhookStatus.DROPPED, "there is no such order", [])


async def test_while_a_secret_is_replaced_both_verify_and_then_the_new_one_alone() -> None:
    async with subscribed() as (desk, receiver):
        rotation = RotateSecret(SEAL.close(NEW_SECRET), timedelta(hours=24))
        await desk.parts.subscribers.handle(PMS, rotation, Delivery("r", "r", "webhooks rotate-secret"))
        await desk.event(receipt_issued())
        await desk.sweep()
        assert receiver.received[0].is_signed_with(SECRET)
        assert receiver.received[0].is_signed_with(NEW_SECRET)

        desk.start()
        old = await desk.subscriber()
        assert [each.until is None for each in old.secrets_at(desk.now + timedelta(hours=24))] == [True]


async def test_a_webhook_that_no_key_of_the_seal_signs_is_not_sent() -> None:
    async with webhook_receiver() as receiver:
        desk = Desk()
        other = Seal(SecretStr(Fernet.generate_key().decode()))
        message = adding(PMS, receiver.url, sealed_secret=other.close(SECRET))
        await desk.parts.subscribers.handle(PMS, message, Delivery("a", "a", "webhooks add"))
        await desk.parts.directory.refresh()
        await desk.event(receipt_issued())
        await desk.sweep()

    assert receiver.received == []
    assert "BELLHOP_SEAL_KEYS" in (await desk.entry()).said


async def test_a_receiver_inside_is_not_called_unless_a_setting_allows() -> None:
    async with webhook_receiver() as receiver:
        desk = Desk(terms=Terms())
        await desk.subscribe(receiver)
        await desk.event(receipt_issued())
        await desk.sweep()

    assert receiver.received == []
    assert (await desk.entry()).said == "not sent: it must begin with https://"


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.7", "::1", "::ffff:10.0.0.7"])
async def test_a_name_that_leads_inside_is_not_called(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if another address of it is public: a name is trusted with all of them or none."""

    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", ("93.184.216.34", 443)), (0, 0, 0, "", (address, 443))]

    connected: list[str] = []

    async def connect(_self: object, host: str, *_: Any, **__: Any) -> Any:
        connected.append(host)
        raise OSError("nothing answers in a test")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    monkeypatch.setattr("httpcore.AnyIOBackend.connect_tcp", connect)

    said = await Caller(TIME_OUT).post("https://pms.example/hooks", {}, b"{}")

    assert said.verdict is Verdict.FAILED
    assert said.text == f"not sent: {address} is not an address of the public internet"
    assert connected == []


async def test_a_name_is_resolved_once_and_the_checked_address_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved, connected = 0, []

    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        nonlocal resolved
        resolved += 1  # a second question would be answered otherwise
        return [(0, 0, 0, "", ("93.184.216.34" if resolved == 1 else "127.0.0.1", 443))]

    async def connect(_self: object, host: str, *_: Any, **__: Any) -> Any:
        connected.append(host)
        raise OSError("nothing answers in a test")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    monkeypatch.setattr("httpcore.AnyIOBackend.connect_tcp", connect)

    await Caller(TIME_OUT).post("https://pms.example/hooks", {}, b"{}")

    assert (resolved, connected) == (1, ["93.184.216.34"])


async def test_a_certificate_that_no_one_vouches_for_is_refused(tmp_path: Path) -> None:
    authority, trusted = certificate(tmp_path)
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, HOST, 0, ssl=trusted)
    url = f"https://{HOST}:{server.sockets[0].getsockname()[1]}/hooks"
    async with server:
        refused = await Caller(5.0, anywhere=True).post(url, {}, b"{}")
        taken = await Caller(5.0, anywhere=True, ca_file=authority).post(url, {}, b"{}")

    assert refused.verdict is Verdict.FAILED
    assert "CERTIFICATE_VERIFY_FAILED" in refused.text
    assert taken.verdict is Verdict.TAKEN
    assert len(receiver.received) == 1


async def test_the_next_address_of_a_name_is_called_if_the_first_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with webhook_receiver() as receiver:

        async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
            return [(0, 0, 0, "", ("127.0.0.9", receiver.port)), (0, 0, 0, "", (HOST, receiver.port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        said = await Caller(5.0, anywhere=True).post(f"http://pms.example:{receiver.port}/", {}, b"{}")

    assert said.verdict is Verdict.TAKEN
    assert receiver.received[0].headers["host"] == f"pms.example:{receiver.port}"


async def test_an_order_that_forgets_its_guest_leaves_no_body_behind() -> None:
    async with subscribed(then=500) as (desk, _):
        await desk.event(receipt_issued())
        await desk.sweep()
        assert GUEST.guest_id in json.dumps(desk.store.raw["webhook_feeds"], default=str)
        event = OrderErased(order_id=given.ORDER_ID, guest_id=given.PSEUDONYM, property_id=GUEST.property_id)

        assert isinstance(await desk.event(event, "m-9"), Applied)
        assert isinstance(await desk.event(event, "m-9"), Ignored)

    stored = json.dumps(desk.store.raw["webhook_feeds"], default=str)
    assert GUEST.guest_id not in stored
    assert GUEST.reservation_id not in stored


async def test_a_restored_store_sends_again_what_it_has_forgotten_under_the_same_id() -> None:
    async with subscribed() as (desk, receiver):
        await desk.event(receipt_issued(), "m-1")
        await desk.sweep()
        desk.store.of["webhook_feeds"].raw = {}
        desk.start()
        await desk.parts.directory.refresh()
        await desk.event(receipt_issued(), "m-1-of-another-life")
        await desk.sweep()

    assert len(receiver.received) == 2
    assert len({each.webhook_id for each in receiver.received}) == 1


async def test_webhooks_that_are_over_are_deleted_by_age_and_no_replay_sends_them_again() -> None:
    async with subscribed(terms=replace(TERMS, keep_for=timedelta(days=30))) as (desk, receiver):
        begin = desk.now
        await desk.event(receipt_issued(), "m-1", begin)
        await desk.sweep()
        feed_id, entry = feed_id_of(PMS, given.ORDER_ID), await desk.entry()
        desk.later(timedelta(days=30))
        swept = [await desk.parts.retention.sweep()]
        desk.later(timedelta(seconds=1))
        swept += [await desk.parts.retention.sweep() for _ in range(2)]
        replayed = await desk.event(receipt_issued(), "m-1", begin)
        again = await desk.parts.feeds.handle(feed_id, SendAgain(entry.webhook_id), Delivery("o", "o", "send-again"))
        await desk.event(cancelled(), "m-2", desk.now)
        await desk.sweep()
        replayed_again = await desk.event(receipt_issued(), "m-1", begin)
        await desk.sweep()

    assert swept == [0, 1, 0]
    assert isinstance(replayed, Ignored)
    assert replayed == replayed_again
    assert "too old" in replayed.reason
    assert again.outcome == Ignored("no such webhook is known here")
    assert [json.loads(each.body)["type"] for each in receiver.received] == ["order.confirmed", "order.cancelled"]


async def test_without_the_setting_webhooks_are_known_for_ever() -> None:
    async with subscribed() as (desk, _):
        await desk.event(receipt_issued())
        await desk.sweep()
        desk.later(timedelta(days=10_000))

    assert await desk.parts.retention.sweep() == 0
    assert "webhooks to delete by age" not in {loop.name for loop in desk.parts.loops(1.0)}


async def test_sent_again_by_an_operator_it_says_what_is_true_now_under_the_same_id() -> None:
    async with subscribed() as (desk, receiver):
        await desk.event(receipt_issued())
        await desk.sweep()
        desk.described.version = 9
        entry = await desk.entry()
        again = SendAgain(entry.webhook_id)
        await desk.parts.feeds.handle(feed_id_of(PMS, given.ORDER_ID), again, Delivery("o", "o", "webhooks send-again"))
        await desk.sweep()

    versions = [each.verified(SECRET)["data"]["order_version"] for each in receiver.received]
    assert versions == [5, 9]
    assert len({each.webhook_id for each in receiver.received}) == 1
    assert (await desk.entry()).deliveries == 2


async def test_while_the_store_is_away_the_event_is_not_lost() -> None:
    async with subscribed() as (desk, receiver):
        desk.store.of["webhook_feeds"].away = True
        with pytest.raises(StoreUnavailableError):
            await desk.event(receipt_issued())
        desk.store.of["webhook_feeds"].away = False
        await desk.event(receipt_issued())
        await desk.sweep()

    assert len(receiver.received) == 1


async def test_no_log_line_holds_a_secret_an_address_or_a_body() -> None:
    with capture_logs() as logs:
        async with subscribed(behaviours=[500]) as (desk, _):
            await desk.event(receipt_issued())
            await desk.sweep()
            desk.later(PAUSES[0])
            await desk.sweep()

    text = json.dumps(logs, default=str)
    assert "webhook.answered" in text
    for secret in (SECRET, SECRET.removeprefix("whsec_"), "k-1", GUEST.reservation_id):
        assert secret not in text
    assert SECRET not in json.dumps(desk.store.raw, default=str)


async def test_an_attempt_is_in_the_trace_of_its_order_with_the_receivers_host_and_no_more() -> None:
    async with subscribed(then=503) as (desk, receiver):
        await desk.event(receipt_issued())
        with kept_spans() as kept:
            await desk.sweep()

    call, attempt = (span for span in kept.get_finished_spans() if span.name.startswith(("POST", "webhook")))
    assert {f"{span.context.trace_id:032x}" for span in (call, attempt)} == {trace_id_of_order(given.ORDER_ID)}
    assert call.parent == attempt.context
    assert (attempt.name, attempt.kind) == ("webhook order.confirmed", SpanKind.CONSUMER)
    own = ("attempt", "order_id", "subscriber_id", "webhook_id")
    assert set(attempt.attributes or {}) == {f"bellhop.{name}" for name in own}
    assert dict(call.attributes or {}) == {
        "error.type": "503",
        "http.request.method": "POST",
        "http.response.status_code": 503,
        "server.address": HOST,
        "server.port": receiver.port,
    }
