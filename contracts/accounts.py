"""Who may do what on the bus: one account at the broker per service, as plain data derived from the topology.

A service may send the kinds that are its to send, and take from the queues that are its own; nothing else. None may
declare anything but queues for itself alone. The default exchange leads into every queue, so nobody may use it.
docs/decisions/0008-a-broker-user-per-service.md says why.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from contracts import orders, payments, psp
from contracts.message import Event, Message
from contracts.topology import (
    COMMANDS,
    COPIES,
    DEAD,
    EVENTS,
    EXCHANGES,
    EXTRAS_COMMANDS,
    EXTRAS_PAYMENTS,
    EXTRAS_QUERIES,
    EXTRAS_STOCK,
    FAILURES,
    LIVE_KINDS,
    MARKS,
    PAYMENTS_COMMANDS,
    PAYMENTS_PSP,
    PSP_COMMANDS,
    QUERIES,
    REPLIES,
    RETRY_LADDER,
    Binding,
    Queue,
    copy_key,
)
from contracts.upcasting import with_older

_REPLY_QUEUE = re.compile(r"(?P<account>[a-z-]{1,64})\.replies\.[0-9a-z]{1,64}")

NOTHING = "^$"
ANYTHING = ".*"

OPERATOR = "bellhop"
"""The account of the `bellhop` command and of whoever looks after the broker: it may do everything."""


@dataclass(frozen=True, slots=True)
class Rights:
    """RabbitMQ's three permissions, each a regular expression over names (or over routing keys)."""

    configure: str = NOTHING
    write: str = NOTHING
    read: str = NOTHING


@dataclass(frozen=True, slots=True)
class Account:
    """One service at the broker."""

    name: str
    takes: tuple[str, ...] = ()
    """Queues it consumes."""
    sends: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Exchanges it publishes to, and the routing keys it may use there; none named: any."""
    follows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Exchanges it may bind queues of its own to, and with which routing keys; none named: any."""
    counts: tuple[str, ...] = ()
    """Queues whose depth it may ask for without consuming them. RabbitMQ 4.3 requires some right on the queue for that;
    `write` allows the least: without the right to read an exchange it binds nothing."""

    def may_send(self, exchange: str, routing_key: str) -> bool:
        """Whether it may publish there with this key."""
        keys = self.sends.get(exchange)
        if keys is None:
            return False
        return not keys or any(
            routing_key.startswith(key[:-1]) if key.endswith("%") else routing_key == key for key in keys
        )

    @property
    def publishes(self) -> Mapping[str, tuple[str, ...]]:
        """All it may publish: what it sends, and copies for the message log of that and of what fails with it."""
        sources = (COMMANDS.name, EVENTS.name)
        sent = (copy_key(source, kind) for source in sources for kind in self.sends.get(source, ()))
        failed = (copy_key(FAILURES, "%"),) if self.takes else ()
        return {**self.sends, COPIES.name: (*sent, *failed, copy_key("log", "%"))}

    @property
    def has_own_queues(self) -> bool:
        return bool(self.follows)

    @property
    def rights(self) -> Rights:
        """What it may do with queues and exchanges. To bind is to write to a queue and to read from an exchange."""
        own = (own_queue(self.name, "") + "%",) if self.has_own_queues else ()
        return Rights(
            configure=one_of(own),
            write=one_of((*self.publishes, *self.counts, *own)),
            read=one_of((*self.takes, *self.follows, *own, MARKS + "%")),
        )

    @property
    def routing_keys(self) -> Mapping[str, Rights]:
        """What it may say at each exchange, and hear there (RabbitMQ's topic permissions).

        For all of them: where RabbitMQ has no entry, every key is allowed.
        """
        return {
            exchange: Rights(
                write=_keys(self.publishes, exchange),
                read=_keys(self.follows, exchange),
            )
            for exchange in (exchange.name for exchange in EXCHANGES)
        }


def own_queue(account: str, purpose: str) -> str:
    """How the queues are named that a process declares for itself alone."""
    return f"{account}.{purpose}"


