"""The e-mail's table of decisions. Pure.

A mail is marked before its text leaves. If the answer to it is lost, it may have been sent, and only a person sends it
again: SMTP has no idempotency key.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from chassis.decision import Applied, Decision, Ignored, Refused, Stale
from contracts.mail import SendMail, SendMailAgain, SettleMail
from notifications.mail.inputs import Answer, Answered, DeadlinePassed, MailInput, MailWanted, NotWanted, SendingBegun
from notifications.mail.state import Mail, MailStatus

SENDING_AT_MOST = timedelta(minutes=5)
"""Then the process that was sending is gone. Longer than a mail server may take for a text."""

_UNKNOWN = Ignored("no such mail is known here")
_EARLIER = Stale("of an earlier round")
_FORGOTTEN = Ignored("too old: it may have been mailed and deleted by age since, nothing is sent")


@dataclass(frozen=True, slots=True)
class Terms:
    """Settings that decisions depend on."""

    is_on: bool = False
    """Whether there is a mail server."""
    max_age: timedelta = timedelta(hours=24)
    """News that are older are not sent."""
    not_before: datetime | None = None
    """News from before that are not sent: the store was restored then, and does not know what has been."""
    sender: str = ""
    """The sender's address, for previews."""
    keep_for: timedelta | None = None
    """How long mails that are over are known. None: for ever."""

    def why_old(self, since: datetime, now: datetime) -> str | None:
        """Why news from that time are not sent any more; None if they are."""
        if self.not_before is not None and since < self.not_before:
            return f"it would be news from before {self.not_before.isoformat()}, and may have been sent"
        return _too_old(self) if now - since > self.max_age else None


def decide(mail: Mail | None, message: MailInput, now: datetime, terms: Terms) -> Decision[Mail]:
    """Decide on `message`."""
    if isinstance(message, MailWanted):
        return _wanted(mail, message, now, terms)
    if mail is None:
        return _UNKNOWN
    match message:
        case NotWanted(round=number, reason=reason):
            return _earlier(mail, number) or _only_open(mail) or Applied(_dropped(mail, reason))
        case SendingBegun(round=number, language=language):
            return _earlier(mail, number) or _only_open(mail) or _begun(mail, language, now, terms)
        case Answered():
            return _earlier(mail, message.round) or _answered(mail, message, now, terms)
        case DeadlinePassed():
            return _overdue(mail, now, terms)
        case SendMailAgain():
            return _again(mail, now, terms)
        case SettleMail(by=by, reason=reason):
            return _settled(mail, by, reason)
        case _:
            assert_never(message)


def is_over(mail: Mail, before: datetime) -> bool:
    """Whether a mail is needed no more: sent or dropped, about news from before that time. See decision 55."""
    match mail.status:
        case MailStatus.SENT | MailStatus.DROPPED:
            return mail.since < before
        case MailStatus.DUE | MailStatus.SENDING | MailStatus.UNKNOWN | MailStatus.PARKED:
            return False
        case _:
            assert_never(mail.status)


def _wanted(mail: Mail | None, message: MailWanted, now: datetime, terms: Terms) -> Decision[Mail]:
    if mail is not None:
        return Ignored(mail.why_not or "it is due already")
    wanted = message.wanted
    at = min(message.at or now, now)
    if terms.keep_for is not None and now - at > terms.keep_for:
        return _FORGOTTEN
    new = Mail(
        mail_id=wanted.mail_id,
        order_id=wanted.order_id,
        wanted=wanted,
        status=MailStatus.DUE,
        created_at=now,
        since=at,
    )
    why_old = terms.why_old(at, now)
    return Applied(_dropped(new, why_old)) if why_old else _due(new, terms)


def _due(mail: Mail, terms: Terms) -> Applied[Mail]:
    due = mail.model_copy(update={"status": MailStatus.DUE, "due_at": mail.since + terms.max_age})
    return Applied(due, (SendMail(mail_id=mail.mail_id, order_id=mail.order_id, round=mail.round),))


