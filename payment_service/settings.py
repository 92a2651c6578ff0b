"""Settings of the payment service."""

from pydantic import Field

from chassis.settings import StoreSettings


class PaymentSettings(StoreSettings):
    sweep_every: float = Field(default=1.0, gt=0, description="seconds between sweeps for unsent messages")
