"""How long to wait for what a process does: the longer, the busier the machine is with other work."""

import os


def patient(seconds: float) -> float:
    """`seconds` on an idle machine; more in proportion to the processes that compete for each core, at most 8 times.

    A deadline is for what hangs, never for what is slow: nothing that works on an idle machine takes `seconds`.
    """
    competing = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * min(8.0, max(1.0, competing))
