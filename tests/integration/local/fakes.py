"""Parts for tests of the stack."""

import sys

from deploy.local.processes import ProcessSpec


def fake(name: str, **environment: str) -> ProcessSpec:
    """A part that is the fake service."""
    command = [sys.executable, "-m", "tests.integration.local.fake_service"]
    return ProcessSpec(name, lambda _port, _context: command, lambda _context: environment)
