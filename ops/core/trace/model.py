"""The model of a story: the steps of one order with their times and causes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from chassis.runtime.tracing import trace_id_of_order


class Participant(StrEnum):
    """The participants, in the order in which a diagram shows them."""

    GUEST = "guest"
    STAFF = "staff"
    GATEWAY = "gateway"
    EXTRAS = "extras"
    PAYMENTS = "payments"
    ADAPTER = "adapter"
    STRIPE = "Stripe"
    MAIL = "mail"
    WEBHOOKS = "webhooks"
    OPERATOR = "operator"
    UNKNOWN = "unknown"
    """A sender that names no account."""


class StepKind(StrEnum):
    REQUEST = "request"
    """HTTP, from a guest or from staff."""
    COMMAND = "command"
    EVENT = "event"
    CALL = "call"
    """The adapter called the PSP, which answered."""
    LOST_CALL = "lost_call"
    """The adapter called the PSP, which did not answer: it may have carried out the call."""
    WEBHOOK = "webhook"
    """An event of the PSP, from a webhook or from the backfill."""
    TRANSITION = "transition"
    """A document changed."""
    DEADLINE = "deadline"
    """A document's deadline passed, and it changed."""
    RETRY = "retry"
    PARKING = "parking"

    @property
    def is_arrow(self) -> bool:
        """Whether it goes from one participant to another, rather than happening within one."""
        return self not in (StepKind.TRANSITION, StepKind.DEADLINE, StepKind.RETRY, StepKind.PARKING)

    @property
    def is_failure(self) -> bool:
        return self in (StepKind.RETRY, StepKind.PARKING, StepKind.LOST_CALL)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a story.

    `receivers` is empty for a step within `sender`, and for an event without a queue. `at` is exact to the millisecond
    or, with `is_exact` false, only to the second. `cause` is the number of the causing step, `depth` the number of
    steps from a beginning.
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
    """The steps of one order, in the order in which they happened."""

    order_id: str
    payment_id: str
    summary: Mapping[str, str]
    """The current summary of each document, by name: order, payment, stock of an extra on a day."""
    steps: tuple[Step, ...]
    actions: tuple[str, ...] = field(default=())
    """The actions of people on the order, from the order itself, so also those no longer in the log."""
    remarks: tuple[str, ...] = field(default=())
    """The story's gaps, with reasons."""

    @property
    def trace_id(self) -> str:
        """The id of the order's trace at a collector of spans."""
        return trace_id_of_order(self.order_id)

    @property
    def participants(self) -> tuple[Participant, ...]:
        """Its participants, in a diagram's order."""
        present = {participant for step in self.steps for participant in step.participants}
        return tuple(participant for participant in Participant if participant in present)

    def as_json(self) -> dict[str, Any]:
        """For programs. Times are ISO 8601 in UTC, steps are numbered from 1, `cause` is such a number or null."""
        return {
            "order_id": self.order_id,
            "payment_id": self.payment_id,
            "trace_id": self.trace_id,
            "summary": dict(self.summary),
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
