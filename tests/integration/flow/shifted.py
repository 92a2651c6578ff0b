"""`python -m tests.integration.flow.shifted <service>`: a service on a machine whose clock is wrong.

SHIFT is how many seconds the clock is ahead. Wall clocks are shifted, monotonic ones are not, as on a real machine.
"""

import os
import runpy
import sys
import time
from datetime import datetime, tzinfo
from unittest.mock import patch

import chassis.messaging.envelope
import chassis.runtime.clock

SHIFT = "BELLHOP_TEST_CLOCK_SHIFT"


def shift(seconds: float) -> None:
    """Put this process's wall clocks ahead."""
    wall = time.time

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(wall() + seconds, tz)

    patch.object(time, "time", lambda: wall() + seconds).start()
    patch.object(chassis.messaging.envelope, "datetime", Shifted).start()
    patch.object(chassis.runtime.clock, "datetime", Shifted).start()


if __name__ == "__main__":
    shift(float(os.environ[SHIFT]))
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
