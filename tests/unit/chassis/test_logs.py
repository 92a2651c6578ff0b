"""One line of JSON per event, with the ids bound at the edge."""

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from chassis.runtime.logs import set_up_logs
from chassis.runtime.settings import LogFormat

ROOMS = ("chassis", "gateway", "extras_service", "payment_service", "psp_adapter")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_names_service_event_level_and_time_and_carries_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("extras-service", log_format=LogFormat.JSON)

    structlog.get_logger().info("payment.succeeded", payment_id="pay_1", amount=4800)

    (line,) = _lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "payment.succeeded",
        "level": "info",
        "service": "extras-service",
        "payment_id": "pay_1",
        "amount": 4800,
    }


def test_ids_bound_once_are_on_every_line_that_follows(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("extras-service", log_format=LogFormat.JSON)
    structlog.contextvars.bind_contextvars(order_id="ord_1", correlation_id="c-1")

    structlog.get_logger().info("first")
    structlog.get_logger().warning("second")

    lines = _lines(capsys)
    assert [(line["event"], line["order_id"], line["correlation_id"]) for line in lines] == [
        ("first", "ord_1", "c-1"),
        ("second", "ord_1", "c-1"),
    ]


def test_a_librarys_record_looks_like_ours(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("psp-adapter", log_format=LogFormat.JSON)

    logging.getLogger("some.library").warning("took %s s", 3)

    (line,) = _lines(capsys)
    assert (line["event"], line["service"], line["level"]) == ("took 3 s", "psp-adapter", "warning")


def test_an_exception_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("psp-adapter", log_format=LogFormat.JSON)

    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("loop.failed")

    (line,) = _lines(capsys)
    assert "ValueError: broken" in line["exception"]


def test_a_traceback_on_a_terminal_shows_no_locals(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("gateway", log_format=LogFormat.CONSOLE)
    token = "".join(("hu", "sh"))

    try:
        raise ValueError(len(token))
    except ValueError:
        structlog.get_logger().exception("request.broke")

    printed = capsys.readouterr().out
    assert "ValueError" in printed
    assert "hush" not in printed


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("psp-adapter", level="WARNING", log_format=LogFormat.JSON)

    structlog.get_logger().info("quiet")

    assert _lines(capsys) == []


@pytest.mark.parametrize("noisy", ["uvicorn.access", "httpx", "pymongo", "stripe", "aio_pika", "aiormq"])
def test_chatty_libraries_only_warn(noisy: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("psp-adapter", log_format=LogFormat.JSON)

    logging.getLogger(noisy).info("one more request")

    assert _lines(capsys) == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_event_name_is_a_plain_word_and_never_put_together(room: str) -> None:
    """An event whose name holds a value cannot be counted or searched for."""
    calls = [
        (file, call)
        for file in Path(room).rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "log"
        and call.func.attr in LEVELS
    ]

    for file, call in calls:
        name = call.args[0]
        assert isinstance(name, ast.Constant), f"{file}:{call.lineno}"
        assert not any(isinstance(part, ast.JoinedStr) for part in ast.walk(call)), f"{file}:{call.lineno}"
