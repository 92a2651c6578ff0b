"""Settings of the payment service."""

from datetime import timedelta

from pydantic import Field

from chassis.runtime.settings import StoreSettings


class PaymentSettings(StoreSettings):
    psp_sweep_every: timedelta = Field(
        default=timedelta(minutes=10), description="how often the PSP's list of events is compared with what came"
    )
    poll_pace: float = Field(
        default=1.0,
        gt=0,
        description="factor on the times after which the PSP is asked about a payment again: below 1 asks more often",
    )
    sweep_every: float = Field(default=1.0, gt=0, description="seconds between sweeps for unsent messages")
