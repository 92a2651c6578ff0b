"""structlog, set up once per process: JSON in production, readable on a terminal."""

import logging
import sys
from typing import Any

import structlog

from chassis.runtime.redaction import Redaction
from chassis.runtime.settings import LogFormat


def set_up_logs(
    service: str, level: str = "INFO", log_format: LogFormat | None = None, redaction: Redaction | None = None
) -> None:
    """Send everything, the libraries' records included, through one set of processors to stdout, without secrets."""
    if log_format is None:
        log_format = LogFormat.CONSOLE if sys.stdout.isatty() else LogFormat.JSON
    renderer: Any = (
        # Plain: the default one prints local variables, and with them tokens and secrets.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if log_format is LogFormat.CONSOLE
        else structlog.processors.JSONRenderer()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_service(service),
        # Before the redaction, which reads text: for a terminal as well.
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                (redaction or Redaction()).processor,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Libraries log one line per request or reconnect attempt; ours say what matters.
    for noisy in ("uvicorn.access", "httpx", "httpcore", "pymongo", "stripe", "aio_pika", "aiormq"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _with_service(service: str) -> Any:
    def add(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        event["service"] = service
        return event

    return add
