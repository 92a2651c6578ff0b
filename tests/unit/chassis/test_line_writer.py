"""A log line never waits for the reader of standard output."""

import io
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

import pytest

from chassis.runtime import line_writer
from chassis.runtime.line_writer import LineWriter


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """The reading end, and the stream that writes into it."""
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    yield reading, stream
    with suppress(BrokenPipeError):
        stream.close()


def read(reading: int, until: str) -> list[str]:
    """The lines up to one that holds this text."""
    with os.fdopen(reading, closefd=False) as lines:
        found: list[str] = []
        while not found or until not in found[-1]:
            found.append(lines.readline().rstrip("\n"))
    return found


def test_a_line_is_written_at_once(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe

    LineWriter(stream).info("one")

    assert os.read(reading, 100) == b"one\n"


def test_while_the_reader_is_stuck_lines_wait_and_then_come_in_sequence(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    writer = LineWriter(stream)
    lines = [f"{number} " + "x" * 1000 for number in range(500)]  # a pipe holds 64 KiB

    for line in lines:
        writer.info(line)
    writer.info("last")

    assert read(reading, "last") == [*lines, "last"]


def test_a_line_longer_than_a_pipe_takes_does_not_wait_either(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    writer = LineWriter(stream)

    writer.error("y" * 200_000)
    writer.info("last")

    assert [len(line) for line in read(reading, "last")] == [200_000, 4]


def test_lines_beyond_the_bound_are_dropped_and_counted(
    pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_writer, "_KEPT", 3)
    reading, stream = pipe
    writer = LineWriter(stream)
    sent = 200

    writer.info("z" * 200_000)  # its write waits for the reader
    for number in range(sent):
        writer.info(str(number))

    written = dropped = 0
    with os.fdopen(reading, closefd=False) as lines:
        assert lines.readline().startswith("zz")
        while written + dropped < sent:
            if "log.dropped" in (line := lines.readline()):
                dropped += json.loads(line)["lines"]
            else:
                assert int(line) >= written
                written += 1
    assert dropped > 0


def test_a_reader_that_is_gone_is_no_error(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    os.close(reading)

    LineWriter(stream).info("into the void")


def test_what_waits_is_written_when_the_process_ends(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    writer = LineWriter(stream)
    writer.info("a" * 5000)

    writer.close()

    assert len(os.read(reading, 10_000)) == 5001


def test_a_buffer_in_memory_takes_every_line() -> None:
    buffer = io.StringIO()

    LineWriter(buffer).info("é" * 5000)

    assert buffer.getvalue() == "é" * 5000 + "\n"
