"""Settings of the webhook service."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from chassis.seal import SealKeys
from chassis.storage.retention import Retention
from chassis.storage.settings import StoreSettings
from webhooks.wiring import Terms

_DEFAULT = Terms()


class WebhookSettings(StoreSettings):
    seal_keys: SealKeys = Field(description="comma-separated Fernet keys, newest first; operators seal with them")
    webhook_timeout: float = Field(default=10.0, gt=0, le=30, description="seconds for all of an attempt")
    webhook_most_at_once: int = Field(default=4, ge=1, le=100, description="attempts under way to one subscriber")
    webhook_give_up_after: timedelta = Field(
        default=_DEFAULT.give_up_after,
        gt=timedelta(),
        description="how long a webhook is tried until it is parked, and a subscriber until it is disabled",
    )
    webhook_retention: Retention = Field(
        default=_DEFAULT.keep_for, description="how long webhooks about an order are known, all sent; none: for ever"
    )
    webhook_allow_private: bool = Field(
        default=False, description="also send to addresses inside the network, and unencrypted (http://)"
    )
    webhook_ca_file: Path | None = Field(
        default=None, description="certificates (PEM) that receivers' are checked with, instead of the system's"
    )
    reply_timeout: float = Field(default=5.0, gt=0, description="seconds to wait for an order's description")
    sweep_every: float = Field(default=1.0, gt=0, description="seconds between sweeps for webhooks that are due")

    @property
    def terms(self) -> Terms:
        return Terms(self.webhook_give_up_after, self.webhook_allow_private, self.webhook_retention)
