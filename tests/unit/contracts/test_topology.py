"""The bus as data, held against the rules of the bus and against the messages there are."""

from collections import Counter

import pytest

from contracts.ids import OrderId, payment_id_of
from contracts.message import Command, Event, Message, Query, Reply
from contracts.topology import (
    COMMANDS,
    COPIES,
    DEAD,
    EARLIER_MARKS,
    EVENTS,
    EVENTS_WITHOUT_FOLLOWER,
    EXCHANGES,
    LIVE_KINDS,
    LOG,
    MARK,
    QUEUES,
    READS,
    RETRY_LADDER,
    Binding,
    ExchangeType,
    Queue,
    QueueType,
    RetryTier,
)
from tests.support.examples import OF_CONTRACTS

BY_NAME = {queue.name: queue for queue in QUEUES}
WORK = {
    "extras.commands": "extras.dead",
    "payments.commands": "payments.dead",
    "psp.commands": "psp.dead",
    "extras.payments": "extras.dead",
    "extras.stock": "extras.dead",
    "extras.receipts": "extras.dead",
    "payments.psp": "payments.dead",
    "mail.commands": "mail.dead",
    "mail.events": "mail.dead",
    "mail.sending": "mail.dead",
    "hooks.events": "hooks.dead",
}
AT_LEAST_ONCE = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


def _kinds_of(base: type[Message]) -> set[str]:
    return {kind for kind, it in OF_CONTRACTS.items() if issubclass(it, base)}


def _bound(exchange: str, queues: tuple[Queue, ...]) -> list[str]:
    return [bound.routing_key for queue in queues for bound in queue.bindings if bound.exchange == exchange]


def test_the_exchanges_are_those_of_the_design() -> None:
    assert {exchange.name: exchange.type for exchange in EXCHANGES} == {
        "commands": ExchangeType.TOPIC,
        "events": ExchangeType.TOPIC,
        "queries": ExchangeType.TOPIC,
        "replies": ExchangeType.TOPIC,
        "dead": ExchangeType.TOPIC,
        "copies": ExchangeType.TOPIC,
        "retry.1s": ExchangeType.TOPIC,
        "retry.5s": ExchangeType.TOPIC,
        "retry.30s": ExchangeType.TOPIC,
        "retry.2m": ExchangeType.TOPIC,
        "retry.10m": ExchangeType.TOPIC,
    }


def test_the_queues_are_those_of_the_design() -> None:
    quorum = {*WORK, *WORK.values(), *(tier.name for tier in RETRY_LADDER)}

    assert {queue.name: (queue.type, queue.durable) for queue in QUEUES} == {
        **dict.fromkeys(quorum, (QueueType.QUORUM, True)),
        **{queue.name: (QueueType.QUORUM, True) for queue in READS},
        LOG: (QueueType.STREAM, True),
    }
    assert [queue.name for queue in READS] == [
        f"{room}.queries" for room in ("extras", "payments", "psp", "mail", "hooks")
    ]
    assert LOG == "log"


@pytest.mark.parametrize(("name", "dead_queue"), WORK.items())
def test_a_work_queue_parks_at_its_own_dead_queue_and_loses_nothing(name: str, dead_queue: str) -> None:
    assert BY_NAME[name].arguments == {
        **AT_LEAST_ONCE,
        "x-dead-letter-exchange": "dead",
        "x-dead-letter-routing-key": dead_queue,
        "x-delivery-limit": 20,
    }


@pytest.mark.parametrize("queue", [*QUEUES, MARK], ids=lambda queue: queue.name)
def test_a_queue_leaves_nothing_to_the_defaults_that_differ_between_versions(queue: Queue) -> None:
    """RabbitMQ 4 gives a message up after 20 deliveries where no limit is named, RabbitMQ 3 never."""
    assert ("x-delivery-limit" in queue.arguments) == (queue.type is QueueType.QUORUM)


@pytest.mark.parametrize("dead_queue", sorted(set(WORK.values())))
def test_a_dead_queue_is_bound_by_its_own_name_and_keeps_what_it_has(dead_queue: str) -> None:
    assert BY_NAME[dead_queue].bindings == (Binding(DEAD.name, dead_queue),)
    assert BY_NAME[dead_queue].arguments == {"x-delivery-limit": 2_000_000_000}


def test_the_retry_ladder_is_1s_5s_30s_2m_10m() -> None:
    assert [(tier.name, tier.seconds) for tier in RETRY_LADDER] == [
        ("retry.1s", 1),
        ("retry.5s", 5),
        ("retry.30s", 30),
        ("retry.2m", 120),
        ("retry.10m", 600),
    ]


