"""Settings of the payment service."""

from datetime import timedelta

from pydantic import AliasChoices, Field

from chassis.runtime.settings import StoreSettings


class PaymentSettings(StoreSettings):
    psp_sweep_every: timedelta = Field(
        default=timedelta(minutes=10), description="how often the PSP's list of events is compared with what came"
    )
    poll_interval_factor: float = Field(
        default=1.0,
        gt=0,
        validation_alias=AliasChoices("BELLHOP_POLL_INTERVAL_FACTOR", "BELLHOP_POLL_PACE"),
        description="factor on the intervals at which the PSP is polled about a payment: below 1 polls more often",
    )
    sweep_every: float = Field(default=1.0, gt=0, description="seconds between sweeps for unsent messages")
