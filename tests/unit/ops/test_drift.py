"""When a forecast counts as changed."""

import pytest

from ops.core.dry_run import ASKS_PSP, Forecast
from ops.core.psp_forecast import NOT_ASKED
from ops.core.replay.drift import is_as_planned

CANCELS = Forecast("applied", "cancelled / paid", ("payments.refund-payment.v1",))


@pytest.mark.parametrize(
    ("planned", "now", "holds"),
    [
        (CANCELS, CANCELS, True),
        (CANCELS, Forecast("applied", "cancelled / paid"), False),
        (CANCELS, Forecast("applied", "cancelled / unpaid", CANCELS.sends), False),
        (CANCELS, Forecast("ignored", "cancelled already"), False),
        (Forecast(ASKS_PSP, NOT_ASKED), Forecast(ASKS_PSP, "refunds €1.00"), True),
        (Forecast(ASKS_PSP, NOT_ASKED), Forecast("fails", "no contract knows it"), False),
        (Forecast(ASKS_PSP, "moves no money"), Forecast(ASKS_PSP, "refunds €1.00"), False),
        (Forecast(ASKS_PSP, "moves no money"), Forecast(ASKS_PSP, NOT_ASKED), False),
    ],
)
def test_a_forecast_holds_as_long_as_all_that_was_known_of_it_holds(
    planned: Forecast, now: Forecast, holds: bool
) -> None:
    assert is_as_planned(planned, now) is holds
