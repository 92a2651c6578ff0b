"""`pytest -p tests.support.processor …` prints the processor time of each suite, with that of the processes it starts.

Collecting the tests is not in it: some 5 s for each process of pytest.
"""

from collections import defaultdict
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

TESTS = Path(__file__).resolve().parents[1]
SECONDS = pytest.StashKey[dict[str, float]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SECONDS] = defaultdict(float)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    before = spent()
    try:
        return (yield)
    finally:
        item.config.stash[SECONDS][suite_of(item.path)] += max(0.0, spent() - before)


def suite_of(path: Path) -> str:
    """The folder of tests, two levels deep where there are two: `unit/gateway`, `integration/flow`, `chaos`."""
    return "/".join(path.relative_to(TESTS).parent.parts[:2])


def spent() -> float:
    """Seconds that this process and all that it has started have used the processor for so far."""
    this = psutil.Process()
    seconds = sum(this.cpu_times()[:4])  # the third and fourth are of children that have ended
    for child in this.children(recursive=True):
        with suppress(psutil.Error):
            seconds += sum(child.cpu_times()[:4])
    return float(seconds)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        measured = session.config.stash[SECONDS]
        session.config.workeroutput["processor"] = dict(measured)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process of pytest-xdist has ended: what its tests took."""
    measured: Mapping[str, float] = node.workeroutput.get("processor", {})
    for suite, seconds in measured.items():
        node.config.stash[SECONDS][suite] += seconds


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    measured = config.stash[SECONDS]
    terminalreporter.section("processor time")
    for suite in sorted(measured, key=lambda each: -measured[each]):
        terminalreporter.write_line(f"{measured[suite]:8.1f} s  {suite}")
    terminalreporter.write_line(f"{sum(measured.values()):8.1f} s  together")
