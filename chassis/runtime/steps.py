"""How long the steps last that the objectives of docs/observability.md are about."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from itertools import product
from time import perf_counter

from chassis.runtime.metrics import Metrics


class Step(StrEnum):
    ORDER_ANSWERED = "order_answered"
    """From a guest's order at the gateway to its answer. Failed: no answer in time, or turned away by an overload."""
    SESSION_OPENED = "session_opened"
    """From a guest's wish to pay to the PSP's session. Failed: no answer in time, or the PSP opened none."""
    PAYMENT_RECORDED = "payment_recorded"
    """From the payment at the PSP, by its clock, to the payment service's document. Never failed: what is missed is
    found later, and late."""
    ORDER_PAID = "order_paid"
    """From the payment at the PSP, by its clock, to the order that says so. Never failed, as the step before."""
    WEBHOOK_DELIVERED = "webhook_delivered"
    """From an event about an order to its webhook taken by the subscriber. Failed: given up."""


class Steps:
    """The steps that one service measures. Without metrics (a dry run, a test) it measures nothing."""

    def __init__(self, metrics: Metrics | None = None, *steps: Step) -> None:
        self._metrics = metrics
        for step, outcome in product(steps, ("ok", "failed")):
            if metrics is not None:
                metrics.step_seconds.labels(metrics.service, step, outcome)

    @contextmanager
    def lasting(self, step: Step, is_failure: Callable[[Exception], bool]) -> Iterator[None]:
        """While a step lasts. Other errors than failures are answers, such as a refusal. A guest who leaves counts as
        nothing."""
        began = perf_counter()
        try:
            yield
        except Exception as error:
            self._observe(step, "failed" if is_failure(error) else "ok", perf_counter() - began)
            raise
        self._observe(step, "ok", perf_counter() - began)

    def ended(self, step: Step, since: datetime, now: datetime, *, failed: bool = False) -> None:
        """A step ended whose begin was written down, perhaps by another clock that is ahead."""
        self._observe(step, "failed" if failed else "ok", max(0.0, (now - since).total_seconds()))

    def _observe(self, step: Step, outcome: str, seconds: float) -> None:
        if self._metrics is not None:
            self._metrics.step_seconds.labels(self._metrics.service, step, outcome).observe(seconds)
