"""An e-mail as bytes: headers by the standard library, which refuses a line break in any of them. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from contracts.ids import MailId
from notifications.letter.text import Text

_POLICY = SMTP.clone(cte_type="7bit")
"""Every mail server takes it, whatever extensions it knows."""


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail, ready to be sent."""

    mail_id: MailId
    sender: str
    to: str = field(repr=False)
    text: Text = field(repr=False)
    reply_to: str | None = None
    receipts: bytes | None = field(default=None, repr=False)
    """PDF."""

    def as_bytes(self, now: datetime) -> bytes:
        """Only the date differs between two attempts, and the boundaries between the parts."""
        message = EmailMessage(policy=_POLICY)
        message["From"] = Address(self.text.sender_name, addr_spec=self.sender)
        message["To"] = Address(addr_spec=self.to)
        if self.reply_to and self.reply_to != self.to:
            message["Reply-To"] = Address(addr_spec=self.reply_to)
        message["Subject"] = self.text.subject
        message["Date"] = format_datetime(now)
        message["Message-ID"] = f"<{self.mail_id}@{self.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
        message["Content-Language"] = self.text.language
        message.set_content(self.text.plain)
        message.add_alternative(self.text.html, subtype="html")
        if self.receipts is not None:
            message.add_attachment(self.receipts, maintype="application", subtype="pdf", filename="receipt.pdf")
        return message.as_bytes()
