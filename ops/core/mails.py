"""E-mails as operators see them: which were sent or may have been, what one would say, and having one sent again."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from chassis.receipts.pdf import PdfPrinter
from chassis.storage.audit_log import AuditLog
from chassis.storage.running_settings import RunningSettings
from chassis.storage.store import Store
from contracts.ids import ExtraId, GuestId, MailId, OrderId, PropertyId, RefundId, ReservationId
from contracts.mail import ContactSource, MailCommand, OrderDescribed, SendMailAgain
from contracts.money import Money
from contracts.order_actions import StaffDetails
from contracts.order_receipts import Hotel, Receipt, ReceiptKind
from contracts.orders import OrderLine, OrderStatus, OrderView, PaymentStatus, RefundView
from contracts.payments import RefundStage
from contracts.properties import PropertyDefinition
from contracts.vat import VatShare, vat_of
from extras_service.collections import ExtrasStore
from extras_service.order.replies import order_described
from notifications.collections import NotificationStore
from notifications.contact.state import GuestContact
from notifications.letter.message import Letter
from notifications.letter.text import not_wanted
from notifications.mail.decide import Terms
from notifications.mail.state import Mail, MailStatus, Template, WantedMail
from notifications.wiring import SERVICE
from notifications.writing import Writer
from ops.core.target import Target

MOST = 200
"""Mails that are listed at most."""
DECIDED_WITHIN = 20.0
"""Seconds to wait until the notification service has handled a decision."""
STAND_IN = "guest@preview.invalid"
"""The recipient in a preview: a guest's address is shown to no operator."""
_NO_SENDER = "extras@preview.invalid"


class NoSuchMailError(Exception):
    """There is no such mail, or no such order."""


class NotChangedError(Exception):
    """The decision was sent, but the mail does not show it."""


async def mails_of(store: Store, *, order_id: str | None, everything: bool) -> list[Mail]:
    """Mails of an order; else those that wait for a person (`everything`: of each status), the newest first."""
    kept = NotificationStore(store)
    if order_id is not None:
        return await kept.mails_of(OrderId(order_id))
    wanted = list(MailStatus) if everything else [MailStatus.UNKNOWN, MailStatus.PARKED]
    found = [mail for status in wanted for mail in await kept.mails.newest(MOST, status=status)]
    return sorted(found, key=lambda mail: mail.created_at, reverse=True)[:MOST]


async def mail_named(store: Store, mail_id: str) -> Mail:
    """Raises NoSuchMailError."""
    stored = await NotificationStore(store).mails.load(mail_id)
    if stored is None:
        raise NoSuchMailError(f"There is no e-mail {mail_id}. `bellhop mail list --all` lists them.")
    return stored.state


async def decide(target: Target, store: Store, command: MailCommand) -> Mail:
    """Send an operator's decision, recorded in the audit log first, and return the mail after it.

    Raises NoSuchMailError and NotChangedError.
    """
    before = await mail_named(store, command.mail_id)
    action = "mail send-again" if isinstance(command, SendMailAgain) else "mail settle"
    subjects = (command.mail_id, before.order_id)
    async with AuditLog(store).recorded(action, command.by, command.reason, subjects, before.summary) as act:
        await target.send("mail", [command])
        after = await _changed(store, before)
        act.outcome = after.summary
    return after