@pytest.mark.parametrize("tier", RETRY_LADDER, ids=lambda tier: tier.name)
def test_a_retry_comes_back_through_the_default_exchange_to_the_queue_in_its_key(tier: RetryTier) -> None:
    queue = BY_NAME[tier.name]

    assert queue.bindings == (Binding(queue.name, "#"),)
    assert queue.arguments == {
        **AT_LEAST_ONCE,
        "x-dead-letter-exchange": "",
        "x-message-ttl": tier.seconds * 1000,
        "x-delivery-limit": 2_000_000_000,
    }


def test_the_log_takes_everything_and_forgets_by_age_and_size() -> None:
    log = BY_NAME[LOG]

    assert log.bindings == (Binding("copies", "#"),)
    assert log.arguments["x-max-age"] == "604800s"
    assert int(log.arguments["x-max-length-bytes"]) > 0


def test_only_queues_that_need_a_command_or_event_are_bound_where_it_is_sent() -> None:
    """The log, or a gateway's live view, bound there would make the broker accept what its consumer never gets."""
    sent = {(COMMANDS.name, kind) for kind in _kinds_of(Command)} | {(EVENTS.name, kind) for kind in _kinds_of(Event)}

    others = [queue for queue in QUEUES if queue.name not in WORK]

    assert [
        queue.name for queue in others if any(b.exchange in (COMMANDS.name, EVENTS.name) for b in queue.bindings)
    ] == []
    followed = {(b.exchange, b.routing_key) for name in WORK for b in BY_NAME[name].bindings}
    live = {(b.exchange, b.routing_key) for b in LIVE_KINDS}
    assert followed & live == set()
    assert sent == followed | {(EVENTS.name, kind) for kind in EVENTS_WITHOUT_FOLLOWER}


def test_an_event_is_named_as_without_a_follower_exactly_when_no_queue_takes_it() -> None:
    taken = set(_bound(EVENTS.name, QUEUES))

    assert _kinds_of(Event) - taken == EVENTS_WITHOUT_FOLLOWER


def test_every_read_has_its_queue() -> None:
    assert sorted(_bound("queries", QUEUES)) == sorted(_kinds_of(Query))


def test_every_binding_names_an_exchange_that_exists() -> None:
    known = {exchange.name for exchange in EXCHANGES}

    assert {bound.exchange for queue in QUEUES for bound in queue.bindings} <= known


def test_every_bound_command_and_event_exists() -> None:
    work = tuple(BY_NAME[name] for name in WORK)

    assert set(_bound(COMMANDS.name, work)) <= _kinds_of(Command)
    assert set(_bound(EVENTS.name, work)) <= _kinds_of(Event)


def test_every_command_is_bound_to_exactly_one_work_queue() -> None:
    bound = Counter(_bound(COMMANDS.name, tuple(BY_NAME[name] for name in WORK)))

    assert bound == Counter(_kinds_of(Command))


def test_no_queue_binds_a_kind_twice() -> None:
    for queue in QUEUES:
        assert len(set(queue.bindings)) == len(queue.bindings), queue.name


def test_a_live_view_follows_events_only() -> None:
    kinds = {bound.routing_key.removeprefix("events.") for bound in LIVE_KINDS}

    assert {bound.exchange for bound in LIVE_KINDS} == {EVENTS.name, COPIES.name}
    assert kinds <= _kinds_of(Event)


def test_every_message_is_one_of_four_kinds_of_message() -> None:
    parts = [_kinds_of(base) for base in (Command, Event, Query, Reply)]

    assert sum(len(part) for part in parts) == len(set().union(*parts))
    assert set().union(*parts) == _kinds_of(Message)


@pytest.mark.parametrize("kind", sorted(_kinds_of(Message)))
def test_a_kind_names_a_room_a_thing_and_a_version(kind: str) -> None:
    room, thing, version = kind.split(".")

    assert room in {
        *("catalogue", "extras", "mail", "orders", "payments", "pictures", "properties", "psp", "receipts"),
        "webhooks",
    }
    assert thing == thing.lower()
    assert version.removeprefix("v").isdigit()
    assert Message.kinds[kind].wire_kind() == kind


def test_a_payment_is_named_after_its_order() -> None:
    assert payment_id_of(OrderId("ord_abc")) == "pay_abc"


def test_the_mark_names_this_very_topology() -> None:
    """It changes with the topology. Does the new one have everything of the one before? Then its name goes into
    EARLIER_MARKS, and services of that version still start. Else it is left out (docs/updating.md)."""
    assert MARK.name == "topology.9a29138499f3"
    assert MARK.name not in EARLIER_MARKS
