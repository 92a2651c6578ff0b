"""Which rows of the two state tables (tools/state_machine_examples.py) a run has taken, and which never."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from chassis.storage.write_path import WritePath
from tools.state_machine_examples import machines

Row = tuple[str, str, str]
"""Machine, status and message: the class that decides, a status of it, and the class of what came."""


@contextmanager
def counted(taken: Counter[Row]) -> Iterator[None]:
    """Count every decision on an order or a payment."""
    init = WritePath.__init__

    def initialised(path: WritePath[Any, Any], documents: Any, bus: Any, decide: Any, **named: Any) -> None:
        def decided(state: Any, message: Any, now: Any) -> Any:
            if state is not None and hasattr(state, "status"):
                taken[_row(state, message)] += 1
            return decide(state, message, now)

        init(path, documents, bus, decided, **named)

    with patch.object(WritePath, "__init__", initialised):
        yield


def known() -> frozenset[Row]:
    """Every row there is, each once for all variants of a message."""
    return frozenset(
        _row(state, message)
        for machine in machines()
        for state in machine.examples.values()
        for message in machine.messages.values()
    )


def _row(state: Any, message: Any) -> Row:
    return type(state).__name__, str(state.status), type(message).__name__


def by_status(rows: Iterable[Row]) -> Iterator[str]:
    """The rows in a line for each machine and status."""
    of: dict[tuple[str, str], list[str]] = {}
    for machine, status, message in sorted(rows):
        of.setdefault((machine, status), []).append(message)
    for (machine, status), messages in of.items():
        yield f"{machine} {status}: {', '.join(messages)}"
