"""Compares the current forecast of a message with its plan's."""

import asyncio
from collections.abc import Callable, Collection
from time import monotonic

from ops.core.dry_run import DryRun, Forecast
from ops.core.messages import RecordedMessage
from ops.core.psp_forecast import NOT_ASKED
from ops.core.replay.plans import Planned

_HANDLED_WITHIN = 10.0
"""Seconds that services have to handle earlier messages of the run about the same order."""
_LOOK_EVERY = 0.2


def is_as_planned(planned: Forecast, now: Forecast) -> bool:
    """Whether a forecast still holds. One made without the PSP holds regardless of the PSP's current answer."""
    return now == planned or (planned.detail == NOT_ASKED and now.outcome == planned.outcome)


async def forecast_now(
    dry_run: Callable[[], DryRun], item: Planned, message: RecordedMessage, sent: Collection[Planned]
) -> Forecast:
    """The current forecast of a message.

    The plan's forecast assumes the messages before it in the plan. While one of those in `sent`, about the same order,
    may not have been handled yet, this waits for the forecast to hold again, but not for a service that is down.
    """
    until = monotonic() + _HANDLED_WITHIN
    order_id = message.order_id
    waits = any(order_id is None or order_id == earlier.message.order_id for earlier in sent)
    while True:
        now = await dry_run().forecast(message, item.queue)
        if is_as_planned(item.forecast, now) or now.is_handled_already or not waits or monotonic() > until:
            return now
        await asyncio.sleep(_LOOK_EVERY)
