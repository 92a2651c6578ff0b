"""What a log line costs in processor time, and its redaction alone.

python -m benchmarks.log_lines
"""

import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from time import process_time

import structlog
from rich.console import Console

from benchmarks.figures import Measured, show
from chassis.runtime.logs import set_up_logs
from chassis.runtime.redaction import Redaction
from chassis.runtime.settings import LogFormat

_LINES = 20_000
_SECRETS = ("amqps://extras:correct-horse-battery@rabbit.example:5671/", "whsec_4eC39HqLyjWDarjtT1zdp7dc")


def microseconds(call: Callable[[], object]) -> float:
    """Of processor time per call, the fastest of three rounds."""
    rounds = []
    for _ in range(3):
        began = process_time()
        for _ in range(_LINES):
            call()
        rounds.append((process_time() - began) / _LINES * 1e6)
    return min(rounds)


def measure(measured: Measured) -> None:
    """Note what each line costs. Standard output goes nowhere meanwhile."""
    redaction = Redaction(_SECRETS)
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        set_up_logs("extras-service", log_format=LogFormat.JSON, redaction=redaction)
        for what, microseconds_of in _lines(redaction):
            measured.note(what, "µs", microseconds_of)


def _lines(redaction: Redaction) -> Iterator[tuple[str, float]]:
    log = structlog.get_logger()
    structlog.contextvars.bind_contextvars(
        kind="payments.payment-succeeded.v1",
        message_id="pay_9bqsk0mvjdfpqd1v0h2xw3t5rz.3.0.5d41402abc4b2a76",
        correlation_id="psp.evt_3PqR2sT4uV5wX6yZ",
        causation_id="psp.evt_3PqR2sT4uV5wX6yZ",
        order_id="ord_9bqsk0mvjdfpqd1v0h2xw3t5rz",
    )
    event = {"event": "message.handled", "outcome": "applied", "reason": None, "ms": 12.3}
    whole = event | structlog.contextvars.get_contextvars() | {"timestamp": "2026-11-26T06:07:03.123456Z"}
    for what, call in (
        ("a line of a message handled", lambda: log.info("message.handled", outcome="applied", reason=None, ms=12.3)),
        ("its redaction", lambda: redaction.processor(None, "info", dict(whole))),
        ("a line below the level", lambda: log.debug("message.handled", outcome="applied", reason=None, ms=12.3)),
        ("a line with 2,000 characters of text", lambda: log.info("outbox.refused", error="a word and " * 180)),
    ):
        yield what, microseconds(call)


def main() -> None:
    measured = Measured()
    measure(measured)
    show(Console(highlight=False), "log lines", measured.figures)


if __name__ == "__main__":
    main()
