"""structlog, set up once per process: JSON in production, readable on a terminal.

A line is filtered by its level before it is built, built once, and written without waiting for its reader.
"""

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from chassis.runtime.line_writer import LineWriter
from chassis.runtime.redaction import Redaction
from chassis.runtime.settings import LogFormat


def set_up_logs(
    service: str, level: str = "INFO", log_format: LogFormat | None = None, redaction: Redaction | None = None
) -> None:
    """Send everything, the libraries' records included, through one set of processors to stdout, without secrets."""
    if log_format is None:
        log_format = LogFormat.CONSOLE if sys.stdout.isatty() else LogFormat.JSON
    gathered: list[Any] = [
        structlog.contextvars.merge_contextvars,
        # Before the redaction, which reads text: for a terminal as well.
        structlog.processors.format_exc_info,
    ]
    finished: list[Any] = [
        (redaction or Redaction()).processor,
        # After it: these hold no text from outside.
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_service(service),
        # Plain: the default one prints local variables, and with them tokens and secrets.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if log_format is LogFormat.CONSOLE
        else _as_json,
    ]
    writer = LineWriter(sys.stdout)
    structlog.configure(
        processors=[*gathered, *finished],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_names: writer,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_LibraryRecords(writer, gathered, finished)]
    root.setLevel(level)
    # Libraries log one line per request or reconnect attempt; ours say what matters.
    for noisy in ("uvicorn.access", "httpx", "httpcore", "pymongo", "stripe", "aio_pika", "aiormq"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class _LibraryRecords(logging.Handler):
    """Writes the records of libraries as lines like ours."""

    def __init__(self, writer: LineWriter, gathered: list[Any], finished: list[Any]) -> None:
        super().__init__()
        self._writer = writer
        remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(foreign_pre_chain=gathered, processors=[remove_meta, *finished])
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # as logging's own handlers: a record that cannot be formatted breaks no caller
            self.handleError(record)
        else:
            self._writer.msg(line)


_ENCODE = json.JSONEncoder(default=repr).encode


def _as_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    return _ENCODE(event)


def _with_service(service: str) -> Any:
    def add(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        event["service"] = service
        return event

    return add
