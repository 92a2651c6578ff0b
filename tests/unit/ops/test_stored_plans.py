"""Replay plans as the store holds them."""

import pytest

from ops.core.replay.plans import Plan


@pytest.mark.parametrize("name", ["wanted", "description"])
def test_a_stored_plan_is_read_under_the_old_and_the_new_name_of_its_description(name: str) -> None:
    stored = {"plan_id": "rp_1", "made_at": "2026-07-01T09:00:00Z", "made_by": "ops", "source": "dead", "messages": 1}

    plan = Plan.model_validate({**stored, name: "everything"})

    assert Plan.model_validate(plan.model_dump(mode="json")).description == "everything"
