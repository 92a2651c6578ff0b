"""Decisions and outcomes: what a pure `decide` may return, and how every input ends."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar, assert_never

from pydantic import BaseModel, ConfigDict, Field

from contracts.message import Command, Event, Reply
from contracts.offers import Mistake


class State(BaseModel):
    """A document's frozen state."""

    model_config = ConfigDict(frozen=True)

    schema_number: ClassVar[int] = 1
    """Of this kind of document. A higher one makes older versions leave its documents alone: raise it only when they
    would do wrong. Fields that are only added need no new number: older versions keep what they do not know."""

    due_at: datetime | None = Field(
        default=None, description="when the sweeper decides on this document next; none while no deadline runs"
    )

    @property
    def needs_attention(self) -> bool:
        """Whether it waits for a person, or for money to settle. A gauge shows its age, for alerts."""
        return False

    @property
    def summary(self) -> str:
        """Short human-readable status for the history."""
        return ""


StateT = TypeVar("StateT", bound=State)


class PendingReply(BaseModel):
    """Address of a requester whose reply is due later. Kept in a document until the reply can be sent."""

    model_config = ConfigDict(frozen=True)

    reply_to: str
    correlation_id: str


@dataclass(frozen=True, slots=True)
class DeferredReply:
    """A reply to a request that arrived with an earlier message."""

    to: PendingReply
    reply: Reply


Outgoing = Command | Event | DeferredReply


@dataclass(frozen=True, slots=True)
class Applied(Generic[StateT]):
    """The message changed the state; `messages` leave with it, in this order."""

    name: ClassVar[str] = "applied"
    state: StateT
    messages: tuple[Outgoing, ...] = ()


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The message was handled before. Its consequences are sent again; the state does not change."""

    name: ClassVar[str] = "duplicate"


@dataclass(frozen=True, slots=True)
class Stale:
    """A newer message has overtaken this one."""

    name: ClassVar[str] = "stale"
    reason: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """The message has no effect in this state, for a named reason."""

    name: ClassVar[str] = "ignored"
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A command is valid but will not be carried out. `reason` is for machines, `detail` a sentence for people."""

    name: ClassVar[str] = "refused"
    reason: str
    detail: str
    mistakes: tuple[Mistake, ...] = ()
    """Where a definition is wrong."""


@dataclass(frozen=True, slots=True)
class Done:
    """The work was done, and no document remembers the message: a query answered, a PSP called, a fact passed on."""

    name: ClassVar[str] = "done"
    despite: Exception | None = None
    """The failure of a dependency that was reported rather than raised: it counts for the circuit breaker."""


Decision = Applied[StateT] | Duplicate | Stale | Ignored | Refused
"""What `decide(state, message, now)` returns."""

Outcome = Applied[StateT] | Duplicate | Stale | Ignored | Refused | Done
"""How one input ended. Logged once, counted once."""


def reason_of(outcome: Outcome[Any]) -> str | None:
    """The named reason of an outcome that has one."""
    match outcome:
        case Stale(reason=reason) | Ignored(reason=reason) | Refused(reason=reason):
            return reason
        case Applied() | Done() | Duplicate():
            return None
        case _:
            assert_never(outcome)
