"""Parts for tests of the stack."""

import sys

from deploy.local.parts import Part


def fake(name: str, **environment: str) -> Part:
    """A part that is the fake service."""
    command = [sys.executable, "-m", "tests.integration.local.fake_service"]
    return Part(name, lambda _port, _around: command, lambda _around: environment)
