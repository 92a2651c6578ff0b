"""Explore, and find nothing broken."""

import os
import sys

import pytest

from tests.model.bounds import DEEP, SHORT, Bounds
from tests.model.explore import explore

BOUNDS = DEEP if os.environ.get("BELLHOP_MODEL_DEPTH") == "deep" else SHORT


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
def test_no_law_is_broken_within_these_bounds(bounds: Bounds) -> None:
    found = explore(bounds)

    sys.stdout.write(f"{found}\n")
    assert not found.violations, "\n".join(str(each) for each in found.violations.values())
    assert found.final > 0
