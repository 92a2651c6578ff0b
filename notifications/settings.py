"""Settings of the notification service."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import AwareDatetime, Field, SecretStr, field_validator, model_validator

from chassis.runtime.settings import EraseAfter
from chassis.seal import SealKeys
from chassis.storage.retention import Retention
from chassis.storage.settings import StoreSettings
from chassis.web.receipt_emails import is_plausible
from chassis.web.token_settings import LOOPBACK
from notifications.mail.decide import Terms

_DEFAULT = Terms()


class Security(StrEnum):
    """How the connection to the mail server is encrypted."""

    STARTTLS = "starttls"
    """From the server's greeting on; a server that does not offer it is not used."""
    TLS = "tls"
    """From the first byte."""
    NONE = "none"


class NotificationSettings(StoreSettings):
    seal_keys: SealKeys = Field(description="comma-separated Fernet keys, newest first; the gateway holds the same")
    smtp_host: str = Field(default="", description="the mail server; empty: no e-mail is sent, and no address is kept")
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Security = Field(
        default=Security.STARTTLS, description="`starttls`, `tls` (from the first byte, often port 465) or `none`"
    )
    smtp_user: str = Field(default="", description="the login at the mail server; empty: none")
    smtp_password: SecretStr = SecretStr("")
    smtp_ca_file: Path | None = Field(
        default=None, description="certificates (PEM) that the mail server's is checked with, instead of the system's"
    )
    smtp_timeout: float = Field(
        default=30.0, gt=0, le=60, description="seconds to wait for each answer of the mail server"
    )
    mail_from: str = Field(default="", description="the sender's address; its name is the hotel's")
    mail_max_age: timedelta = Field(
        default=_DEFAULT.max_age, gt=timedelta(), description="news that are older are not sent any more"
    )
    mail_not_before: AwareDatetime | None = Field(
        default=None, description="news from before that time are not sent: when the store was restored"
    )
    mail_retention: Retention = Field(
        default=_DEFAULT.keep_for, description="how long mails that were sent or dropped are known; none: for ever"
    )
    erase_after: EraseAfter = None
    reply_timeout: float = Field(default=5.0, gt=0, description="seconds to wait for an order's description")
    sweep_every: float = Field(
        default=1.0, gt=0, description="seconds between sweeps for deadlines and unsent messages"
    )

    @property
    def terms(self) -> Terms:
        return Terms(
            is_on=bool(self.smtp_host),
            max_age=self.mail_max_age,
            not_before=self.mail_not_before,
            sender=self.mail_from,
            keep_for=self.mail_retention,
        )

    @field_validator("mail_from")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value and not is_plausible(value):
            raise ValueError("must be one address, such as extras@alpenhof.example")
        return value

    @model_validator(mode="after")
    def _a_mail_server_needs_a_sender_and_a_login_encryption(self) -> Self:
        if self.smtp_host and not self.mail_from:
            raise ValueError("with BELLHOP_SMTP_HOST, BELLHOP_MAIL_FROM must name the sender's address")
        if self.smtp_user and self.smtp_security is Security.NONE and self.smtp_host not in LOOPBACK:
            raise ValueError("with BELLHOP_SMTP_USER, BELLHOP_SMTP_SECURITY must not be none: anyone could read it")
        return self
