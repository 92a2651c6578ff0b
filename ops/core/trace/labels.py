"""Labels of messages, senders and amounts in a story."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from chassis.amounts import coded
from contracts import services
from contracts.message import Message
from contracts.money import Money
from contracts.topology import QUEUES
from contracts.upcasting import newest_of
from ops.core.messages import RecordedMessage
from ops.core.trace.model import Participant

_SENDERS = {
    services.GATEWAY: Participant.GATEWAY,
    services.EXTRAS: Participant.EXTRAS,
    services.PAYMENTS: Participant.PAYMENTS,
    services.ADAPTER: Participant.ADAPTER,
    services.NOTIFICATIONS: Participant.MAIL,
    services.WEBHOOKS: Participant.WEBHOOKS,
}
_OWNERS = {queue.name: _SENDERS[queue.owner] for queue in QUEUES if queue.owner}

# Fields worth showing; sealed secrets are excluded.
_AMOUNTS = ("total", "amount", "amount_received", "refunded")
_WORDS = ("payment_status", "state", "code", "reason", "resolution", "detail", "asked", "psp_reference", "refund_id")
_LONGEST = 120


def name_of(kind: str) -> str:
    """The class name of a kind: PlaceOrder for `orders.place-order.v1`."""
    known = Message.kinds.get(newest_of(kind))
    return known.__name__ if known else kind or "a message without a kind"


def sender_of(app_id: str) -> Participant:
    if app_id.startswith("bellhop"):
        return Participant.OPERATOR
    return _SENDERS.get(app_id, Participant.UNKNOWN)


def owner_of(queue: str) -> Participant:
    """The owner of a work queue."""
    return _OWNERS.get(queue, Participant.UNKNOWN)


def summary_of(seen: RecordedMessage) -> str:
    """A message's content in a few words: amounts, codes and reasons."""
    body = seen.readable_body()
    if not isinstance(body, dict):
        return "its body does not parse"
    amounts = [money(body[name]) for name in _AMOUNTS if isinstance(body.get(name), dict)]
    words = [str(body[name]) for name in _WORDS if body.get(name) and not isinstance(body[name], dict)]
    return shortened(", ".join([*filter(None, amounts), *words]))


_MOST = 2**63  # minor units: more is not an amount


def money(amount: Any) -> str:
    """`{"amount": 4800, "currency": "EUR"}` as 48.00 EUR; empty if it is not an amount."""
    with suppress(ValidationError):
        valid = Money.model_validate(amount)
        return coded(valid) if abs(valid.amount) < _MOST else ""
    return ""


def shortened(text: str, longest: int = _LONGEST) -> str:
    """The text in one line, truncated."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def since(passed: timedelta) -> str:
    """A duration in a suitable unit: `+42 ms`, `+3.20 s`, `+31 min 0 s`, `+2 d 3 h`."""
    seconds = passed.total_seconds()
    if abs(seconds) < 1:
        return f"{seconds * 1000:+.0f} ms"
    if abs(seconds) < 60:
        return f"{seconds:+.2f} s"
    whole = int(seconds)
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"+{whole // size} {unit} {whole % size // smaller} {name}"
    return f"{seconds:+.0f} s"
