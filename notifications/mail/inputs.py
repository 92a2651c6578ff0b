"""The inputs of the decisions on an e-mail."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contracts.mail import SendMailAgain, SettleMail
from notifications.mail.state import WantedMail


@dataclass(frozen=True, slots=True)
class MailWanted:
    """An event asks for an e-mail. `at`: when the event was sent, if it says."""

    wanted: WantedMail
    at: datetime | None


@dataclass(frozen=True, slots=True)
class NotWanted:
    """Nothing is to be sent any more: there is no address, or the order has moved on."""

    round: int
    reason: str


@dataclass(frozen=True, slots=True)
class SendingBegun:
    """The mail server has taken sender and recipient, and gets the text next."""

    round: int
    language: str


class Answer(StrEnum):
    """What a mail server makes of an e-mail."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """For good (5xx)."""
    DEFERRED = "deferred"
    """Not now (4xx)."""
    UNCERTAIN = "uncertain"
    """It had the text, or a part of it, and no answer came."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The mail server's answer."""

    round: int
    answer: Answer
    said: str = ""
    is_of_text: bool = True
    """Whether the mail was marked for it. Else it is about the recipient, and another process may send the mail."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """A mail was due, or being sent, for too long."""


MailInput = MailWanted | NotWanted | SendingBegun | Answered | DeadlinePassed | SendMailAgain | SettleMail