def may_receive_replies(address: str, sender: str | None = None) -> bool:
    """Whether a request's reply address is a reply queue of an account that may have one.

    `sender` is the account that sent the request, as the broker has validated it. One of the accounts here is answered
    at its own queues only; any other, an operator's or one that all services share, may be answered at all of them.
    """
    named = _REPLY_QUEUE.fullmatch(address)
    owner = next((account for account in ACCOUNTS if named and account.name == named["account"]), None)
    if owner is None or REPLIES.name not in owner.follows:
        return False
    return sender == owner.name or all(sender != account.name for account in ACCOUNTS)


def one_of(names: Iterable[str]) -> str:
    """A regular expression for exactly these names; `%` at the end of one stands for anything more."""
    patterns = [re.escape(name.removesuffix("%")) + (".+" if name.endswith("%") else "") for name in names]
    return f"^({'|'.join(patterns)})$" if patterns else NOTHING


def _keys(allowed: Mapping[str, tuple[str, ...]], exchange: str) -> str:
    if exchange not in allowed:
        return NOTHING
    return one_of(allowed[exchange]) if allowed[exchange] else ANYTHING


def _bound(bindings: Iterable[Binding], exchange: str) -> tuple[str, ...]:
    return tuple(binding.routing_key for binding in bindings if binding.exchange == exchange)


def _events_of(room: str) -> tuple[str, ...]:
    """The facts a room's contract tells of, in all versions; only its own service may tell them."""
    events = (kind for kind, message in Message.kinds.items() if issubclass(message, Event))
    newest = sorted(kind for kind in events if Message.kinds[kind].__module__ == room)
    return tuple(version for kind in newest for version in with_older(kind))


def _failing(dead_queue: str, *queues: Queue) -> Mapping[str, tuple[str, ...]]:
    """What a consumer needs to put messages off and to park them: its own, and nobody else's.

    A message in a retry queue comes back to the queue in its routing key. Without this limit, whoever may retry could
    reach any queue.
    """
    back = tuple(queue.name for queue in queues)
    return {**{tier.name: back for tier in RETRY_LADDER}, DEAD.name: (dead_queue,)}


GATEWAY = Account(
    "gateway",
    sends={
        COMMANDS.name: _bound(EXTRAS_COMMANDS.bindings, COMMANDS.name),
        QUERIES.name: _bound(EXTRAS_QUERIES.bindings, QUERIES.name),
    },
    follows={
        EVENTS.name: _bound(LIVE_KINDS, EVENTS.name),
        COPIES.name: _bound(LIVE_KINDS, COPIES.name),
        REPLIES.name: (own_queue("gateway", "replies.%"),),
    },
    counts=(EXTRAS_COMMANDS.name,),
)
EXTRAS = Account(
    "extras-service",
    takes=(EXTRAS_COMMANDS.name, EXTRAS_PAYMENTS.name, EXTRAS_STOCK.name, EXTRAS_QUERIES.name),
    sends={
        COMMANDS.name: _bound(PAYMENTS_COMMANDS.bindings, COMMANDS.name),
        EVENTS.name: _events_of(orders.__name__),
        REPLIES.name: (own_queue(GATEWAY.name, "replies.%"),),
        **_failing("extras.dead", EXTRAS_COMMANDS, EXTRAS_PAYMENTS, EXTRAS_STOCK),
    },
)
PAYMENTS = Account(
    "payment-service",
    takes=(PAYMENTS_COMMANDS.name, PAYMENTS_PSP.name),
    sends={
        COMMANDS.name: _bound(PSP_COMMANDS.bindings, COMMANDS.name),
        EVENTS.name: _events_of(payments.__name__),
        **_failing("payments.dead", PAYMENTS_COMMANDS, PAYMENTS_PSP),
    },
)
ADAPTER = Account(
    "psp-adapter",
    takes=(PSP_COMMANDS.name,),
    sends={EVENTS.name: _events_of(psp.__name__), **_failing("psp.dead", PSP_COMMANDS)},
)

ACCOUNTS: tuple[Account, ...] = (GATEWAY, EXTRAS, PAYMENTS, ADAPTER)
BY_NAME: Mapping[str, Account] = {account.name: account for account in ACCOUNTS}