async def _changed(store: Store, before: Mail) -> Mail:
    until = asyncio.get_running_loop().time() + DECIDED_WITHIN
    while asyncio.get_running_loop().time() < until:
        now = await mail_named(store, before.mail_id)
        if (now.round, now.status) != (before.round, before.status):
            return now
        await asyncio.sleep(0.1)
    raise NotChangedError(
        f"The decision was sent, and the e-mail is still {before.summary}. Does the notification service run, and is "
        "BELLHOP_SMTP_HOST set?"
    )


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent, or why nothing would."""

    template: Template
    letter: Letter | None
    reason: str
    """Why not."""


async def previews(
    store: Store, order_id: str | None, templates: tuple[Template, ...], language: str | None
) -> list[Preview]:
    """What mails about an order would say now; without an order, about an example. Nothing is sent or written.

    Without `templates`, those that are true now. Raises NoSuchMailError.
    """
    terms = await RunningSettings(store).read(SERVICE, Terms)
    writer = Writer(terms.sender or _NO_SENDER, PdfPrinter())
    shown = []
    for template in templates or tuple(Template):
        described = await _described(store, order_id) if order_id else example(template)
        wanted = _wanted(template, described)
        if not templates and not_wanted(wanted, described) is not None:
            continue
        contact = await _contact(store, described) if order_id else None
        reading = language or (contact.language if contact else None)
        written = await writer.letter(wanted, described, _stand_in(described, reading), language)
        shown.append(Preview(template, None, written) if isinstance(written, str) else Preview(template, written, ""))
    return shown


async def _described(store: Store, order_id: str) -> OrderDescribed:
    described = await described_in(store, order_id)
    if described is None:
        raise NoSuchMailError(f"There is no order {order_id}.")
    return described


async def described_in(store: Store, order_id: str) -> OrderDescribed | None:
    """An order as the extras service would describe it now; None: there is none."""
    extras = ExtrasStore(store)
    stored = await extras.orders.load(order_id)
    if stored is None:
        return None
    receipts = await extras.receipts.load(order_id)
    hotel = await extras.property_of(stored.state.guest.property_id)
    return order_described(stored.state, stored.version, receipts.state.receipts if receipts else (), hotel)


async def _contact(store: Store, described: OrderDescribed) -> GuestContact | None:
    return await NotificationStore(store).contact_of(described.order.property_id, described.order.guest_id)


def _stand_in(described: OrderDescribed, language: str | None) -> GuestContact:
    now = datetime.now(UTC)
    return GuestContact(
        property_id=described.order.property_id,
        guest_id=described.order.guest_id,
        email=STAND_IN,
        language=language,
        source=ContactSource.GUEST,
        created_at=now,
        asked_at=now,
    )


def _wanted(template: Template, described: OrderDescribed) -> WantedMail:
    order = described.order
    about = ""
    if template is Template.REFUNDED:
        refunds = [each for each in described.receipts if each.receipt_kind is ReceiptKind.REFUND]
        about = str(refunds[-1].sequence) if refunds else ""
    if template is Template.REFUND_FAILED:
        failed = next((each for each in order.refunds or () if each.needs_attention), None)
        about = f"{failed.refund_id}:{failed.stage}" if failed else ""
    return WantedMail(
        template=template,
        order_id=order.order_id,
        property_id=order.property_id,
        guest_id=order.guest_id,
        about=about,
    )


# An example: a template can be read before there is an order for it.

_ID = OrderId("ord_" + "example".ljust(26, "a"))
_NIGHT = Money(amount=4800, currency="EUR")
_STATUS: Mapping[Template, tuple[OrderStatus, PaymentStatus]] = {
    Template.CONFIRMED: (OrderStatus.CONFIRMED, PaymentStatus.PAID),
    Template.DECLINED: (OrderStatus.DECLINED, PaymentStatus.UNPAID),
    Template.CANCELLED: (OrderStatus.CANCELLED, PaymentStatus.PAID),
    Template.REFUNDED: (OrderStatus.CANCELLED, PaymentStatus.REFUNDED),
    Template.APPROVAL_NEEDED: (OrderStatus.AWAITING_APPROVAL, PaymentStatus.AUTHORISED),
    Template.APPROVAL_REMINDER: (OrderStatus.AWAITING_APPROVAL, PaymentStatus.AUTHORISED),
    Template.REVIEW: (OrderStatus.NEEDS_REVIEW, PaymentStatus.MISMATCHED),
    Template.REFUND_FAILED: (OrderStatus.CANCELLED, PaymentStatus.PAID),
}


def example(template: Template) -> OrderDescribed:
    """A made-up order of a made-up hotel, as the template needs it."""
    hotel = PropertyDefinition(
        name={"en": "Hotel Example", "de": "Hotel Beispiel"},
        time_zone="Europe/Vienna",
        languages=("en", "de"),
        address="Hauptplatz 1\n6020 Innsbruck",
        contact_email="reception@hotel.example",
        contact_phone="+43 512 0000",
    )
    status, payment_status = _STATUS[template]
    at = datetime(2027, 1, 20, 9, 0, tzinfo=UTC)
    failed = RefundView(
        refund_id=RefundId("ref_" + "example".ljust(26, "a")),
        amount=_NIGHT,
        stage=RefundStage.FAILED,
        reason="",
        asked_by="",
        asked_at=at,
        detail="the card is closed",
        needs_attention=True,
    )
    order = OrderView(
        order_id=_ID,
        property_id=PropertyId("example"),
        reservation_id=ReservationId("R-1001"),
        guest_id=GuestId("guest-1"),
        status=status,
        payment_status=payment_status,
        lines=(
            OrderLine(
                extra_id=ExtraId("breakfast"),
                name={"en": "Breakfast", "de": "Frühstück"},
                quantity=2,
                day=date(2027, 2, 3),
                unit_price=Money(amount=2400, currency="EUR"),
                line_total=_NIGHT,
                vat=vat_of(_NIGHT, 1000),
            ),
        ),
        total=_NIGHT,
        created_at=at,
        pay_until=None,
        approve_by=datetime(2027, 1, 26, 9, 0, tzinfo=UTC),
        declined_because="The room is needed at ten that day.",
        refunds=(failed,) if template is Template.REFUND_FAILED else (),
        staff=StaffDetails(review="the PSP received another amount"),
    )
    return OrderDescribed(order=order, receipts=tuple(_receipts(order, hotel, template)), hotel=hotel)


def _receipts(order: OrderView, hotel: PropertyDefinition, template: Template) -> Iterator[Receipt]:
    kinds = [ReceiptKind.PAYMENT] if template in (Template.CONFIRMED, Template.REFUNDED) else []
    kinds += [ReceiptKind.REFUND] if template is Template.REFUNDED else []
    for number, kind in enumerate(kinds, start=1):
        yield Receipt(
            order_id=order.order_id,
            property_id=order.property_id,
            sequence=number,
            receipt_kind=kind,
            amount=order.total,
            shares=(VatShare(line=0, gross=order.total, vat=order.lines[0].vat),),
            hotel=Hotel(name=hotel.name, address=hotel.address, time_zone=hotel.time_zone, languages=hotel.languages),
            number=number,
            issued_at=order.created_at,
        )


def mail_id(text: str) -> MailId:
    return MailId(text.strip())
