"""Writes log lines without ever waiting for the reader of standard output."""

import atexit
import select
import threading
from collections import deque
from contextlib import suppress
from io import UnsupportedOperation
from typing import TextIO

_AT_ONCE = select.PIPE_BUF
"""Bytes that a pipe takes without blocking when it is ready for any."""
_KEPT = 10_000
"""Lines kept while the reader is stuck."""
_LAST = 2.0
"""Seconds for the lines that still wait when the process ends."""


class LineWriter:
    """Writes a line at once if the stream takes it, else in a thread, in the same sequence.

    Lines beyond 10,000 that wait are dropped; a line with their number follows.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._ready = _poll_of(stream)
        self._lock = threading.Lock()
        self._waiting: deque[str] = deque()
        self._dropped = 0
        self._thread: threading.Thread | None = None
        atexit.register(self.close)

    def msg(self, line: str) -> None:
        """Write one line. Neither waits nor raises, whatever has become of the stream."""
        text = line + "\n"
        with self._lock:
            if self._thread is None and self._takes(text):
                self._write(text)
            elif len(self._waiting) >= _KEPT:
                self._dropped += 1
            else:
                self._waiting.append(text)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._drain, name="log", daemon=True)
                    self._thread.start()

    debug = info = warning = error = critical = msg
    """structlog calls a logger's method of the line's level."""

    def close(self) -> None:
        """Give lines that wait a moment to be written."""
        atexit.unregister(self.close)
        if (thread := self._thread) is not None:
            thread.join(_LAST)

    def _takes(self, text: str) -> bool:
        if self._ready is None:
            return True
        return len(text.encode(errors="replace")) <= _AT_ONCE and bool(self._ready.poll(0))

    def _drain(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                text, dropped = "".join(self._waiting), self._dropped
                self._waiting.clear()
                self._dropped = 0
            if dropped:
                text += f'{{"event": "log.dropped", "level": "error", "lines": {dropped}}}\n'
            self._write(text)

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # its reader is gone, and with it the place to say so
            self._stream.write(text)
            self._stream.flush()


def _poll_of(stream: TextIO) -> "select.poll | None":
    """None for a buffer in memory, where no write waits."""
    try:
        number = stream.fileno()
    except (UnsupportedOperation, ValueError):
        return None
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return poll
