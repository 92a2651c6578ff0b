"""Headers for people who trace an order: the HTTP request, PSP event or PSP calls behind a message.

Their format is written and read here only. They are not kept in an outbox, and hold no secret.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum

HTTP, PSP = "http", "psp"
NAMES = frozenset({HTTP, PSP})

SHOWN_CALLS = 4
"""How many calls a header shows: the newest. Calls that need more pages never come from a guest request."""

_NOT_ANSWERED = "not answered"
_CALL = re.compile(r"(?P<clock>\d\d:\d\d:\d\d\.\d{3}) (?P<what>.+)")


class CameBy(StrEnum):
    """How an event of the PSP arrived."""

    WEBHOOK = "webhook"
    SWEPT = "swept"
    """Read from the PSP's list by the backfill."""
    FETCHED = "fetched"
    """Read by its id, for a command."""


@dataclass(frozen=True, slots=True)
class PspCall:
    """One HTTP request to the PSP. `status` is None if it was not answered."""

    began: datetime
    method: str
    path: str
    status: int | None
    milliseconds: int
    subject: str | None = None
    """The id of the answered object."""

    def __str__(self) -> str:
        answered = _NOT_ANSWERED if self.status is None else str(self.status)
        named = f", {self.subject}" if self.subject and self.subject not in self.path else ""
        clock = self.began.strftime("%H:%M:%S.%f")[:-3]
        return f"{clock} {self.method} {self.path} {answered} in {self.milliseconds} ms{named}"


@dataclass(frozen=True, slots=True)
class ShownCall:
    """A call as its header shows it."""

    clock: time
    """UTC, without a date."""
    what: str
    is_answered: bool


def http_request(method: str, path: str) -> dict[str, str]:
    """The header of a message that an HTTP request led to."""
    return {HTTP: f"{method} {path}"}


def psp_event(came_by: CameBy, event_id: str, event_type: str) -> dict[str, str]:
    """The header of a message that an event of the PSP led to."""
    return {PSP: f"{came_by} {event_id} {event_type}"}


def psp_calls(calls: Sequence[PspCall]) -> dict[str, str]:
    """The header of a message that calls to the PSP led to; empty if there were none."""
    return {PSP: "; ".join(str(call) for call in calls[-SHOWN_CALLS:])} if calls else {}


def is_psp_event(header: str) -> bool:
    """Whether the header names an event that the PSP sent or listed, and no calls."""
    return header.startswith((f"{CameBy.WEBHOOK} ", f"{CameBy.SWEPT} "))


def shown_calls(header: str) -> list[ShownCall]:
    """The calls that the header names; anything else in it is skipped."""
    found = (_CALL.fullmatch(call) for call in header.split("; "))
    return [
        ShownCall(time.fromisoformat(call["clock"]), call["what"], f" {_NOT_ANSWERED} " not in call["what"])
        for call in found
        if call is not None
    ]
