"""The operator's commands against a running system: the fixtures of the flow tests, and places to look at."""

import pytest

from ops.core.target import Places
from tests.integration.flow.conftest import _no_proxy_between_the_parts, own_system, system
from tests.integration.flow.system import API_KEY, System

__all__ = ["_no_proxy_between_the_parts", "own_system", "system"]


def places_of(system: System) -> Places:
    """Where that system is, as the operator's commands want to know it."""
    return Places(
        amqp_url=system.setup.amqp_url,
        mongodb_url=system.setup.mongodb_url,
        stripe_api_key=API_KEY,
        stripe_api_base=system.sandbox.url,
        database=system.setup.database,
    )


@pytest.fixture
def places(system: System) -> Places:
    return places_of(system)
