"""A part of the stack as an operating-system process: started, watched, stopped, and never left running.

A process is signalled only through its own handle: a child that has ended stays unreaped until its process group is
cleared, so neither its id nor the group's can belong to another process meanwhile. No process is searched for by name
or environment.
"""

import os
import re
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from deploy.local.patience import patient

TAIL_LINES = 20
LOG_LIMIT_BYTES = 5_000_000
_LOOK_EVERY = 0.03
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

# Every part runs in its own session with its standard input tied to us. Should we be killed outright, that pipe
# closes and the tether ends the whole process group. PR_SET_PDEATHSIG would not do: it fires when the *thread* that
# started the process ends, and parts are started from short-lived threads.
TETHER = 'exec 3<&0; (while read -r _ <&3; do :; done; kill -KILL 0) & exec "$@" </dev/null 3<&-'


class PartError(Exception):
    """A part of the stack could not start, or died."""

    def __init__(self, part: str, what: str, *, log: Path | None = None, tail: list[str] | None = None) -> None:
        self.part = part
        self.what = what
        self.log = log
        self.tail = tail or []
        super().__init__(part, what)

    def __str__(self) -> str:
        lines = [f"{self.part}: {self.what}"]
        if self.log is not None:
            lines.append(f"Its log is {self.log}; the last lines:" if self.tail else f"Its log {self.log} is empty.")
            lines.extend(f"  | {line}" for line in self.tail)
        return "\n".join(lines)


def tail_of(log: Path, *, since: int) -> list[str]:
    """The last lines written to a log file after the byte offset `since`."""
    if not log.exists():
        return []
    with log.open("rb") as stream:
        stream.seek(since)
        return [COLOUR.sub("", line.decode(errors="replace")).rstrip() for line in deque(stream, maxlen=TAIL_LINES)]


class Process:
    """A child process with its log in a file and a check that says what it still lacks, or None once it is ready.

    `start_seconds` is its time to become ready on an idle machine; a busy one gives it more.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        log: Path,
        missing: Callable[[], str | None],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        start_seconds: float = 60,
        stop_seconds: float = 15,
        advice: str = "",
    ) -> None:
        self.name = name
        self.log = log
        self.advice = advice
        self.seconds = 0.0  # how long the last start took
        self._command = ["/bin/sh", "-c", TETHER, "bellhop-tether", *command]
        self._env = dict(env or {})
        self._cwd = cwd
        self._missing = missing
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._log_offset = 0
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the part itself (the tether is its child). Raises PartError when it is not running."""
        if self._child is None:
            raise PartError(self.name, "is not running")
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs or was stopped by us; once it ended by itself, the exit code, or minus the signal."""
        return None if self._child is None else _exit_code(self._child)

    def start(self) -> Self:
        """Start the process, unless it runs, and wait until it is ready. Raises PartError with the tail of its log."""
        began = time.monotonic()
        if self.exit_code is not None:
            self.kill()  # clears what a process that died by itself left behind
        if self._child is None:
            self._child = self._spawn()
        try:
            self._wait_until_ready(began)
        except BaseException:
            self.kill()
            raise
        self.seconds = time.monotonic() - began
        return self

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            self._log_offset = self.log.stat().st_size
            return subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | self._env,
                cwd=self._cwd,
                start_new_session=True,
            )

    def _wait_until_ready(self, began: float) -> None:
        while True:
            lacking = self._missing()
            if (code := self.exit_code) is not None:
                raise self.failure(f"ended with code {code} while starting. {self.advice}")
            if lacking is None:
                return
            if (waited := time.monotonic() - began) > patient(self._start_seconds):
                raise self.failure(f"was not ready within {waited:.0f} s: {lacking}. {self.advice}")
            time.sleep(_LOOK_EVERY)

    def stop(self) -> Self:
        """Ask it to stop (SIGTERM), wait, and kill what remains. An unusual exit code is written to its log."""
        if self._child is None:
            return self
        self._signal_group(signal.SIGTERM)
        deadline = time.monotonic() + self._stop_seconds
        while self.exit_code is None and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY)
        code = self.exit_code
        self.kill()
        if code not in (None, 0, -signal.SIGTERM, 128 + signal.SIGTERM):
            with self.log.open("a") as output:
                output.write(f"[bellhop] {self.name} ended with code {code} when asked to stop\n")
        return self

    def kill(self) -> Self:
        """SIGKILL for it and all it has started in its process group, and wait until it has gone."""
        if self._child is not None:
            self._signal_group(signal.SIGKILL)
            with self._child as child:  # closes the tether's pipe
                child.wait()
            self._child = None
        return self

    def _signal_group(self, number: signal.Signals) -> None:
        # The leader is not reaped yet, so the group's id is still its own. macOS answers EPERM for one that has ended.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def failure(self, what: str) -> PartError:
        """This part's error, with the last lines it logged since it was started."""
        tail = tail_of(self.log, since=self._log_offset)
        return PartError(self.name, what.strip().rstrip(".") + ".", log=self.log, tail=tail)


def _exit_code(child: subprocess.Popen[bytes]) -> int | None:
    """The exit code of a child, without reaping it; None while it runs."""
    if child.returncode is not None or not hasattr(os, "waitid"):  # macOS has waitid from Python 3.13 on
        return child.poll()
    ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
