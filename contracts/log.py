"""Entries of the message log about the log itself. No service handles them; people and tools read them."""

from datetime import datetime
from typing import Literal

from contracts.message import Message


class LogOpened(Message):
    """A process began to write copies. An earlier process of the service without a LogClosed may have lost some."""

    kind: Literal["log.opened.v1"] = "log.opened.v1"
    service: str
    instance: str
    at: datetime


class LogClosed(Message):
    """A process stopped after it had written all its copies."""

    kind: Literal["log.closed.v1"] = "log.closed.v1"
    service: str
    instance: str
    at: datetime


class LogGap(Message):
    """Copies of this many messages are missing from the log, or unconfirmed. The messages themselves were delivered."""

    kind: Literal["log.gap.v1"] = "log.gap.v1"
    service: str
    instance: str
    count: int
    since: datetime
    until: datetime
