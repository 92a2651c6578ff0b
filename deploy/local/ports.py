"""Free ports on the loopback address, the same in every run unless another process has taken one."""

import json
import os
import socket
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from threading import Lock

HOST = "127.0.0.1"

_LOWEST, _ENOUGH = 10_000, 1_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""Linux's setting: from these ports the system takes the near end of outgoing connections."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port on which a server could listen now, and which this process has not returned before.

    It lies below the ports of outgoing connections: one of those would otherwise take it while its server is down.
    """
    with _choosing:
        return next(port for port in _candidates if is_free(port))


def _below_ephemeral() -> Iterator[int]:
    """Ports from a start of this process's own, so that two processes do not choose the same one at the same time."""
    try:
        end = int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError):
        end = 32_768
    span = end - _LOWEST if end - _LOWEST >= _ENOUGH else 65_536 - _LOWEST
    start = os.getpid() * 2_003 % span
    while True:
        yield from chain(range(_LOWEST + start, _LOWEST + span), range(_LOWEST, _LOWEST + start))


_candidates = _below_ephemeral()
_choosing = Lock()


def accepts(port: int, host: str = HOST) -> bool:
    """Whether a server accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


class Ports:
    """The ports of one data folder by name, remembered in `ports.json`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = Lock()
        self._given: dict[str, int] = {}
        try:
            self._known: dict[str, int] = json.loads(file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            self._known = {}

    def port(self, name: str) -> int:
        """The port of this name: as in the last run when it is still free, else another. Fixed once given."""
        with self._lock:
            if name not in self._given:
                last = self._known.get(name)
                self._given[name] = last if last is not None and is_free(last) else self._another()
                self._known[name] = self._given[name]
                self._file.parent.mkdir(parents=True, exist_ok=True)
                self._file.write_text(json.dumps(self._known, indent=2) + "\n")
            return self._given[name]

    def _another(self) -> int:
        return next(port for port in iter(free_port, None) if port not in self._known.values())
