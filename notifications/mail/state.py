"""The state of an e-mail."""

import json
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from pydantic import BaseModel, ConfigDict, Field

from chassis.decision import State
from chassis.keys import short_digest
from contracts.ids import GuestId, MailId, OrderId, PropertyId


class Recipient(StrEnum):
    GUEST = "guest"
    RECEPTION = "reception"


class Template(StrEnum):
    """What an e-mail says."""

    CONFIRMED = "confirmed"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    APPROVAL_NEEDED = "approval-needed"
    APPROVAL_REMINDER = "approval-reminder"
    REVIEW = "review"
    REFUND_FAILED = "refund-failed"

    @property
    def recipient(self) -> Recipient:
        match self:
            case Template.CONFIRMED | Template.DECLINED | Template.CANCELLED | Template.REFUNDED:
                return Recipient.GUEST
            case Template.APPROVAL_NEEDED | Template.APPROVAL_REMINDER | Template.REVIEW | Template.REFUND_FAILED:
                return Recipient.RECEPTION
            case _:
                assert_never(self)


class MailStatus(StrEnum):
    DUE = "due"
    SENDING = "sending"
    """Marked before the mail server gets the text: whatever happens from here, it is not sent again by itself."""
    SENT = "sent"
    """The mail server has taken it."""
    UNKNOWN = "unknown"
    """It may have been sent: the mail server's answer was never recorded."""
    PARKED = "parked"
    """The mail server refuses it for good. Its command is a dead letter."""
    DROPPED = "dropped"
    """Not sent, and not going to be."""


class WantedMail(BaseModel):
    """What an e-mail is about. No address, no name, no text."""

    model_config = ConfigDict(frozen=True)

    template: Template
    order_id: OrderId
    property_id: PropertyId
    guest_id: GuestId | None = Field(default=None, exclude=True)
    """To see whether there is an address at all. It is not stored: an order may forget its guest."""
    about: str = ""
    """What tells it from another one of this template and order: a receipt's place, a refund, an event."""

    @property
    def recipient(self) -> Recipient:
        return self.template.recipient

    @property
    def mail_id(self) -> MailId:
        return MailId(f"mail_{short_digest(json.dumps([self.order_id, self.template, self.about]))}")


class Mail(State):
    """One e-mail."""

    mail_id: MailId
    order_id: OrderId
    """Also in `wanted`; here it is indexed."""
    wanted: WantedMail
    status: MailStatus
    created_at: datetime
    since: datetime
    """When it became due: by its event, or because an operator had it sent again."""
    round: int = 1
    language: str | None = None
    cause: str = ""
    """Why it is not sent, or what the mail server said; without addresses."""
    sent_at: datetime | None = None

    @property
    def needs_attention(self) -> bool:
        return self.status is MailStatus.UNKNOWN

    @property
    def summary(self) -> str:
        cause = f" ({self.cause})" if self.cause and self.status is not MailStatus.SENT else ""
        return f"{self.wanted.template} to {self.wanted.recipient}: {self.status}{cause}"

    @property
    def why_not(self) -> str | None:
        """Why it is not sent by itself; None if it is."""
        match self.status:
            case MailStatus.DUE | MailStatus.PARKED:
                return None
            case MailStatus.SENT:
                return "mailed already, nothing is sent"
            case MailStatus.SENDING | MailStatus.UNKNOWN:
                return "it may have been sent already, nothing is sent"
            case MailStatus.DROPPED:
                return f"nothing is sent: {self.cause}"
            case _:
                assert_never(self.status)
