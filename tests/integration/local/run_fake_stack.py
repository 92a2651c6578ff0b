"""Runs a stack of one fake service in a process of its own, so that a test can kill its supervisor."""

import sys
from pathlib import Path

from deploy.local.stack import LocalStack
from tests.integration.local.fakes import fake

with LocalStack(Path(sys.argv[1]), services=[fake("gateway")], sandbox=None) as stack:
    sys.stdout.write(f"pid {stack.part('gateway').pid}\n")
    sys.stdout.flush()
    stack.watch()
