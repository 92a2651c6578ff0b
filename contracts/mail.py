"""The notification service's messages: addresses of guests, and e-mail to guests and reception.

An address never travels in the clear: it is sealed, as a client secret is, so no queue, dead letter or log shows it.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from contracts.ids import GuestId, MailId, OrderId, PropertyId
from contracts.message import Command, Query, Reply
from contracts.order_receipts import Receipt
from contracts.orders import OrderView
from contracts.properties import PropertyDefinition

SealedEmail = Annotated[str, Field(max_length=1000, description="an e-mail address, sealed for gateway and mail")]
Language = Annotated[str, Field(max_length=35, description="a language tag: en, de, pt-BR")]


class ContactSource(StrEnum):
    """Whose word an address, or its absence, is."""

    TOKEN = "token"  # noqa: S105  where an address comes from
    """The claim `email` of the token with which a payment was opened."""
    GUEST = "guest"
    """The guest's own request. It outweighs every token."""
    OPERATOR = "operator"
    """An erasure, on request or by age. The next payment of the guest may bring an address again."""


class ContactCommand(Command):
    """A change of one guest's address."""

    property_id: PropertyId
    guest_id: GuestId
    source: ContactSource
    at: datetime = Field(description="when it was asked for: whatever arrives later and was asked for earlier is stale")


class KeepContact(ContactCommand):
    """An address for e-mail about a guest's orders."""

    kind: Literal["mail.keep-contact.v1"] = "mail.keep-contact.v1"
    sealed_email: SealedEmail | None = Field(default=None, description="none: erased from a stored message")
    language: Language | None = None
    stay_to: date | None = Field(default=None, description="day of departure; none: of an earlier version")


class ForgetContact(ContactCommand):
    """The guest's address is removed."""

    kind: Literal["mail.forget-contact.v1"] = "mail.forget-contact.v1"


class SendMail(Command):
    """The notification service's own: a mail is due."""

    kind: Literal["mail.send-mail.v1"] = "mail.send-mail.v1"
    mail_id: MailId
    order_id: OrderId
    round: int = Field(ge=1, description="1, and one more each time an operator has it sent again")


class MailCommand(Command):
    """An operator decides about a mail."""

    mail_id: MailId
    by: str = Field(max_length=255)
    reason: str = Field(max_length=500)


class SendMailAgain(MailCommand):
    """An operator has a mail sent, whatever became of it before."""

    kind: Literal["mail.send-mail-again.v1"] = "mail.send-mail-again.v1"


class SettleMail(MailCommand):
    """An operator knows what became of a mail that may have been sent, and wants it left at that."""

    kind: Literal["mail.settle-mail.v1"] = "mail.settle-mail.v1"


class GetContact(Query):
    kind: Literal["mail.get-contact.v1"] = "mail.get-contact.v1"
    property_id: PropertyId
    guest_id: GuestId


class ContactReply(Reply):
    kind: Literal["mail.contact-reply.v1"] = "mail.contact-reply.v1"
    sealed_email: SealedEmail | None = None
    language: Language | None = None


class DescribeOrder(Query):
    """What a mail or a webhook says: the order as staff see it, its receipts and its hotel, as they are now."""

    kind: Literal["mail.describe-order.v1"] = "mail.describe-order.v1"
    order_id: OrderId
    property_id: PropertyId


class OrderDescribed(Reply):
    kind: Literal["mail.order-described.v1"] = "mail.order-described.v1"
    order: OrderView
    receipts: tuple[Receipt, ...] = Field(description="by their numbers, the lowest first")
    hotel: PropertyDefinition | None = Field(description="none: the property is not defined")
    order_version: int | None = Field(
        default=None, description="one more with each change of the order; none from older services"
    )
