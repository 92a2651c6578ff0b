"""The operator's commands against a running system: the fixtures of the flow tests, and places to look at."""

import pytest

from ops.core.target import Target
from tests.support.fixtures import _no_proxy_between_the_parts, own_system, system
from tests.support.operator import target_of
from tests.support.system import System

__all__ = ["_no_proxy_between_the_parts", "own_system", "system"]


@pytest.fixture
def target(system: System) -> Target:
    return target_of(system)