def _begun(mail: Mail, language: str, now: datetime, terms: Terms) -> Decision[Mail]:
    if why_old := terms.why_old(mail.since, now):
        return Applied(_dropped(mail, why_old))
    sending = {"status": MailStatus.SENDING, "due_at": now + SENDING_AT_MOST, "language": language}
    return Applied(mail.model_copy(update=sending))


def _answered(mail: Mail, message: Answered, now: datetime, terms: Terms) -> Decision[Mail]:
    is_sending = mail.status is MailStatus.SENDING
    if is_sending and not message.is_of_text:
        return _not_sending(mail)  # another delivery of the command has marked it
    match message.answer:
        case Answer.ACCEPTED:
            if not is_sending and mail.status is not MailStatus.UNKNOWN:
                return _not_sending(mail)
            sent = {"status": MailStatus.SENT, "due_at": None, "sent_at": now, "cause": ""}
            return Applied(mail.model_copy(update=sent))
        case Answer.UNCERTAIN:
            if not is_sending:
                return _not_sending(mail)
            return Applied(_uncertain(mail, message.said))
        case Answer.REFUSED:
            if not is_sending and mail.why_not:
                return _not_sending(mail)
            return Applied(mail.model_copy(update={"status": MailStatus.PARKED, "due_at": None, "cause": message.said}))
        case Answer.DEFERRED:
            if not is_sending and mail.why_not:
                return _not_sending(mail)
            due = {"status": MailStatus.DUE, "due_at": mail.since + terms.max_age, "cause": message.said}
            return Applied(mail.model_copy(update=due))
        case _:
            assert_never(message.answer)


def _overdue(mail: Mail, now: datetime, terms: Terms) -> Decision[Mail]:
    if mail.due_at is None or now < mail.due_at:
        return Stale("not due yet")
    match mail.status:
        case MailStatus.SENDING:
            return Applied(_uncertain(mail, "the process that was sending it has not said how that ended"))
        case MailStatus.DUE:
            cause = f", the last answer was: {mail.cause}" if mail.cause else ""
            return Applied(_dropped(mail, f"{_too_old(terms)}{cause}"))
        case MailStatus.SENT | MailStatus.UNKNOWN | MailStatus.PARKED | MailStatus.DROPPED:
            return Stale("it is not waiting")
        case _:
            assert_never(mail.status)


def _again(mail: Mail, now: datetime, terms: Terms) -> Decision[Mail]:
    match mail.status:
        case MailStatus.DUE | MailStatus.SENDING:
            return Refused("mail_is_due", f"This mail is {mail.status}: it is sent without your doing.")
        case MailStatus.SENT | MailStatus.UNKNOWN | MailStatus.PARKED | MailStatus.DROPPED:
            return _due(mail.model_copy(update={"round": mail.round + 1, "since": now, "cause": ""}), terms)
        case _:
            assert_never(mail.status)


def _settled(mail: Mail, by: str, reason: str) -> Decision[Mail]:
    match mail.status:
        case MailStatus.UNKNOWN | MailStatus.PARKED:
            return Applied(_dropped(mail, f"left at that by {by}: {reason}"))
        case MailStatus.DUE | MailStatus.SENDING | MailStatus.SENT | MailStatus.DROPPED:
            return Refused("mail_is_settled", f"This mail is {mail.status}: there is nothing to settle.")
        case _:
            assert_never(mail.status)


def _earlier(mail: Mail, number: int) -> Stale | None:
    return _EARLIER if number != mail.round else None


def _only_open(mail: Mail) -> Ignored | None:
    return Ignored(mail.why_not) if mail.why_not else None


def _not_sending(mail: Mail) -> Stale:
    return Stale(f"it is {mail.status}")


def _dropped(mail: Mail, reason: str) -> Mail:
    return mail.model_copy(update={"status": MailStatus.DROPPED, "due_at": None, "cause": reason})


def _uncertain(mail: Mail, cause: str) -> Mail:
    return mail.model_copy(update={"status": MailStatus.UNKNOWN, "due_at": None, "cause": cause})


def _too_old(terms: Terms) -> str:
    return f"it would be news from more than {terms.max_age.total_seconds() / 3600:g} hours ago"
