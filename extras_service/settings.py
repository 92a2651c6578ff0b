"""Settings of the extras service."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from chassis.settings import StoreSettings


class ExtrasSettings(StoreSettings):
    catalogue_file: Path | None = Field(default=None, description="YAML of extra definitions to load at start")
    pay_within: timedelta = Field(default=timedelta(minutes=30), description="how long an order waits for its payment")
    cancel_until: timedelta = Field(
        default=timedelta(hours=24), description="how long before the first ordered day guests may still cancel"
    )
    sweep_every: float = Field(
        default=1.0, gt=0, description="seconds between sweeps for deadlines and unsent messages"
    )
