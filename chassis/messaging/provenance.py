"""Checks whether a message may be handled on a queue, by its route and the account that sent it.

The broker checks only the routing key that a sender names: with a header CC or BCC a message reaches further queues,
past every permission. So each receiver checks too: the kind must be bound to its queue, equal the routing key, and be
allowed to the sending account, for which the broker vouches (`user_id`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from aio_pika.abc import AbstractIncomingMessage

from chassis.errors import PermanentError
from chassis.messaging.headers import ORIGIN_EXCHANGE, ORIGIN_QUEUE, ORIGIN_ROUTING_KEY, REPLAY_PLAN, text
from contracts.accounts import BY_NAME
from contracts.message import known_version
from contracts.topology import COPIES, Binding


class MisroutedMessageError(PermanentError):
    """A message is in a queue to which its sender did not send it, or could not have sent this kind."""

    def __init__(self, queue: str, reason: str) -> None:
        super().__init__(f"not handled on {queue}: {reason}")


class UntrustedSenderError(PermanentError):
    """A message was sent by an account without the right to send it, or names no account."""

    def __init__(self, kind: str, queue: str, sender: str | None) -> None:
        who = f"the account {sender!r} may not send {kind} to {queue}" if sender else f"{kind} names no sender"
        super().__init__(
            f"{who}. A login of an operator is named in BELLHOP_OPERATOR_ACCOUNTS; messages of a version that does not "
            "name its account are accepted with BELLHOP_REQUIRE_SENDER=false"
        )


@dataclass(frozen=True, slots=True)
class Trust:
    """The rights of accounts to send messages."""

    operators: frozenset[str]
    """Accounts that may send everything."""
    requires_sender: bool = True
    """Whether a message without an account is refused. Older versions named none."""

    @classmethod
    def of(cls, login: str, operators: str, *, requires_sender: bool) -> Self:
        """`login` is this process's own, `operators` a list with commas. A login that is no service's stands for all
        services: there is one for all of them.
        """
        named = {name.strip() for name in operators.split(",") if name.strip()}
        shared = set() if login in BY_NAME else {login}
        return cls(frozenset(named | shared), requires_sender)

    def may_send(self, sender: str | None, exchange: str, kind: str) -> bool:
        """Whether an account may publish this kind there."""
        if sender is None:
            return not self.requires_sender
        return sender in self.operators or (sender in BY_NAME and BY_NAME[sender].may_send(exchange, kind))

    def may_retry(self, sender: str | None, queue: str) -> bool:
        """Whether an account may publish a queue's messages to it again: the account that takes from it."""
        if sender is None:
            return not self.requires_sender
        return sender in self.operators or (sender in BY_NAME and queue in BY_NAME[sender].takes)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message's route, from the broker's delivery (which no sender can choose), and its headers."""

    kind: str
    exchange: str
    """Empty: published straight to the queue, by a retry tier or an operator's replay."""
    routing_key: str
    sender: str | None
    headers: Mapping[str, Any]

    @classmethod
    def of(cls, message: AbstractIncomingMessage) -> Self:
        return cls(
            kind=message.type or "",
            exchange=message.exchange or "",
            routing_key=message.routing_key or "",
            sender=message.user_id,
            headers=message.headers,
        )

    @property
    def original(self) -> "Arrival":
        """The message that a copy is of; any other is itself. Who may copy is who may send (contracts/accounts.py)."""
        source, kind = original_of(self.exchange, self.routing_key)
        return replace(self, exchange=source, routing_key=kind)

    @property
    def is_first(self) -> bool:
        """Whether it comes directly from its sender, not from a retry or a replay."""
        return self.exchange != ""


@dataclass(frozen=True, slots=True)
class Door:
    """Admits messages to one queue."""

    queue: str
    bindings: tuple[Binding, ...]
    trust: Trust

    def admit(self, arrival: Arrival) -> Binding:
        """The binding by which a message belongs here, now or before its retry. One that only a newer version of this
        service can read is admitted as what its newest known version would be.

        Raises MisroutedMessageError and UntrustedSenderError.
        """
        arrival = _as_known(arrival)
        fitting = [binding for binding in self.bindings if binding.routing_key == arrival.kind]
        if not fitting:
            raise MisroutedMessageError(self.queue, f"{arrival.kind} is not bound to this queue")
        return self._first(arrival, fitting) if arrival.is_first else self._again(arrival, fitting[0])

    def _first(self, arrival: Arrival, fitting: list[Binding]) -> Binding:
        if arrival.routing_key != arrival.kind:
            raise MisroutedMessageError(
                self.queue, f"its kind is {arrival.kind}, its routing key {arrival.routing_key}"
            )
        binding = next((binding for binding in fitting if binding.exchange == arrival.exchange), None)
        if binding is None:
            raise MisroutedMessageError(self.queue, f"{arrival.kind} does not come from {arrival.exchange}")
        if not self.trust.may_send(arrival.sender, binding.exchange, arrival.kind):
            raise UntrustedSenderError(arrival.kind, self.queue, arrival.sender)
        return binding

    def _again(self, arrival: Arrival, binding: Binding) -> Binding:
        if arrival.routing_key != self.queue:
            raise MisroutedMessageError(self.queue, f"it was sent with the routing key {arrival.routing_key}")
        if not self.trust.may_retry(arrival.sender, self.queue):
            raise UntrustedSenderError(arrival.kind, self.queue, arrival.sender)
        if arrival.sender in self.trust.operators and text(arrival.headers, REPLAY_PLAN):
            return binding
        origin = tuple(text(arrival.headers, name) for name in (ORIGIN_QUEUE, ORIGIN_EXCHANGE, ORIGIN_ROUTING_KEY))
        if origin != (self.queue, binding.exchange, arrival.kind):
            raise MisroutedMessageError(
                self.queue, f"it was published straight to the queue and claims to come from {origin}"
            )
        return binding


def original_of(exchange: str, routing_key: str) -> tuple[str, str]:
    """The exchange and routing key a message was sent to, also if it is a copy in the log."""
    source, _, kind = routing_key.partition(".")
    return (source, kind) if exchange == COPIES.name else (exchange, routing_key)


def _as_known(arrival: Arrival) -> Arrival:
    """The kind in the newest version known here."""
    newer, known = arrival.kind, known_version(arrival.kind)
    came_as = arrival.routing_key if arrival.is_first else arrival.headers.get(ORIGIN_ROUTING_KEY)
    if known is None or known == newer or came_as != newer:
        return arrival
    if arrival.is_first:
        return replace(arrival, kind=known, routing_key=known)
    return replace(arrival, kind=known, headers={**arrival.headers, ORIGIN_ROUTING_KEY: known})
