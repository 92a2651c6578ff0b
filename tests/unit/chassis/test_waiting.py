"""Gauges of what waits: there from the start, and unchanged while the store does not answer."""

from datetime import UTC, datetime, timedelta

from chassis.errors import StoreUnavailableError
from chassis.runtime.metrics import Metrics
from chassis.runtime.waiting import Waiting

NOW = datetime(2027, 2, 1, 12, tzinfo=UTC)


def _shown(metrics: Metrics) -> tuple[float | None, float | None]:
    labels = {"service": "extras-service", "what": "orders_in_review"}
    return tuple(  # type: ignore[return-value]
        metrics.registry.get_sample_value(name, labels)
        for name in ("bellhop_waiting", "bellhop_waiting_oldest_seconds")
    )


async def test_what_waits_is_shown_from_the_start_and_with_the_age_of_the_oldest() -> None:
    metrics = Metrics("extras-service")
    waiting = Waiting(metrics, clock=lambda: NOW)
    counted = (0, None), (2, NOW - timedelta(hours=3))
    counts = iter(counted)

    async def count() -> tuple[int, datetime | None]:
        return next(counts)

    waiting.watch("orders_in_review", count)
    at_start = _shown(metrics)
    [loop] = waiting.loops()
    await loop.work()
    first = _shown(metrics)
    await loop.work()

    assert (at_start, first, _shown(metrics)) == ((0, 0), (0, 0), (2, 10800))


async def test_a_gauge_keeps_its_value_while_the_store_does_not_answer() -> None:
    metrics = Metrics("extras-service")
    waiting = Waiting(metrics, clock=lambda: NOW)
    is_down = False

    async def count() -> tuple[int, datetime | None]:
        if is_down:
            raise StoreUnavailableError("counting", OSError("gone"))
        return 1, NOW - timedelta(seconds=5)

    waiting.watch("orders_in_review", count)
    [loop] = waiting.loops()
    await loop.work()
    is_down = True
    await loop.work()

    assert _shown(metrics) == (1, 5)
