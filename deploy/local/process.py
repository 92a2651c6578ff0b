"""One part of the stack as an operating-system process: started, watched, stopped, and never left behind."""

import re
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from mirakuru import Executor
from mirakuru.exceptions import ProcessExitedWithError, ProcessFinishedWithError, TimeoutExpired

TAIL_LINES = 20
LOG_LIMIT_BYTES = 5_000_000
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

# Every part runs in a session of its own with its standard input tied to us. Should we be killed outright, that pipe
# closes and the tether ends the whole process group. PR_SET_PDEATHSIG would not do: it fires when the *thread* that
# started the process ends, and parts are started from short-lived threads.
TETHER = 'exec 3<&0; (while read -r _ <&3; do :; done; kill -KILL 0) & exec "$@" </dev/null 3<&-'


class PartError(Exception):
    """A part of the stack could not start, or died. Its text says what happened and what to do."""

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


def tail_of(log: Path, *, lines: int = TAIL_LINES, since: int = 0) -> list[str]:
    """The last lines written to a log file after the byte offset `since`."""
    if not log.exists():
        return []
    with log.open("rb") as stream:
        stream.seek(since)
        return [COLOUR.sub("", line.decode(errors="replace")).rstrip() for line in deque(stream, maxlen=lines)]


class Process(Executor):
    """A child process with its log in a file and a check that says what it still lacks, or None once it is ready."""

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
        super().__init__(
            ["/bin/sh", "-c", TETHER, "bellhop-tether", *command],
            cwd=str(cwd) if cwd else None,
            envvars=dict(env or {}),
            sleep=0.03,
            stderr=subprocess.STDOUT,
        )
        self.name = name
        self.log = log
        self.advice = advice
        self.seconds = 0.0  # how long the last start took
        self._missing = missing
        self._last_missing: str | None = None
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._log_offset = 0

    @property
    def pid(self) -> int:
        """The process id of the part itself (the tether is its child). Raises PartError when it is not running."""
        if self.process is None:
            raise PartError(self.name, "is not running")
        return int(self.process.pid)

    @property
    def exit_code(self) -> int | None:
        """None while it runs or was stopped by us; the exit code once it ended by itself."""
        return None if self.process is None else self.process.poll()

    def start(self) -> Self:
        """Start the process and wait until it is ready. Raises PartError with the tail of its log."""
        if self.process is not None and not self.running():
            self.kill()  # clears what a process that died by itself left behind
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        began = time.monotonic()
        self._timeout = self._start_seconds
        with self.log.open("a") as output:
            self._log_offset = self.log.stat().st_size
            self._stdout = output
            try:
                super().start()
            except ProcessExitedWithError as ended:
                raise self.failure(f"ended with code {ended.exit_code} while starting. {self.advice}") from ended
            except TimeoutExpired as late:
                lacking = f": {self._last_missing}" if self._last_missing else ""
                raise self.failure(
                    f"was not ready within {self._start_seconds:.0f} s{lacking}. {self.advice}"
                ) from late
        self.seconds = time.monotonic() - began
        return self

    def stop(self, stop_signal: int | None = None, expected_returncode: int | None = None) -> Self:
        """Ask it to stop, wait, and kill what is still there. An odd exit code is no reason to leave others running."""
        self._timeout = self._stop_seconds
        try:
            super().stop(stop_signal, expected_returncode)
        except ProcessFinishedWithError as ended:
            with self.log.open("a") as output:
                output.write(f"[bellhop] {self.name} ended with code {ended.exit_code} when asked to stop\n")
        return self

    def terminate(self) -> Self:
        """SIGTERM, and wait until it has gone."""
        return self.stop(signal.SIGTERM)

    def failure(self, what: str) -> PartError:
        """This part's error, with the last lines it logged since it was started."""
        tail = tail_of(self.log, since=self._log_offset)
        return PartError(self.name, what.strip().rstrip(".") + ".", log=self.log, tail=tail)

    def pre_start_check(self) -> bool:
        """Ports are chosen free before a start, so there is nothing to find here."""
        return False

    def check_subprocess(self) -> bool:
        """mirakuru lets a process that ended with code 0 count as starting; a server that ended is not."""
        if self.process is not None and self.process.poll() == 0:
            self.kill()
            raise ProcessExitedWithError(self, 0)
        return super().check_subprocess()

    def after_start_check(self) -> bool:
        self._last_missing = self._missing()
        return self._last_missing is None

    @property
    def _popen_kwargs(self) -> dict[str, Any]:
        # preexec_fn can deadlock when other threads run, and the parts are started in parallel.
        kwargs = super()._popen_kwargs
        del kwargs["preexec_fn"]
        return kwargs | {"start_new_session": True}
