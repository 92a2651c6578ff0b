"""The bus as plain data: exchanges, queues and bindings. Declared by the chassis, printed by `bellhop topology`."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from contracts import orders, payments, psp
from contracts.message import Message
from contracts.upcasting import with_older


class ExchangeType(StrEnum):
    TOPIC = "topic"


class QueueType(StrEnum):
    QUORUM = "quorum"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Exchange:
    name: str
    type: ExchangeType
    purpose: str


@dataclass(frozen=True, slots=True)
class Binding:
    exchange: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    type: QueueType
    purpose: str
    durable: bool = True
    bindings: tuple[Binding, ...] = ()
    arguments: Mapping[str, str | int] = field(default_factory=dict)


COMMANDS = Exchange("commands", ExchangeType.TOPIC, "work asked of one receiver, who may refuse")
EVENTS = Exchange("events", ExchangeType.TOPIC, "facts, for whoever follows")
QUERIES = Exchange("queries", ExchangeType.TOPIC, "reads asked of one receiver")
REPLIES = Exchange("replies", ExchangeType.TOPIC, "answers, to the queue in their routing key")
DEAD = Exchange("dead", ExchangeType.TOPIC, "parked messages, waiting for an operator")
COPIES = Exchange(
    "copies", ExchangeType.TOPIC, "copies of what was sent and of failures, for the message log; best effort"
)

FAILURES = "failures"
"""The source of a copy of a failed message; of any other copy it is the exchange the message went to."""
LOG = "log"


def copy_key(source: str, kind: str) -> str:
    """The routing key of a copy: topic permissions then limit what a service can write into the log as sent."""
    return f"{source}.{kind}"


# A quorum queue that dead-letters at most once loses messages; at-least-once needs reject-publish
# (https://www.rabbitmq.com/docs/quorum-queues#activating-at-least-once-dead-lettering).
_AT_LEAST_ONCE: Mapping[str, str | int] = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}

# How often the broker hands out one message whose consumer dies before it answers, before it is parked.
# RabbitMQ 4 defaults to 20 and then drops; 3.10 to no limit. Named here so that both park after the same count.
_DELIVERY_LIMIT = 20

# For queues whose messages are not to be given up by the broker: being looked at counts as a delivery, too. Every
# RabbitMQ takes this number; -1 for no limit only newer ones.
_NO_LIMIT = 2_000_000_000

_DAY = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class RetryTier:
    """A waiting room: what is published to it comes back to the queue in its routing key after `seconds`."""

    name: str
    seconds: int


RETRY_LADDER = (
    RetryTier("retry.1s", 1),
    RetryTier("retry.5s", 5),
    RetryTier("retry.30s", 30),
    RetryTier("retry.2m", 120),
    RetryTier("retry.10m", 600),
)


def _kinds(exchange: Exchange, *types: type[Message]) -> tuple[Binding, ...]:
    """One per kind; older versions stay bound, for senders of before an update or after a roll-back."""
    kinds = (kind for message_type in types for kind in with_older(message_type.wire_kind()))
    return tuple(Binding(exchange.name, kind) for kind in kinds)


def _work_queue(name: str, dead_queue: str, purpose: str, bindings: tuple[Binding, ...]) -> Queue:
    arguments = {
        **_AT_LEAST_ONCE,
        "x-dead-letter-exchange": DEAD.name,
        "x-dead-letter-routing-key": dead_queue,
        "x-delivery-limit": _DELIVERY_LIMIT,
    }
    return Queue(name, QueueType.QUORUM, purpose, bindings=bindings, arguments=arguments)


def _dead_queue(name: str) -> Queue:
    return Queue(
        name,
        QueueType.QUORUM,
        "parked messages of one service",
        bindings=(Binding(DEAD.name, name),),
        arguments={"x-delivery-limit": _NO_LIMIT},
    )


def _retry_queue(tier: RetryTier) -> Queue:
    # No routing key override: a message keeps its own, the queue it came from; the default exchange takes it there.
    arguments = {
        **_AT_LEAST_ONCE,
        "x-dead-letter-exchange": "",
        "x-message-ttl": tier.seconds * 1000,
        "x-delivery-limit": _NO_LIMIT,
    }
    purpose = f"comes back after {tier.seconds} s"
    return Queue(tier.name, QueueType.QUORUM, purpose, bindings=(Binding(tier.name, "#"),), arguments=arguments)


EXTRAS_COMMANDS = _work_queue(
    "extras.commands",
    "extras.dead",
    "work asked of the extras service",
    _kinds(
        COMMANDS,
        orders.PlaceOrder,
        orders.StartPayment,
        orders.CancelOrder,
        orders.FulfilOrder,
        orders.RefundOrder,
        orders.RetryRefund,
        orders.SettleRefundOutside,
        orders.ResolveReview,
    ),
)
EXTRAS_PAYMENTS = _work_queue(
    "extras.payments",
    "extras.dead",
    "payment facts the order saga follows",
    _kinds(
        EVENTS,
        payments.PaymentSessionCreated,
        payments.PaymentSessionFailed,
        payments.PaymentInstructionsIssued,
        payments.PaymentProcessing,
        payments.PaymentFailed,
        payments.PaymentSucceeded,
        payments.PaymentMismatched,
        payments.PaymentSessionClosed,
        payments.PaymentUnresolved,
        payments.PaymentRefunded,
        payments.PaymentRefundFailed,
        payments.PaymentDisputed,
        payments.PaymentDisputeClosed,
    ),
)
EXTRAS_STOCK = _work_queue(
    "extras.stock",
    "extras.dead",
    "orders that give back what they held",
    _kinds(EVENTS, orders.OrderExpired, orders.OrderCancelled),
)
# Nothing in it is worth keeping, but a classic queue is gone with its node, and a gateway must find it to ask at all.
EXTRAS_QUERIES = Queue(
    "extras.queries",
    QueueType.QUORUM,
    "reads, with a time to live; loss is acceptable",
    bindings=_kinds(QUERIES, orders.ListExtras, orders.GetOrder, orders.ListOrders),
    arguments={"x-delivery-limit": _NO_LIMIT},
)
PAYMENTS_COMMANDS = _work_queue(
    "payments.commands",
    "payments.dead",
    "work asked of the payment service",
    _kinds(COMMANDS, payments.CreatePaymentSession, payments.ClosePaymentSession, payments.RefundPayment),
)
PAYMENTS_PSP = _work_queue(
    "payments.psp",
    "payments.dead",
    "PSP facts the payment service follows",
    _kinds(
        EVENTS,
        psp.PspSessionCreated,
        psp.PspSessionFailed,
        psp.PspPaymentActionRequired,
        psp.PspPaymentHeld,
        psp.PspPaymentProcessing,
        psp.PspPaymentFailed,
        psp.PspPaymentSucceeded,
        psp.PspPaymentCanceled,
        psp.PspSessionOpen,
        psp.PspOutcomeUnknown,
        psp.PspRefundUpdated,
        psp.PspRefundRefused,
        psp.PspDisputeUpdated,
        psp.PspEventsSwept,
    ),
)
PSP_COMMANDS = _work_queue(
    "psp.commands",
    "psp.dead",
    "work asked of the PSP adapter",
    _kinds(
        COMMANDS,
        psp.CreatePspSession,
        psp.ClosePspSession,
        psp.RetrievePspSession,
        psp.CreatePspRefund,
        psp.SweepPspEvents,
        psp.TranslatePspEvent,
    ),
)

EVENTS_WITHOUT_FOLLOWER = frozenset(
    message_type.wire_kind()
    for message_type in (
        orders.OrderPendingPayment,
        orders.OrderConfirmed,
        orders.OrderFulfilled,
        orders.OrderPaymentChanged,
        orders.OrderNeedsReview,
        orders.OrderRefundFailed,
    )
)
"""Events that no durable queue takes, by design: a gateway follows them live, if one runs. Any other must be routed."""

_FOR_STAFF_ALONE = frozenset({orders.OrderRefundFailed.wire_kind()})
"""Of these, what no guest sees live: only the message log takes it."""

LIVE_KINDS = (
    *(Binding(EVENTS.name, kind) for kind in sorted(EVENTS_WITHOUT_FOLLOWER - _FOR_STAFF_ALONE)),
    # By their copies: a queue of a gateway's own at `events` would make the broker accept them as routed although the
    # binding of the service that needs them is missing.
    *(
        Binding(COPIES.name, copy_key(EVENTS.name, message_type.wire_kind()))
        for message_type in (
            orders.OrderExpired,
            orders.OrderCancelled,
            payments.PaymentProcessing,
            payments.PaymentFailed,
        )
    ),
)
"""What a gateway follows for its open live streams, over a queue of its own that ends with its connection."""

EXCHANGES: tuple[Exchange, ...] = (
    COMMANDS,
    EVENTS,
    QUERIES,
    REPLIES,
    DEAD,
    COPIES,
    # Topic, so that the broker's topic permissions can limit which queue a service may send a retry back to.
    *(Exchange(tier.name, ExchangeType.TOPIC, f"delays a retry by {tier.seconds} s") for tier in RETRY_LADDER),
)

QUEUES: tuple[Queue, ...] = (
    EXTRAS_COMMANDS,
    EXTRAS_PAYMENTS,
    EXTRAS_STOCK,
    PAYMENTS_COMMANDS,
    PAYMENTS_PSP,
    PSP_COMMANDS,
    EXTRAS_QUERIES,
    *(_retry_queue(tier) for tier in RETRY_LADDER),
    _dead_queue("extras.dead"),
    _dead_queue("payments.dead"),
    _dead_queue("psp.dead"),
    Queue(
        LOG,
        QueueType.STREAM,
        "every command and event, and every failure, for 7 days: for tracing and replay",
        # By copies alone. Bound to the exchange a message is sent to, the log would make a mandatory publish succeed
        # although the queue that needs the message is missing, and its confirm would wait for the log.
        bindings=(Binding(COPIES.name, "#"),),
        arguments={
            "x-max-age": f"{7 * _DAY}s",
            "x-max-length-bytes": 2_000_000_000,
            "x-stream-max-segment-size-bytes": 50_000_000,
        },
    ),
)

RETIRED_LOG_BINDINGS = tuple(Binding(exchange, "#") for exchange in (COMMANDS.name, EVENTS.name, FAILURES))
"""How older versions bound the log, which would do harm; taken away where the topology is declared."""


def _version() -> str:
    """Which topology this is: a digest of everything above. Another purpose in words is no other topology."""
    exchanges = [(exchange.name, exchange.type) for exchange in EXCHANGES]
    queues = [{**asdict(queue), "arguments": dict(queue.arguments), "purpose": ""} for queue in QUEUES]
    return hashlib.sha256(json.dumps([exchanges, queues], sort_keys=True).encode()).hexdigest()[:12]


MARKS = "topology."
"""How the names of topology marks begin."""

MARK = Queue(
    MARKS + _version(),
    QueueType.QUORUM,
    "topology mark, always empty: declared last, so where it exists everything of this version does",
    arguments={"x-delivery-limit": _NO_LIMIT},
)
"""What a service looks for instead of the queues and exchanges, which it has no right to ask for."""

EARLIER_MARKS: tuple[str, ...] = ("topology.702a4e518866",)
"""Marks of older topologies of which this one has everything: services of that version still find all they use.

`bellhop broker` keeps these marks and removes every other one.
"""


def queue_named(name: str) -> Queue:
    """Raises KeyError."""
    return {queue.name: queue for queue in QUEUES}[name]
