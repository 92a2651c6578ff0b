"""Settings of the payment service."""

from dataclasses import dataclass
from datetime import timedelta

from pydantic import AliasChoices, Field

from chassis.storage.settings import StoreSettings
from payment_service.payment.polling import DEFAULT, Polls


@dataclass(frozen=True, slots=True)
class Schedule:
    """Settings of polling and of the event backfill."""

    sweep_events_every: timedelta = timedelta(minutes=10)
    poll_interval_factor: float = 1.0
    """Factor on the polling intervals."""

    @property
    def polls(self) -> Polls:
        return DEFAULT.scaled(self.poll_interval_factor)


_DEFAULT = Schedule()


class PaymentSettings(StoreSettings):
    psp_sweep_every: timedelta = Field(
        default=_DEFAULT.sweep_events_every,
        description="how often the PSP's list of events is read for events that no webhook delivered",
    )
    poll_interval_factor: float = Field(
        default=_DEFAULT.poll_interval_factor,
        gt=0,
        validation_alias=AliasChoices("BELLHOP_POLL_INTERVAL_FACTOR", "BELLHOP_POLL_PACE"),
        description="factor on the intervals at which the PSP is polled about a payment: below 1 polls more often",
    )
    sweep_every: float = Field(default=1.0, gt=0, description="seconds between sweeps for unsent messages")

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.psp_sweep_every, self.poll_interval_factor)
