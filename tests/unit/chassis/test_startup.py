"""A service's first steps: again while what they need is away, and not for ever."""

import gc

import pytest

from chassis.errors import PermanentError, TransientError
from chassis.runtime.startup import collect_garbage_rarely, retry_until_available


class Steps:
    """The first one fails so often with this error."""

    def __init__(self, failures: int, error: type[Exception] = TransientError) -> None:
        self.failures, self.error = failures, error
        self.taken: list[str] = []

    async def first(self) -> None:
        self.taken.append("first")
        if self.taken.count("first") <= self.failures:
            raise self.error("away")

    async def second(self) -> None:
        self.taken.append("second")


async def test_a_step_is_taken_again_until_what_it_needs_is_there() -> None:
    steps = Steps(failures=2)

    await retry_until_available(steps.first, steps.second, every=0)

    assert steps.taken == ["first", "first", "first", "second"]


async def test_a_service_whose_store_never_comes_ends_with_the_reason() -> None:
    steps = Steps(failures=1000)

    with pytest.raises(TransientError, match="away"):
        await retry_until_available(steps.first, steps.second, within=0.05, every=0.01)

    assert "second" not in steps.taken


async def test_what_waiting_cannot_mend_ends_at_once() -> None:
    steps = Steps(failures=1, error=PermanentError)

    with pytest.raises(PermanentError):
        await retry_until_available(steps.first, every=0)

    assert steps.taken == ["first"]


def test_what_a_process_has_loaded_is_not_searched_for_garbage() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        collect_garbage_rarely()

        assert gc.get_freeze_count() > frozen
        assert gc.get_threshold()[0] > before[0]
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
