"""Request bodies of the operator's page, and filters for messages."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from chassis.messaging.envelope import utc_now
from ops.core import timespec
from ops.core.messages import WORK_QUEUES, Filter
from ops.web.problems import unreadable

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
"""Why, for the audit log."""
Text = Annotated[str, StringConstraints(max_length=300)]


class Wanted(BaseModel):
    """A filter for messages, as the options of `bellhop dead list`. Empty fields match everything."""

    model_config = ConfigDict(frozen=True)

    queue: Text = ""
    kind: Text = ""
    error: Text = ""
    order: Text = ""
    correlation: Text = ""
    since: Text = ""
    until: Text = ""

    def filter(self) -> Filter:
        """Raises ProblemError 422 for an invalid time."""
        now = utc_now()
        try:
            since, until = (timespec.parse(text, now) if text else None for text in (self.since, self.until))
        except ValueError as error:
            raise unreadable(error) from None
        return Filter(
            queue=self.queue or None,
            kind=self.kind or None,
            error=self.error or None,
            order=self.order or None,
            correlation=self.correlation or None,
            since=since,
            until=until,
        )


class PlanWanted(BaseModel):
    """Dead letters by id or by filter, or a part of the log for one queue."""

    source: Literal["dead", "log"] = "dead"
    ids: list[Text] = Field(default_factory=list)
    wanted: Wanted = Wanted()
    to: Text = Field(default="", description="with the log: the one work queue they are sent to")
    begin: Text = Field(default="first", description="with the log: where to begin")

    @model_validator(mode="after")
    def _to_a_work_queue(self) -> "PlanWanted":
        names = [queue.name for queue in WORK_QUEUES]
        if self.source == "log" and self.to not in names:
            raise ValueError(f"`to` must be one of {', '.join(names)}")
        return self


class Run(BaseModel):
    """Options of a run."""

    why: Reason
    rate: float = Field(default=10.0, ge=0.1, le=1000, description="messages per second")
    stop_after: int = Field(default=1, ge=1, description="stop when so many have failed again")
    accept_changes: bool = Field(default=False, description="also send messages whose forecast has changed")
    again: bool = Field(default=False, description="also send messages that another plan has sent")


class Pause(BaseModel):
    why: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] = ""


class Move(BaseModel):
    """Letters to discard or to restore."""

    ids: list[Text] = Field(min_length=1)
    why: Reason


class Correction(BaseModel):
    """A whole new body, or fields to set in the existing one (`amount.amount=4800`)."""

    why: Reason
    body: str | None = None
    assignments: list[str] = Field(default_factory=list)
    kind: Text | None = None
