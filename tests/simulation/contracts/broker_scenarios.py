"""What Bellhop relies on at the broker, as scenarios over the part of aio-pika's interface that both sides have."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from aio_pika import DeliveryMode, Message
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError

Connect = Callable[[], Awaitable[Any]]
Scenario = Callable[[Connect], Coroutine[Any, Any, None]]

_AT_LEAST_ONCE = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


def quorum(**arguments: Any) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    return {"x-queue-type": "quorum", **named}


def text(body: str, **properties: Any) -> Message:
    return Message(body.encode(), delivery_mode=DeliveryMode.PERSISTENT, message_id=body, **properties)


@dataclass
class Inbox:
    """What a consumer was given."""

    messages: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)

    async def __call__(self, message: Any) -> None:
        await self.messages.put(message)

    async def next(self) -> Any:
        async with asyncio.timeout(20):
            return await self.messages.get()

    async def bodies(self, number: int) -> list[str]:
        return [(await self.next()).body.decode() for _ in range(number)]


async def opened(connect: Connect) -> Any:
    return await (await connect()).channel(publisher_confirms=True, on_return_raises=True)


async def consumed(connect: Connect, name: str, prefetch: int = 0) -> tuple[Any, Inbox]:
    channel = await opened(connect)
    await channel.set_qos(prefetch_count=prefetch)
    inbox = Inbox()
    queue = await channel.get_queue(name, ensure=False)
    await queue.consume(inbox)
    return channel, inbox


async def a_confirmed_message_is_delivered_as_it_was_sent(connect: Connect) -> None:
    channel = await opened(connect)
    await channel.declare_queue("work", durable=True, arguments=quorum())
    sent = text("one", type="kind", correlation_id="c", reply_to="r", headers={"attempt": 1})

    await channel.default_exchange.publish(sent, "work")

    _, inbox = await consumed(connect, "work")
    came = await inbox.next()
    seen = (came.body, came.message_id, came.type, came.correlation_id, came.reply_to, came.headers["attempt"])
    assert seen == (b"one", "one", "kind", "c", "r", 1)
    assert (came.exchange, came.routing_key, came.redelivered) == ("", "work", False)
    assert "x-delivery-count" not in came.headers
    await came.ack()


async def what_no_queue_takes_comes_back_to_its_sender(connect: Connect) -> None:
    channel = await opened(connect)
    exchange = await channel.declare_exchange("facts", "topic", durable=True)

    with pytest.raises(PublishError):
        await exchange.publish(text("one"), "no.such.kind", mandatory=True)

    await exchange.publish(text("two"), "no.such.kind", mandatory=False)


async def a_missing_exchange_closes_the_channel(connect: Connect) -> None:
    channel = await opened(connect)
    exchange = await channel.get_exchange("missing", ensure=False)

    with pytest.raises(ChannelNotFoundEntity):
        await exchange.publish(text("one"), "key", mandatory=True)


async def a_missing_queue_cannot_be_consumed(connect: Connect) -> None:
    channel = await opened(connect)
    queue = await channel.get_queue("missing", ensure=False)

    with pytest.raises(ChannelNotFoundEntity):
        await queue.consume(Inbox())


async def a_message_in_hand_comes_back_when_its_channel_closes(connect: Connect) -> None:
    channel = await opened(connect)
    await channel.declare_queue("work", durable=True, arguments=quorum())
    await channel.default_exchange.publish(text("one"), "work")
    holder, inbox = await consumed(connect, "work")
    await inbox.next()

    await holder.close()

    _, other = await consumed(connect, "work")
    again = await other.next()
    assert (again.redelivered, again.headers["x-delivery-count"]) == (True, 1)


async def a_requeued_message_comes_again_before_or_after_the_others(connect: Connect) -> None:
    channel = await opened(connect)
    await channel.declare_queue("work", durable=True, arguments=quorum())
    for body in ("one", "two"):
        await channel.default_exchange.publish(text(body), "work")
    _, inbox = await consumed(connect, "work", prefetch=1)

    await (await inbox.next()).reject(requeue=True)

    counted = []
    for _ in range(2):
        came = await inbox.next()
        counted.append((came.body, came.headers.get("x-delivery-count", 0)))
        await came.ack()
    assert sorted(counted) == [(b"one", 1), (b"two", 0)]


async def beyond_the_delivery_limit_a_message_is_dead_lettered(connect: Connect) -> None:
    channel = await opened(connect)
    await channel.declare_queue("dead", durable=True, arguments=quorum())
    limited = quorum(x_delivery_limit=2, x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    await channel.declare_queue("work", durable=True, arguments=limited | _AT_LEAST_ONCE)
    await channel.default_exchange.publish(text("one", user_id=None, headers={"attempt": 1}), "work")
    _, inbox = await consumed(connect, "work")

    for _ in range(3):
        await (await inbox.next()).reject(requeue=True)

    _, dead = await consumed(connect, "dead")
    letter = await dead.next()
    death = letter.headers["x-death"][0]
    assert (letter.message_id, letter.exchange, letter.routing_key) == ("one", "", "dead")
    assert (death["queue"], death["reason"], death["count"]) == ("work", "delivery_limit", 1)
    assert letter.headers["attempt"] == 1


async def a_rejected_message_is_dead_lettered(connect: Connect) -> None:
    channel = await opened(connect)
    await channel.declare_queue("dead", durable=True, arguments=quorum())
    arguments = quorum(x_dead_letter_exchange="", x_dead_letter_routing_key="dead") | _AT_LEAST_ONCE
    await channel.declare_queue("work", durable=True, arguments=arguments)
    await channel.default_exchange.publish(text("one"), "work")
    _, inbox = await consumed(connect, "work")

    await (await inbox.next()).reject(requeue=False)

    _, dead = await consumed(connect, "dead")
    letter = await dead.next()
    assert letter.headers["x-death"][0]["reason"] == "rejected"


async def a_retry_comes_back_to_the_queue_in_its_routing_key(connect: Connect) -> None:
    channel = await opened(connect)
    await channel.declare_queue("work", durable=True, arguments=quorum())
    tier = await channel.declare_exchange("retry", "topic", durable=True)
    waits = quorum(x_dead_letter_exchange="", x_message_ttl=300) | _AT_LEAST_ONCE
    waiting = await channel.declare_queue("retry", durable=True, arguments=waits)
    await waiting.bind("retry", "#")

    await tier.publish(text("one", type="kind", headers={"attempt": 2}), "work")

    _, inbox = await consumed(connect, "work")
    again = await inbox.next()
    death = again.headers["x-death"][0]
    assert (again.exchange, again.routing_key, again.type, again.headers["attempt"]) == ("", "work", "kind", 2)
    assert (death["queue"], death["reason"], death["count"], death["exchange"]) == ("retry", "expired", 1, "retry")
    assert again.redelivered is False


async def a_question_that_is_too_old_is_not_delivered(connect: Connect) -> None:
    channel = await opened(connect)
    await channel.declare_queue("questions", durable=True, arguments=quorum())
    await channel.default_exchange.publish(text("old", expiration=0.2), "questions")
    await asyncio.sleep(0.6)
    await channel.default_exchange.publish(text("new", expiration=60), "questions")

    _, inbox = await consumed(connect, "questions")

    assert (await inbox.next()).body == b"new"


async def a_consumer_holds_at_most_its_prefetch(connect: Connect) -> None:
    channel = await opened(connect)
    await channel.declare_queue("work", durable=True, arguments=quorum())
    for body in ("one", "two", "three"):
        await channel.default_exchange.publish(text(body), "work")

    _, inbox = await consumed(connect, "work", prefetch=2)
    first, _second = await inbox.next(), await inbox.next()
    _, other = await consumed(connect, "work", prefetch=1)

    assert (await other.next()).body == b"three"
    await channel.default_exchange.publish(text("four"), "work")
    await first.ack()
    assert (await inbox.next()).body == b"four"


async def after_a_cancel_what_is_in_hand_is_settled_and_nothing_more_comes(connect: Connect) -> None:
    channel = await opened(connect)
    await channel.declare_queue("work", durable=True, arguments=quorum())
    consuming = await opened(connect)
    await consuming.set_qos(prefetch_count=1)
    queue = await consuming.get_queue("work", ensure=False)
    inbox = Inbox()
    tag = await queue.consume(inbox)
    await channel.default_exchange.publish(text("one"), "work")
    held = await inbox.next()

    await queue.cancel(tag)
    await channel.default_exchange.publish(text("two"), "work")
    await held.ack()

    _, other = await consumed(connect, "work")
    came = await other.next()
    assert (came.body, came.redelivered) == (b"two", False)
    assert inbox.messages.empty()


async def two_consumers_take_turns(connect: Connect) -> None:
    channel = await opened(connect)
    await channel.declare_queue("work", durable=True, arguments=quorum())
    _, left = await consumed(connect, "work", prefetch=10)
    _, right = await consumed(connect, "work", prefetch=10)

    for number in range(4):
        await channel.default_exchange.publish(text(str(number)), "work")

    assert sorted(await left.bodies(2) + await right.bodies(2)) == ["0", "1", "2", "3"]


async def a_queue_of_a_connection_goes_with_it(connect: Connect) -> None:
    channel = await opened(connect)
    requester = await connect()
    own = await requester.channel()
    replies = await channel.declare_exchange("replies", "topic", durable=True)
    queue = await own.declare_queue("gateway.replies.1", exclusive=True, auto_delete=True)
    await queue.bind("replies", "gateway.replies.1")
    inbox = Inbox()
    await queue.consume(inbox, no_ack=True)
    await replies.publish(text("one"), "gateway.replies.1", mandatory=True)
    assert (await inbox.next()).body == b"one"

    await requester.close()

    with pytest.raises(DeliveryError):  # returned or, by RabbitMQ 4.3 for a moment, not confirmed
        await replies.publish(text("two"), "gateway.replies.1", mandatory=True)


async def a_topic_exchange_compares_words(connect: Connect) -> None:
    channel = await opened(connect)
    exchange = await channel.declare_exchange("facts", "topic", durable=True)
    for name, pattern in (("all", "#"), ("one-word", "orders.*"), ("exact", "orders.placed.v1")):
        queue = await channel.declare_queue(name, durable=True, arguments=quorum())
        await queue.bind("facts", pattern)

    await exchange.publish(text("one"), "orders.placed.v1", mandatory=True)
    await exchange.publish(text("two"), "orders.placed", mandatory=True)

    boxes = {name: (await consumed(connect, name))[1] for name in ("all", "one-word", "exact")}
    assert await boxes["all"].bodies(2) == ["one", "two"]
    assert await boxes["one-word"].bodies(1) == ["two"]
    assert await boxes["exact"].bodies(1) == ["one"]


SCENARIOS: tuple[Scenario, ...] = (
    a_confirmed_message_is_delivered_as_it_was_sent,
    what_no_queue_takes_comes_back_to_its_sender,
    a_missing_exchange_closes_the_channel,
    a_missing_queue_cannot_be_consumed,
    a_message_in_hand_comes_back_when_its_channel_closes,
    a_requeued_message_comes_again_before_or_after_the_others,
    beyond_the_delivery_limit_a_message_is_dead_lettered,
    a_rejected_message_is_dead_lettered,
    a_retry_comes_back_to_the_queue_in_its_routing_key,
    a_question_that_is_too_old_is_not_delivered,
    a_consumer_holds_at_most_its_prefetch,
    after_a_cancel_what_is_in_hand_is_settled_and_nothing_more_comes,
    two_consumers_take_turns,
    a_queue_of_a_connection_goes_with_it,
    a_topic_exchange_compares_words,
)
