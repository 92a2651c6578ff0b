"""The bus as plain data: exchanges, queues and bindings. Declared by the chassis, printed by `bellhop topology`."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from contracts import (
    approvals,
    catalogue,
    closing,
    deliveries,
    desk,
    erasure,
    mail,
    order_receipts,
    orders,
    payments,
    pictures,
    properties,
    psp,
    services,
)
from contracts.message import Message
from contracts.upcasting import with_older


class ExchangeType(StrEnum):
    TOPIC = "topic"


class QueueType(StrEnum):
    QUORUM = "quorum"
    STREAM = "stream"


class QueueRole(StrEnum):
    """The purpose of a queue, as operators see it."""

    WORK = "work"
    """Commands and events: retried, then dead-lettered."""
    READS = "reads"
    """Queries: their requester asks again."""
    RETRY = "retry"
    DEAD = "dead"
    LOG = "log"
    MARK = "mark"


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
    role: QueueRole
    purpose: str
    owner: str = ""
    """The service that consumes it, or whose dead letters it holds; empty if it belongs to all."""
    dead_queue: str | None = None
    """Where its messages end that cannot be handled; None if they are dropped."""
    durable: bool = True
    bindings: tuple[Binding, ...] = ()
    arguments: Mapping[str, str | int] = field(default_factory=dict)


COMMANDS = Exchange("commands", ExchangeType.TOPIC, "commands to one receiver each, which may refuse them")
EVENTS = Exchange("events", ExchangeType.TOPIC, "events, for all subscribers")
QUERIES = Exchange("queries", ExchangeType.TOPIC, "queries to one receiver each")
REPLIES = Exchange("replies", ExchangeType.TOPIC, "replies, to the queue in their routing key")
DEAD = Exchange("dead", ExchangeType.TOPIC, "dead letters, waiting for an operator")
COPIES = Exchange(
    "copies", ExchangeType.TOPIC, "copies of sent messages and of failures, for the message log; best effort"
)

FAILURES = "failures"
"""The source of the copy of a failure; for any other copy it is the exchange the message was sent to."""
LOG = "log"


def copy_key(source: str, kind: str) -> str:
    """The routing key of a copy, so that topic permissions limit which kinds a service can write to the log."""
    return f"{source}.{kind}"


# A quorum queue that dead-letters at most once loses messages; at-least-once needs reject-publish
# (https://www.rabbitmq.com/docs/quorum-queues#activating-at-least-once-dead-lettering).
_AT_LEAST_ONCE: Mapping[str, str | int] = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}

# How often the broker delivers a message whose consumer dies before settling it, before it is dead-lettered.
# RabbitMQ 4 defaults to 20 and then drops; 3.10 to no limit. Stated here so that both dead-letter at the same count.
_DELIVERY_LIMIT = 20

# For queues whose messages the broker must never drop: reading one counts as a delivery, too. Every RabbitMQ accepts
# this number; only newer ones accept -1 for no limit.
_NO_LIMIT = 2_000_000_000

_DAY = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class RetryTier:
    """A delay: a message published to it returns to the queue in its routing key after `seconds`."""

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
    """One per kind; older versions stay bound, for senders before an update or after a roll-back."""
    kinds = (kind for message_type in types for kind in with_older(message_type.wire_kind()))
    return tuple(Binding(exchange.name, kind) for kind in kinds)


_DEAD_QUEUES = {
    services.EXTRAS: "extras.dead",
    services.PAYMENTS: "payments.dead",
    services.ADAPTER: "psp.dead",
    services.NOTIFICATIONS: "mail.dead",
    services.WEBHOOKS: "hooks.dead",
}
"""By service."""


def _work_queue(name: str, owner: str, purpose: str, bindings: tuple[Binding, ...]) -> Queue:
    dead_queue = _DEAD_QUEUES[owner]
    arguments = {
        **_AT_LEAST_ONCE,
        "x-dead-letter-exchange": DEAD.name,
        "x-dead-letter-routing-key": dead_queue,
        "x-delivery-limit": _DELIVERY_LIMIT,
    }
    return Queue(
        name, QueueType.QUORUM, QueueRole.WORK, purpose, owner, dead_queue, bindings=bindings, arguments=arguments
    )


def _dead_queue(owner: str, name: str) -> Queue:
    return Queue(
        name,
        QueueType.QUORUM,
        QueueRole.DEAD,
        "dead letters of one service",
        owner,
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
    purpose = f"returns messages after {tier.seconds} s"
    return Queue(
        tier.name, QueueType.QUORUM, QueueRole.RETRY, purpose, bindings=(Binding(tier.name, "#"),), arguments=arguments
    )


EXTRAS_COMMANDS = _work_queue(
    "extras.commands",
    services.EXTRAS,
    "commands to the extras service",
    _kinds(
        COMMANDS,
        orders.PlaceOrder,
        orders.StartPayment,
        orders.CancelOrder,
        approvals.ApproveOrder,
        approvals.DeclineOrder,
        orders.FulfilOrder,
        orders.FulfilLines,
        orders.RefundOrder,
        orders.RetryRefund,
        orders.SettleRefundOutside,
        orders.ResolveReview,
        erasure.EraseOrder,
        catalogue.DefineExtra,
        catalogue.ChangeExtra,
        catalogue.RetireExtra,
        catalogue.ReorderExtras,
        properties.DefineProperty,
        properties.ChangeProperty,
    ),
)
EXTRAS_PAYMENTS = _work_queue(
    "extras.payments",
    services.EXTRAS,
    "payment events for the order saga",
    _kinds(
        EVENTS,
        payments.PaymentSessionCreated,
        payments.PaymentSessionFailed,
        payments.PaymentInstructionsIssued,
        payments.PaymentProcessing,
        payments.PaymentFailed,
        payments.PaymentAuthorised,
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
    services.EXTRAS,
    "closed orders, whose places are released, and erased ones, whose places forget the guest",
    _kinds(EVENTS, orders.OrderExpired, orders.OrderCancelled, approvals.OrderDeclined, erasure.OrderErased),
)
EXTRAS_RECEIPTS = _work_queue(
    "extras.receipts",
    services.EXTRAS,
    "issued receipts, filed with their orders",
    _kinds(EVENTS, order_receipts.ReceiptIssued),
)


def _reads_queue(name: str, owner: str, *queries: type[Message]) -> Queue:
    # Nothing in it is worth keeping, but a classic queue is lost with its node, and a gateway needs it for every query.
    return Queue(
        name,
        QueueType.QUORUM,
        QueueRole.READS,
        "queries, with a time to live; loss is acceptable",
        owner,
        bindings=_kinds(QUERIES, *queries),
        arguments={"x-delivery-limit": _NO_LIMIT},
    )


EXTRAS_QUERIES = _reads_queue(
    "extras.queries",
    services.EXTRAS,
    orders.ListExtras,
    orders.GetOrder,
    orders.ListOrders,
    desk.ListPropertyOrders,
    desk.GetDaySheet,
    order_receipts.GetReceipts,
    catalogue.ListCatalogue,
    catalogue.CheckExtra,
    properties.GetProperty,
    pictures.FindPicture,
    pictures.StorePicture,
    pictures.GetPicture,
    properties.CheckProperty,
    closing.ListClosingOrders,
    mail.DescribeOrder,
)
PAYMENTS_QUERIES = _reads_queue("payments.queries", services.PAYMENTS, closing.ListClosingPayments)
PSP_QUERIES = _reads_queue("psp.queries", services.ADAPTER, closing.ListPspTransactions, closing.NamePspOrders)
MAIL_QUERIES = _reads_queue("mail.queries", services.NOTIFICATIONS, mail.GetContact)
WEBHOOK_QUERIES = _reads_queue("hooks.queries", services.WEBHOOKS, deliveries.ListPropertyWebhooks)
READS = (EXTRAS_QUERIES, PAYMENTS_QUERIES, PSP_QUERIES, MAIL_QUERIES, WEBHOOK_QUERIES)
PAYMENTS_COMMANDS = _work_queue(
    "payments.commands",
    services.PAYMENTS,
    "commands to the payment service",
    _kinds(
        COMMANDS,
        payments.CreatePaymentSession,
        payments.CapturePayment,
        payments.ClosePaymentSession,
        payments.RefundPayment,
        erasure.ErasePayment,
    ),
)
PAYMENTS_PSP = _work_queue(
    "payments.psp",
    services.PAYMENTS,
    "PSP events for the payment service",
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
    services.ADAPTER,
    "commands to the PSP adapter",
    _kinds(
        COMMANDS,
        psp.CreatePspSession,
        psp.CapturePspSession,
        psp.ClosePspSession,
        psp.RetrievePspSession,
        psp.CreatePspRefund,
        psp.SweepPspEvents,
        psp.TranslatePspEvent,
    ),
)
_OF_CONCERN = (
    order_receipts.ReceiptIssued,
    orders.OrderCancelled,
    approvals.OrderDeclined,
    approvals.OrderApprovalNeeded,
    orders.OrderNeedsReview,
    orders.OrderRefundFailed,
)
"""Events that people get an e-mail about, and other systems a webhook."""

MAIL_COMMANDS = _work_queue(
    "mail.commands",
    services.NOTIFICATIONS,
    "guests' addresses, and what operators decide about mails",
    _kinds(COMMANDS, mail.KeepContact, mail.ForgetContact, mail.SendMailAgain, mail.SettleMail),
)
MAIL_EVENTS = _work_queue(
    "mail.events",
    services.NOTIFICATIONS,
    "events that people get an e-mail about",
    _kinds(EVENTS, *_OF_CONCERN),
)
MAIL_SENDING = _work_queue(
    "mail.sending",
    services.NOTIFICATIONS,
    "mails that are due; waits while the mail server is unavailable",
    _kinds(COMMANDS, mail.SendMail),
)
# Not named after the service: its account may declare queues of its own name, for replies.
WEBHOOK_EVENTS = _work_queue(
    "hooks.events",
    services.WEBHOOKS,
    "events that other systems hear of, and orders that have forgotten their guest",
    _kinds(
        EVENTS,
        *_OF_CONCERN,
        orders.OrderFulfilled,
        orders.OrderLinesFulfilled,
        orders.OrderPaymentChanged,
        erasure.OrderErased,
    ),
)

_ONLY_LOGGED = frozenset(
    message_type.wire_kind()
    for message_type in (
        catalogue.ExtraDefined,
        catalogue.ExtraChanged,
        catalogue.ExtraRetired,
        catalogue.ExtraMoved,
        properties.PropertyDefined,
        properties.PropertyChanged,
    )
)
"""Events that neither a service, nor a guest, nor the desk follows: only the message log has them."""

_FOLLOWED_LIVE = frozenset(
    message_type.wire_kind()
    for message_type in (
        orders.OrderPendingPayment,
        approvals.OrderApproved,
        orders.OrderConfirmed,
    )
)

EVENTS_WITHOUT_FOLLOWER = _FOLLOWED_LIVE | _ONLY_LOGGED
"""Events without a durable queue, by design: at most a running gateway follows them. All others must be routed."""

LIVE_KINDS = (
    *(Binding(EVENTS.name, kind) for kind in sorted(_FOLLOWED_LIVE)),
    # By their copies: a gateway's queue at `events` would make the broker accept them as routed although the binding of
    # the service that needs them is missing.
    *(
        Binding(COPIES.name, copy_key(EVENTS.name, message_type.wire_kind()))
        for message_type in (
            orders.OrderExpired,
            orders.OrderCancelled,
            approvals.OrderDeclined,
            approvals.OrderApprovalNeeded,
            orders.OrderNeedsReview,
            orders.OrderRefundFailed,
            orders.OrderFulfilled,
            orders.OrderLinesFulfilled,
            orders.OrderPaymentChanged,
            payments.PaymentProcessing,
            payments.PaymentFailed,
        )
    ),
)
"""The events a gateway follows for its live streams, over an exclusive queue that ends with its connection."""

EXCHANGES: tuple[Exchange, ...] = (
    COMMANDS,
    EVENTS,
    QUERIES,
    REPLIES,
    DEAD,
    COPIES,
    # Topic, so that the broker's topic permissions can limit the queues a service may send a retry to.
    *(Exchange(tier.name, ExchangeType.TOPIC, f"delays a retry by {tier.seconds} s") for tier in RETRY_LADDER),
)

QUEUES: tuple[Queue, ...] = (
    EXTRAS_COMMANDS,
    EXTRAS_PAYMENTS,
    EXTRAS_STOCK,
    EXTRAS_RECEIPTS,
    PAYMENTS_COMMANDS,
    PAYMENTS_PSP,
    PSP_COMMANDS,
    MAIL_COMMANDS,
    MAIL_EVENTS,
    MAIL_SENDING,
    WEBHOOK_EVENTS,
    *READS,
    *(_retry_queue(tier) for tier in RETRY_LADDER),
    *(_dead_queue(owner, name) for owner, name in _DEAD_QUEUES.items()),
    Queue(
        LOG,
        QueueType.STREAM,
        QueueRole.LOG,
        "every command and event, and every failure, for 7 days: for tracing and replay",
        # By copies only. Bound to the exchange a message is sent to, the log would make a mandatory publish succeed
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
"""Bindings of the log in older versions. They would do harm and are removed when the topology is declared."""


def _version() -> str:
    """The identity of this topology: a digest of everything above that is declared at the broker."""
    exchanges = [(exchange.name, exchange.type) for exchange in EXCHANGES]
    queues = [
        {
            "name": queue.name,
            "type": queue.type,
            "purpose": "",
            "durable": queue.durable,
            "bindings": [asdict(binding) for binding in queue.bindings],
            "arguments": dict(queue.arguments),
        }
        for queue in QUEUES
    ]
    return hashlib.sha256(json.dumps([exchanges, queues], sort_keys=True).encode()).hexdigest()[:12]


MARKS = "topology."
"""The name prefix of topology marks."""

MARK = Queue(
    MARKS + _version(),
    QueueType.QUORUM,
    QueueRole.MARK,
    "topology mark, always empty: declared last, so its existence proves that of everything in this version",
    arguments={"x-delivery-limit": _NO_LIMIT},
)
"""The object a service verifies instead of queues and exchanges on which it has no rights."""

EARLIER_MARKS: tuple[str, ...] = (
    "topology.e228052eab8f",
    "topology.f309c1e52bcb",
    "topology.b9da468d357c",
    "topology.a7107e197d16",
    "topology.702a4e518866",
    "topology.db8d2e7668e3",
    "topology.50c510ee9782",
    "topology.8398be4ea3af",
    "topology.18fca521e9ba",
    "topology.204e621cfcee",
    "topology.9321311596cb",
    "topology.ff1ae157c9a0",
    "topology.9c7e45b87021",
)
"""Marks of older topologies that this one contains: services of those versions still find all they use.

`bellhop broker` keeps these marks and removes every other one.
"""


def queue_named(name: str) -> Queue:
    """Raises KeyError."""
    return {queue.name: queue for queue in QUEUES}[name]
