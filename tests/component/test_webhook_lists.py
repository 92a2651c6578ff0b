"""What staff see of their property's webhooks, as the webhook service answers it on its queue of queries."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from chassis.messaging.envelope import Delivery
from contracts.deliveries import (
    DeliveryStatus,
    ListPropertyWebhooks,
    PropertyWebhooks,
    PropertyWebhooksReply,
    SubscriberCondition,
    WebhookDelivery,
)
from contracts.ids import OrderId, PropertyId, SubscriberId
from contracts.message import Message
from contracts.orders import Reason, Refusal
from contracts.topology import WEBHOOK_QUERIES
from contracts.webhooks import OF_ORDERS, WebhookType
from tests.component.bench import Bench
from tests.support import orders as given
from tests.support.fake_store import FakeStore
from tests.support.webhooks import GUEST, PMS, SPA, TERMS, adding
from webhooks.desk_lists import MOST_OF_A_FEED
from webhooks.due import Subject
from webhooks.feed.inputs import AttemptBegun, AttemptEnded, FeedInput, GuestErased, LeaveIt, SendAgain, Verdict
from webhooks.feed.state import TESTS, feed_id_of, webhook_id_of
from webhooks.keeper import wanted_by
from webhooks.subscriber.inputs import (
    AttemptFailed,
    DisableSubscriber,
    EnableSubscriber,
    RemoveSubscriber,
    SubscriberInput,
)
from webhooks.wiring import WebhookParts, wire

ALPENHOF, KAMOGAWA = GUEST.property_id, PropertyId("kamogawa")
HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"
BODY = f'{{"guest_id": "{GUEST.guest_id}"}}'
HUSH = "sealed-1"


@dataclass
class Desk:
    bench: Bench
    store: FakeStore = field(default_factory=FakeStore)
    now: datetime = given.NOW
    asked: int = 0
    parts: WebhookParts = field(init=False)

    def __post_init__(self) -> None:
        self.parts = wire(self.bench.bus, self.store, lambda: self.now, TERMS)

    async def answer(self, **query: Any) -> Message:
        before, self.asked = len(self.bench.published), self.asked + 1
        asked = ListPropertyWebhooks.model_validate({"property_id": ALPENHOF, **query})
        await self.bench.deliver(WEBHOOK_QUERIES, asked, message_id=f"q-{self.asked}")
        (answer,) = self.bench.sent[before:]
        return answer

    async def page(self, **query: Any) -> PropertyWebhooks:
        answer = await self.answer(**query)
        assert isinstance(answer, PropertyWebhooksReply)
        return answer.page

    async def subscriber(self, *messages: SubscriberInput, subscriber_id: SubscriberId = PMS, **named: Any) -> None:
        for message in (adding(subscriber_id, **named), *messages):
            await self.parts.subscribers.handle(subscriber_id, message, Delivery("a", "a", "webhooks add"))

    async def wanted(
        self,
        number: int = 1,
        kind: WebhookType = WebhookType.CONFIRMED,
        about: str = "1",
        subscriber_id: SubscriberId = PMS,
        property_id: PropertyId = ALPENHOF,
    ) -> OrderId:
        """A webhook about order number so many, older the higher its number is."""
        order_id = OrderId(f"ord_{number:026}") if number else TESTS
        self.now = given.NOW - number * timedelta(minutes=20)
        wanted = wanted_by(subscriber_id, Subject(kind, order_id, property_id, about))
        await self.decided(wanted, order_id, subscriber_id)
        self.now = given.NOW
        return order_id

    async def decided(self, message: FeedInput, order_id: OrderId, subscriber_id: SubscriberId = PMS) -> None:
        await self.parts.feeds.handle(feed_id_of(subscriber_id, order_id), message, Delivery("m", "m", "test"))

    async def attempt(self, order_id: OrderId, verdict: Verdict | None, said: str = "answered 503") -> None:
        webhook_id = webhook_id_of(PMS, order_id, WebhookType.CONFIRMED, "1")
        await self.decided(AttemptBegun(webhook_id, "c-1", BODY, 5), order_id)
        if verdict is not None:
            await self.decided(AttemptEnded(webhook_id, "c-1", verdict, said), order_id)

    async def only(self) -> WebhookDelivery:
        (delivery,) = (await self.page()).deliveries
        return delivery


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    bench = Bench("webhooks")
    desk = Desk(bench)
    bench.consume(WEBHOOK_QUERIES, desk.parts.handlers.queries())
    async with bench.running():
        yield desk


def _orders(page: PropertyWebhooks) -> list[OrderId | None]:
    return [delivery.order_id for delivery in page.deliveries]


async def test_staff_see_their_property_and_no_other(desk: Desk) -> None:
    await desk.subscriber()
    await desk.subscriber(subscriber_id=SPA, property_id=KAMOGAWA)
    own = await desk.wanted(2)
    foreign = await desk.wanted(1, subscriber_id=SPA, property_id=KAMOGAWA)

    page, about_it, about_theirs = await desk.page(), await desk.page(order_id=own), await desk.page(order_id=foreign)

    assert [each.subscriber_id for each in page.subscribers] == [PMS]
    assert _orders(page) == _orders(about_it) == [own]
    assert about_theirs.deliveries == ()
    assert about_theirs.subscribers == page.subscribers
    assert (await desk.page(property_id="nowhere")) == PropertyWebhooks(subscribers=(), deliveries=())


async def test_no_secret_no_query_and_nothing_of_a_guest_is_in_an_answer(desk: Desk) -> None:
    await desk.subscriber(url="https://pms.example/hooks?key=k-1")
    await desk.attempt(await desk.wanted(), Verdict.FAILED)

    page = await desk.page()

    answered = page.model_dump_json()
    assert page.subscribers[0].address == "https://pms.example/hooks?…"
    stored = str(desk.store.raw)
    for secret in (HUSH, "k-1", GUEST.guest_id):
        assert secret in stored
        assert secret not in answered


@pytest.mark.parametrize(
    ("done", "condition", "since", "why"),
    [
        ((), SubscriberCondition.ENABLED, None, ""),
        ((AttemptFailed("answered 503"),), SubscriberCondition.FAILING, given.NOW, "answered 503"),
        ((DisableSubscriber("it moves"),), SubscriberCondition.DISABLED, given.NOW, "it moves"),
        ((AttemptFailed("gone", is_gone=True),), SubscriberCondition.GIVEN_UP, given.NOW, "gone"),
        ((AttemptFailed(HOSTILE),), SubscriberCondition.FAILING, given.NOW, HOSTILE),
        ((DisableSubscriber("it moves"), EnableSubscriber()), SubscriberCondition.ENABLED, None, ""),
    ],
    ids=["new", "failing", "disabled", "gone", "hostile", "enabled again"],
)
async def test_a_subscriber_says_whether_webhooks_arrive_since_when_not_and_why(
    desk: Desk, done: tuple[SubscriberInput, ...], condition: SubscriberCondition, since: datetime | None, why: str
) -> None:
    await desk.subscriber(*done)

    (seen,) = (await desk.page()).subscribers

    assert (seen.condition, seen.since, seen.why, seen.kinds) == (condition, since, why, OF_ORDERS)


async def test_a_webhook_says_what_became_of_it_and_what_comes_next(desk: Desk) -> None:
    await desk.subscriber()
    order_id = await desk.wanted()
    confirmed = webhook_id_of(PMS, order_id, WebhookType.CONFIRMED, "1")
    seen = [await desk.only()]

    await desk.attempt(order_id, None)
    seen.append(await desk.only())
    await desk.decided(AttemptEnded(confirmed, "c-1", Verdict.FAILED, "answered 503"), order_id)
    seen.append(await desk.only())
    desk.now += timedelta(days=4)
    await desk.attempt(order_id, Verdict.FAILED)
    seen.append(await desk.only())
    await desk.decided(SendAgain(confirmed), order_id)
    await desk.attempt(order_id, Verdict.TAKEN, "answered 200")
    seen.append(await desk.only())

    assert [(each.status, each.attempts, each.said) for each in seen] == [
        (DeliveryStatus.WAITING, 0, ""),
        (DeliveryStatus.SENDING, 1, ""),
        (DeliveryStatus.RETRYING, 1, "answered 503"),
        (DeliveryStatus.PARKED, 2, "answered 503"),
        (DeliveryStatus.DELIVERED, 1, "answered 200"),
    ]
    waiting, sending, retrying, parked, delivered = seen
    assert waiting.next_at == waiting.noted_at
    assert retrying.next_at == given.NOW + timedelta(seconds=5)
    assert (sending.next_at, parked.next_at, delivered.next_at) == (None, None, None)
    assert delivered.delivered_at == desk.now


async def test_what_an_operator_left_or_an_erasure_dropped_says_so(desk: Desk) -> None:
    await desk.subscriber()
    erased, left = await desk.wanted(1), await desk.wanted(2)
    await desk.decided(GuestErased(), erased)
    await desk.attempt(left, Verdict.FAILED)
    desk.now += timedelta(days=4)
    await desk.attempt(left, Verdict.FAILED)
    await desk.decided(LeaveIt(webhook_id_of(PMS, left, WebhookType.CONFIRMED, "1"), "root"), left)

    deliveries = (await desk.page()).deliveries

    assert [(each.status, each.said) for each in deliveries] == [
        (DeliveryStatus.DROPPED, "the order has forgotten its guest"),
        (DeliveryStatus.DROPPED, "left at that by root"),
    ]


async def test_the_next_attempt_is_not_announced_before_the_failing_subscriber_is_asked_again(desk: Desk) -> None:
    await desk.subscriber(*[AttemptFailed("answered 503")] * 6)
    await desk.wanted()

    (subscriber,) = (await desk.page()).subscribers

    assert subscriber.retry_at is not None
    assert (await desk.only()).next_at == subscriber.retry_at > given.NOW


async def test_one_behind_another_has_no_time_and_one_of_a_disabled_subscriber_is_held(desk: Desk) -> None:
    await desk.subscriber()
    order_id = await desk.wanted()
    await desk.wanted(kind=WebhookType.REFUNDED, about="2")
    before = (await desk.page()).deliveries

    await desk.subscriber(DisableSubscriber("it moves"))
    held = (await desk.page()).deliveries
    await desk.subscriber(RemoveSubscriber("it is gone"))
    removed = await desk.page()

    assert [(each.type, each.next_at is None) for each in before] == [
        (WebhookType.REFUNDED, True),
        (WebhookType.CONFIRMED, False),
    ]
    assert {(each.status, each.next_at) for each in held} == {(DeliveryStatus.HELD, None)}
    assert removed.subscribers == ()
    assert {(each.order_id, each.status, each.said) for each in removed.deliveries} == {
        (order_id, DeliveryStatus.DROPPED, "the subscriber was removed")
    }


async def test_a_test_is_of_no_order_and_of_one_order_the_newest_are_shown(desk: Desk) -> None:
    await desk.subscriber()
    for number in range(MOST_OF_A_FEED + 5):
        await desk.wanted(0, WebhookType.TEST, f"t{number}")

    page = await desk.page()

    newest = [webhook_id_of(PMS, TESTS, WebhookType.TEST, f"t{number}") for number in range(24, 4, -1)]
    assert [each.webhook_id for each in page.deliveries] == newest
    assert set(_orders(page)) == {None}


async def test_the_pages_have_every_order_once_the_newest_first(desk: Desk) -> None:
    await desk.subscriber()
    await desk.subscriber(subscriber_id=SPA)
    orders = [await desk.wanted(number) for number in range(1, 6)]
    await desk.wanted(6, subscriber_id=SPA)

    seen, after = list[OrderId | None](), None
    while True:
        page = await desk.page(limit=2, after=after)
        assert len(page.deliveries) == 2
        seen += _orders(page)
        after = page.next
        if after is None:
            break

    assert seen == [*orders, OrderId(f"ord_{6:026}")]


@pytest.mark.parametrize("cursor", ["", "x", "e30=", "WyI5OTk5LTEyLTMxVDIzOjU5OjU5WiIsIm8iXQ=="])
async def test_a_cursor_that_is_none_is_refused(desk: Desk, cursor: str) -> None:
    answer = await desk.answer(after=cursor)

    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.CURSOR_INVALID


async def test_each_pair_of_an_order_and_a_subscriber_is_listed_for_an_order(desk: Desk) -> None:
    await desk.subscriber()
    await desk.subscriber(subscriber_id=SPA)
    order_id = await desk.wanted()
    await desk.wanted(subscriber_id=SPA)
    await desk.wanted(2)

    page = await desk.page(order_id=order_id)

    assert {each.subscriber_id for each in page.deliveries} == {PMS, SPA}
    assert set(_orders(page)) == {order_id}
    assert page.next is None
