"""Deadlines of tests adapt to the machine, and tests hear Ctrl-C whatever started them."""

import os
import signal
import subprocess
import sys

import pytest

from deploy.local.patience import patient


@pytest.mark.parametrize(("load", "factor"), [(0.0, 1.0), (2.0, 1.0), (6.0, 3.0), (1000.0, 8.0)])
def test_a_deadline_grows_with_the_processes_that_compete_for_a_core(
    monkeypatch: pytest.MonkeyPatch, load: float, factor: float
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)

    assert patient(10.0) == 10.0 * factor


def test_what_tests_start_hears_ctrl_c_although_their_parent_ignores_it() -> None:
    script = "import signal, subprocess, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    script += "import tests.conftest; tests.conftest.pytest_configure(); "
    script += "sys.exit(subprocess.run([sys.executable, '-c', sys.argv[1]]).returncode)"
    child = "import signal, sys; sys.exit(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"

    ended = subprocess.run([sys.executable, "-c", script, child], check=False)

    assert ended.returncode == 0


def test_without_it_they_would_not() -> None:
    child = "import signal, sys; sys.exit(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ended = subprocess.run([sys.executable, "-c", child], check=False)
    finally:
        signal.signal(signal.SIGINT, before)

    assert ended.returncode == 1
