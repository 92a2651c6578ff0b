"""The story of one order: who did what, when, and because of what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Participant(StrEnum):
    """Who takes part, in the order in which a diagram shows them."""

    GUEST = "guest"
    STAFF = "staff"
    GATEWAY = "gateway"
    EXTRAS = "extras"
    PAYMENTS = "payments"
    ADAPTER = "adapter"
    STRIPE = "Stripe"
    OPERATOR = "operator"
    UNKNOWN = "unknown"
    """Who sends without saying who it is."""


class StepKind(StrEnum):
    REQUEST = "request"
    """HTTP, from a guest or from staff."""
    COMMAND = "command"
    EVENT = "event"
    CALL = "call"
    """The adapter asked the PSP, and got an answer."""
    LOST_CALL = "lost_call"
    """The adapter asked the PSP, and got none: the PSP may have done it all the same."""
    WEBHOOK = "webhook"
    """The PSP told by itself, or was found to have an event nobody had heard of."""
    TRANSITION = "transition"
    """A document changed."""
    DEADLINE = "deadline"
    """A document was called back by the clock, and changed."""
    RETRY = "retry"
    PARKING = "parking"

    @property
    def is_arrow(self) -> bool:
        """Whether it went from one to another; the rest happened within one of them."""
        return self not in (StepKind.TRANSITION, StepKind.DEADLINE, StepKind.RETRY, StepKind.PARKING)

    @property
    def is_failure(self) -> bool:
        return self in (StepKind.RETRY, StepKind.PARKING, StepKind.LOST_CALL)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened.

    `receivers` is empty for what stays within `sender`, and for an event that no queue follows. `at` is known to the
    millisecond, or else (`is_exact` false) only to the second it began in. `cause` is the number of the step it
    follows from, `depth` how many steps that is away from a beginning.
    """

    number: int
    kind: StepKind
    at: datetime
    is_exact: bool
    sender: Participant
    receivers: tuple[Participant, ...]
    what: str
    detail: str = ""
    message_kind: str = ""
    message_id: str = ""
    correlation_id: str = ""
    attempt: int = 1
    cause: int | None = None
    depth: int = 0

    @property
    def participants(self) -> tuple[Participant, ...]:
        return (self.sender, *self.receivers)


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one order, in the order in which it happened."""

    order_id: str
    payment_id: str
    summary: Mapping[str, str]
    """Where each document stands now, by its name: order, payment, stock of an extra on a day."""
    steps: tuple[Step, ...]
    actions: tuple[str, ...] = field(default=())
    """Who did what to the order, when and why, as the order remembers it: also what the log has forgotten."""
    remarks: tuple[str, ...] = field(default=())
    """What is missing from it, and why."""

    @property
    def participants(self) -> tuple[Participant, ...]:
        """Who appears in it, in a diagram's order."""
        present = {participant for step in self.steps for participant in step.participants}
        return tuple(participant for participant in Participant if participant in present)

    def as_json(self) -> dict[str, Any]:
        """For programs. Times are ISO 8601 in UTC, steps are numbered from 1, `cause` is such a number or null."""
        return {
            "order_id": self.order_id,
            "payment_id": self.payment_id,
            "standing": dict(self.summary),
            "actions": list(self.actions),
            "remarks": list(self.remarks),
            "participants": [str(participant) for participant in self.participants],
            "steps": [_step_as_json(step) for step in self.steps],
        }


def _step_as_json(step: Step) -> dict[str, Any]:
    return {
        "number": step.number,
        "kind": str(step.kind),
        "at": step.at.isoformat(timespec="milliseconds" if step.is_exact else "seconds"),
        "sender": str(step.sender),
        "receivers": [str(receiver) for receiver in step.receivers],
        "what": step.what,
        "detail": step.detail,
        "message_kind": step.message_kind,
        "message_id": step.message_id,
        "correlation_id": step.correlation_id,
        "attempt": step.attempt,
        "cause": step.cause,
        "depth": step.depth,
    }
