"""Transitions as documents store them."""

from datetime import UTC, datetime

import pytest

from chassis.storage.history import Transition

TRANSITION = Transition(1, datetime(2026, 7, 1, tzinfo=UTC), "m-1", "orders.place-order.v1", "pending_payment")


def test_a_stored_transition_is_read_back() -> None:
    assert Transition.from_document(TRANSITION.to_document()) == TRANSITION


@pytest.mark.parametrize("name", ["standing", "summary"])
def test_a_summary_is_read_under_its_old_and_its_new_name(name: str) -> None:
    stored = TRANSITION.to_document()
    summary = stored.pop("standing")

    assert Transition.from_document({**stored, name: summary}) == TRANSITION
