"""Given: mails in each status, and what a mail about an order is written from."""

from datetime import timedelta

from contracts.mail import OrderDescribed
from contracts.order_receipts import Receipt
from contracts.properties import PropertyDefinition
from extras_service.order.replies import order_reply
from extras_service.order.state import Order
from notifications.mail.decide import Terms
from notifications.mail.state import Mail, MailStatus, Template, WantedMail
from tests.support import orders as given
from tests.support.receipts import issued

TERMS = Terms(is_on=True)
HOTEL = PropertyDefinition(
    name={"en": "Alpenhof", "de": "Alpenhof am See"},
    time_zone="Europe/Vienna",
    languages=("de", "en"),
    address="Dorfstraße 1\n6020 Innsbruck",
    contact_email="info@alpenhof.example",
    contact_phone="+43 512 0000",
)


def wanted(template: Template = Template.CONFIRMED, about: str = "") -> WantedMail:
    guest = given.guest()
    return WantedMail(
        template=template,
        order_id=given.ORDER_ID,
        property_id=guest.property_id,
        guest_id=guest.guest_id,
        about=about,
    )


def mail(status: MailStatus, round_: int = 1) -> Mail:
    about = wanted()
    deadlines = {
        MailStatus.DUE: given.NOW + TERMS.max_age,
        MailStatus.SENDING: given.NOW + timedelta(minutes=5),
    }
    return Mail(
        mail_id=about.mail_id,
        order_id=about.order_id,
        wanted=about,
        status=status,
        created_at=given.NOW,
        since=given.NOW,
        round=round_,
        due_at=deadlines.get(status),
        cause="a cause" if status in (MailStatus.DROPPED, MailStatus.PARKED, MailStatus.UNKNOWN) else "",
        sent_at=given.NOW if status is MailStatus.SENT else None,
    )


def described(
    order: Order, hotel: PropertyDefinition | None = HOTEL, receipts: tuple[Receipt, ...] | None = None
) -> OrderDescribed:
    """As the extras service describes it."""
    known = issued(order) if receipts is None else receipts
    return OrderDescribed(order=order_reply(order, for_staff=True).order, receipts=known, hotel=hotel)
