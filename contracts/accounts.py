"""Rights on the bus: one account at the broker per service, as plain data derived from the topology.

A service may send its own kinds and consume its own queues, nothing else. It may declare only exclusive queues. The
default exchange leads to every queue, so no service may use it. docs/decisions/0008-a-broker-user-per-service.md says
why.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from contracts import approvals, catalogue, erasure, mail, order_receipts, orders, payments, properties, psp, services
from contracts.message import Event, Message
from contracts.topology import (
    COMMANDS,
    COPIES,
    DEAD,
    EVENTS,
    EXCHANGES,
    EXTRAS_COMMANDS,
    FAILURES,
    LIVE_KINDS,
    MAIL_COMMANDS,
    MAIL_SENDING,
    MARKS,
    PAYMENTS_COMMANDS,
    PSP_COMMANDS,
    QUERIES,
    QUEUES,
    READS,
    REPLIES,
    RETRY_LADDER,
    Binding,
    QueueRole,
    copy_key,
)
from contracts.upcasting import with_older

_REPLY_QUEUE = re.compile(r"(?P<account>[a-z-]{1,64})\.replies\.[0-9a-z]{1,64}")

NOTHING = "^$"
ANYTHING = ".*"

OPERATOR = "bellhop"
"""The account of the `bellhop` command and of operators: it has all rights."""


BY_OPERATORS_ALONE = frozenset(kind.wire_kind() for kind in (erasure.EraseOrder, mail.SendMailAgain, mail.SettleMail))
"""Commands that no service sends: what faces the internet can neither erase nor have e-mail sent again."""


@dataclass(frozen=True, slots=True)
class Rights:
    """RabbitMQ's three permissions, each a regular expression over names (or over routing keys)."""

    configure: str = NOTHING
    write: str = NOTHING
    read: str = NOTHING


@dataclass(frozen=True, slots=True)
class Account:
    """A service's account at the broker."""

    name: str
    takes: tuple[str, ...] = ()
    """Queues it consumes."""
    sends: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Exchanges it publishes to, with the permitted routing keys; an empty list permits all."""
    follows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Exchanges it may bind its exclusive queues to, with the permitted routing keys; an empty list permits all."""
    counts: tuple[str, ...] = ()
    """Queues whose depth it may read without consuming them. RabbitMQ 4.3 requires some right on the queue for that;
    `write` allows the least: without the right to read an exchange, nothing can be bound."""

    def may_send(self, exchange: str, routing_key: str) -> bool:
        """Whether it may publish to the exchange with this key."""
        keys = self.sends.get(exchange)
        if keys is None:
            return False
        return not keys or any(
            routing_key.startswith(key[:-1]) if key.endswith("%") else routing_key == key for key in keys
        )

    @property
    def publishes(self) -> Mapping[str, tuple[str, ...]]:
        """Everything it may publish: its messages, and copies of them and of its failures for the message log."""
        sources = (COMMANDS.name, EVENTS.name)
        sent = (copy_key(source, kind) for source in sources for kind in self.sends.get(source, ()))
        failed = (copy_key(FAILURES, "%"),) if self.takes else ()
        return {**self.sends, COPIES.name: (*sent, *failed, copy_key("log", "%"))}

    @property
    def has_own_queues(self) -> bool:
        return bool(self.follows)

    @property
    def rights(self) -> Rights:
        """Its permissions on queues and exchanges. Binding requires write on the queue and read on the exchange."""
        own = (own_queue(self.name, "") + "%",) if self.has_own_queues else ()
        return Rights(
            configure=one_of(own),
            write=one_of((*self.publishes, *self.counts, *own)),
            read=one_of((*self.takes, *self.follows, *own, MARKS + "%")),
        )

    @property
    def routing_keys(self) -> Mapping[str, Rights]:
        """RabbitMQ's topic permissions: the routing keys it may write to, and read from, each exchange.

        Every exchange is listed: where RabbitMQ has no entry, all keys are allowed.
        """
        return {
            exchange: Rights(
                write=_keys(self.publishes, exchange),
                read=_keys(self.follows, exchange),
            )
            for exchange in (exchange.name for exchange in EXCHANGES)
        }


def own_queue(account: str, purpose: str) -> str:
    """The name prefix of exclusive queues that a process declares."""
    return f"{account}.{purpose}"


def may_receive_replies(address: str, sender: str | None = None) -> bool:
    """Whether a request's reply address is a reply queue of an account that may have one.

    `sender` is the account that sent the request, validated by the broker. A service's account is answered only at its
    own queues; any other account (an operator's, or one that all services share) at all of them.
    """
    named = _REPLY_QUEUE.fullmatch(address)
    owner = next((account for account in ACCOUNTS if named and account.name == named["account"]), None)
    if owner is None or REPLIES.name not in owner.follows:
        return False
    return sender == owner.name or all(sender != account.name for account in ACCOUNTS)


def one_of(names: Iterable[str]) -> str:
    """A regular expression for exactly these names; a trailing `%` matches any suffix."""
    patterns = [re.escape(name.removesuffix("%")) + (".+" if name.endswith("%") else "") for name in names]
    return f"^({'|'.join(patterns)})$" if patterns else NOTHING


def _keys(allowed: Mapping[str, tuple[str, ...]], exchange: str) -> str:
    if exchange not in allowed:
        return NOTHING
    return one_of(allowed[exchange]) if allowed[exchange] else ANYTHING


