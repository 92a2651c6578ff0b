"""Writes a letter: the mail's template, the order as it is now, the recipient's address and language."""

from dataclasses import dataclass
from typing import assert_never

from chassis.receipts.document import document_of
from chassis.receipts.pdf import PdfPrinter
from chassis.receipts.printed import printed
from chassis.receipts.wording import language_of
from contracts.mail import OrderDescribed
from contracts.order_receipts import ReceiptsReply
from notifications.contact.state import GuestContact
from notifications.letter.message import Letter
from notifications.letter.text import not_wanted, reception_of, text_of
from notifications.mail.state import Recipient, WantedMail

NO_ADDRESS = "no e-mail address of the guest is known"
NO_RECEPTION = "the property has no contact e-mail that can be written to"


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes letters of one sender."""

    sender: str
    printer: PdfPrinter

    async def letter(
        self, wanted: WantedMail, described: OrderDescribed, contact: GuestContact | None, language: str | None = None
    ) -> Letter | str:
        """The letter, or the reason for none. `language` instead of the recipient's. Raises PrinterBusyError."""
        reason = not_wanted(wanted, described)
        if reason is not None:
            return reason
        to = self._address(wanted, described, contact)
        if to is None:
            return NO_ADDRESS if wanted.recipient is Recipient.GUEST else NO_RECEPTION
        hotel = described.hotel
        preferred = contact.language if contact and wanted.recipient is Recipient.GUEST else None
        spoken = language_of(language or preferred, "", hotel.languages if hotel else ())
        text = text_of(wanted, described, spoken)
        receipts = None
        if text.with_receipts:
            reply = ReceiptsReply(order=described.order, receipts=described.receipts)
            receipts = await self.printer.pdf_of(printed(document_of(reply), spoken))
        reply_to = reception_of(hotel) if wanted.recipient is Recipient.GUEST else None
        return Letter(wanted.mail_id, self.sender, to, text, reply_to, receipts)

    def _address(self, wanted: WantedMail, described: OrderDescribed, contact: GuestContact | None) -> str | None:
        match wanted.recipient:
            case Recipient.GUEST:
                return contact.email if contact else None
            case Recipient.RECEPTION:
                return reception_of(described.hotel)
            case _:
                assert_never(wanted.recipient)
