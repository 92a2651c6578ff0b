"""Ids that are made from other ids fit into a message."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.ids import MAX_ID, bounded_id


@given(st.text(max_size=400))
def test_an_id_is_never_longer_than_amqp_takes(text: str) -> None:
    assert len(bounded_id(text).encode()) <= MAX_ID


@given(st.text(max_size=60))
def test_a_short_id_stays_as_it_is(text: str) -> None:
    assert bounded_id(text) == text


def test_two_long_ids_that_begin_alike_stay_two() -> None:
    first, second = bounded_id("m" * 255 + ".reply"), bounded_id("m" * 255 + ".psp")

    assert first != second
    assert first.startswith("m" * 200)
    assert bounded_id("m" * 255 + ".reply") == first
