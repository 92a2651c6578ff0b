"""Fault switches: what goes wrong on purpose, by chance or for the next few times."""

import random
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field


class Fault(BaseModel):
    """Strikes the `next` N matching times, and after that with `probability`.

    `match` is part of an event type for webhooks (`payment_intent.`), of method and path for the API
    (`POST /v1/refunds`); empty matches everything.
    """

    model_config = ConfigDict(extra="forbid")

    probability: float = Field(default=0.0, ge=0, le=1)
    next: int = Field(default=0, ge=0)
    match: str = ""

    def strikes(self, subject: str, chance: Callable[[], float]) -> bool:
        if self.match not in subject:
            return False
        if self.next > 0:
            self.next -= 1
            return True
        return self.probability > 0 and chance() < self.probability


class Delay(Fault):
    seconds: float = Field(default=1.0, ge=0)


class Reorder(Fault):
    """Lets the payment's next event overtake this one, waiting for it at most `seconds`."""

    seconds: float = Field(default=1.0, ge=0)


class WebhookFaults(BaseModel):
    model_config = ConfigDict(extra="forbid")

    duplicate: Fault = Field(default_factory=Fault)
    delay: Delay = Field(default_factory=Delay)
    reorder: Reorder = Field(default_factory=Reorder)
    drop: Fault = Field(default_factory=Fault)


class ApiFaults(BaseModel):
    """`close_after_effect` is the nasty one: the call has its effect, and the answer never arrives.

    `keep_500` fails, too, and is repeated under the request's idempotency key as long as that is kept.
    `fail_401` (the key was revoked) and `fail_403` (it lacks this right) strike calls with the secret key only.
    """

    model_config = ConfigDict(extra="forbid")

    latency_ms: int = Field(default=0, ge=0)
    fail_500: Fault = Field(default_factory=Fault)
    keep_500: Fault = Field(default_factory=Fault)
    fail_429: Fault = Field(default_factory=Fault)
    fail_401: Fault = Field(default_factory=Fault)
    fail_403: Fault = Field(default_factory=Fault)
    close_after_effect: Fault = Field(default_factory=Fault)


class FaultPlan(BaseModel):
    """The body of `PUT /_sandbox/faults`; what it does not name is off. A seed makes chance repeatable."""

    model_config = ConfigDict(extra="forbid")

    webhooks: WebhookFaults = Field(default_factory=WebhookFaults)
    api: ApiFaults = Field(default_factory=ApiFaults)
    seed: int | None = None


class Faults:
    """The plan in force."""

    def __init__(self) -> None:
        self.use(FaultPlan())

    def use(self, plan: FaultPlan) -> None:
        self.plan = plan
        self.chance = random.Random(plan.seed).random  # noqa: S311 - chance for tests, not for secrets

    @property
    def webhooks(self) -> WebhookFaults:
        return self.plan.webhooks

    @property
    def api(self) -> ApiFaults:
        return self.plan.api

    def strikes(self, fault: Fault, subject: str) -> bool:
        return fault.strikes(subject, self.chance)