def _bound(bindings: Iterable[Binding], exchange: str) -> tuple[str, ...]:
    return tuple(binding.routing_key for binding in bindings if binding.exchange == exchange)


def _events_of(room: str) -> tuple[str, ...]:
    """The events of a service's contract, in all versions; only that service may publish them."""
    events = (kind for kind, message in Message.kinds.items() if issubclass(message, Event))
    newest = sorted(kind for kind in events if Message.kinds[kind].__module__ == room)
    return tuple(version for kind in newest for version in with_older(kind))


def _queues(owner: str, *roles: QueueRole) -> tuple[str, ...]:
    return tuple(queue.name for queue in QUEUES if queue.owner == owner and queue.role in roles)


def _taken(owner: str) -> tuple[str, ...]:
    return _queues(owner, QueueRole.WORK, QueueRole.READS)


def _failing(owner: str) -> Mapping[str, tuple[str, ...]]:
    """Rights a consumer needs to retry and dead-letter its own messages.

    A message in a retry queue returns to the queue in its routing key. Without this limit, an account with the right
    to retry could reach any queue.
    """
    work = _queues(owner, QueueRole.WORK)
    return {**{tier.name: work for tier in RETRY_LADDER}, DEAD.name: _queues(owner, QueueRole.DEAD)}


_DESCRIBING = with_older(mail.DescribeOrder.wire_kind())
"""The queries of the notification and the webhook service; all others are the gateway's."""
_FOLLOWED_BEFORE = tuple(
    message_type.wire_kind()
    for message_type in (
        approvals.OrderApprovalNeeded,
        orders.OrderNeedsReview,
        orders.OrderRefundFailed,
        orders.OrderFulfilled,
        orders.OrderLinesFulfilled,
        orders.OrderPaymentChanged,
    )
)
"""Events that gateways of older versions follow where they are sent, and newer ones by their copies."""

GATEWAY = Account(
    services.GATEWAY,
    sends={
        COMMANDS.name: tuple(
            kind
            for queue in (EXTRAS_COMMANDS, MAIL_COMMANDS)
            for kind in _bound(queue.bindings, COMMANDS.name)
            if kind not in BY_OPERATORS_ALONE
        ),
        QUERIES.name: tuple(
            key for queue in READS for key in _bound(queue.bindings, QUERIES.name) if key not in _DESCRIBING
        ),
    },
    follows={
        EVENTS.name: (*_bound(LIVE_KINDS, EVENTS.name), *_FOLLOWED_BEFORE),
        COPIES.name: _bound(LIVE_KINDS, COPIES.name),
        REPLIES.name: (own_queue(services.GATEWAY, "replies.%"),),
    },
    counts=(EXTRAS_COMMANDS.name,),
)
EXTRAS = Account(
    services.EXTRAS,
    takes=_taken(services.EXTRAS),
    sends={
        COMMANDS.name: _bound(PAYMENTS_COMMANDS.bindings, COMMANDS.name),
        EVENTS.name: (
            *_events_of(orders.__name__),
            *_events_of(approvals.__name__),
            *_events_of(catalogue.__name__),
            *_events_of(erasure.__name__),
            *_events_of(order_receipts.__name__),
            *_events_of(properties.__name__),
        ),
        REPLIES.name: (
            own_queue(GATEWAY.name, "replies.%"),
            own_queue(services.NOTIFICATIONS, "replies.%"),
            own_queue(services.WEBHOOKS, "replies.%"),
        ),
        **_failing(services.EXTRAS),
    },
)
PAYMENTS = Account(
    services.PAYMENTS,
    takes=_taken(services.PAYMENTS),
    sends={
        COMMANDS.name: _bound(PSP_COMMANDS.bindings, COMMANDS.name),
        EVENTS.name: _events_of(payments.__name__),
        REPLIES.name: (own_queue(GATEWAY.name, "replies.%"),),
        **_failing(services.PAYMENTS),
    },
)
ADAPTER = Account(
    services.ADAPTER,
    takes=_taken(services.ADAPTER),
    sends={
        EVENTS.name: _events_of(psp.__name__),
        REPLIES.name: (own_queue(GATEWAY.name, "replies.%"),),
        **_failing(services.ADAPTER),
    },
)
NOTIFICATIONS = Account(
    services.NOTIFICATIONS,
    takes=_taken(services.NOTIFICATIONS),
    sends={
        COMMANDS.name: _bound(MAIL_SENDING.bindings, COMMANDS.name),
        QUERIES.name: _DESCRIBING,
        REPLIES.name: (own_queue(GATEWAY.name, "replies.%"),),
        **_failing(services.NOTIFICATIONS),
    },
    follows={REPLIES.name: (own_queue(services.NOTIFICATIONS, "replies.%"),)},
)
WEBHOOKS = Account(
    services.WEBHOOKS,
    takes=_taken(services.WEBHOOKS),
    sends={
        QUERIES.name: _DESCRIBING,
        REPLIES.name: (own_queue(GATEWAY.name, "replies.%"),),
        **_failing(services.WEBHOOKS),
    },
    follows={REPLIES.name: (own_queue(services.WEBHOOKS, "replies.%"),)},
)

ACCOUNTS: tuple[Account, ...] = (GATEWAY, EXTRAS, PAYMENTS, ADAPTER, NOTIFICATIONS, WEBHOOKS)
BY_NAME: Mapping[str, Account] = {account.name: account for account in ACCOUNTS}
