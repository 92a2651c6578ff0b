"""Settings of the extras service."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from chassis.runtime.settings import EraseAfter
from chassis.storage.settings import StoreSettings
from extras_service.order.placement import Terms

_DEFAULT = Terms()


class ExtrasSettings(StoreSettings):
    catalogue_file: Path | None = Field(default=None, description="YAML of extra definitions to load at start")
    pay_within: timedelta = Field(default=_DEFAULT.pay_within, description="how long an order waits for its payment")
    cancel_until: timedelta = Field(
        default=_DEFAULT.cancel_until, description="how long before the first ordered day guests may still cancel"
    )
    max_open_orders: int = Field(
        default=_DEFAULT.max_open_orders, ge=1, description="unpaid orders that one guest may have open"
    )
    max_held_per_guest: int = Field(
        default=_DEFAULT.max_held_per_guest,
        ge=1,
        description="places of one limited extra and day that one guest's orders may have",
    )
    erase_after: EraseAfter = None
    sweep_every: float = Field(
        default=1.0, gt=0, description="seconds between sweeps for deadlines and unsent messages"
    )

    @property
    def terms(self) -> Terms:
        return Terms(self.pay_within, self.cancel_until, self.max_open_orders, self.max_held_per_guest)
