"""Lines an outsider can cause at will are throttled."""

from chassis.runtime.log_throttle import LogThrottle


def test_one_in_every_interval_is_due_and_knows_how_many_were_held_back() -> None:
    now = 100.0
    throttle = LogThrottle(every=1.0, clock=lambda: now)

    first = [throttle.admit() for _ in range(4)]
    now = 101.0
    second = [throttle.admit(), throttle.admit()]
    now = 105.0

    assert first == [0, None, None, None]
    assert second == [3, None]
    assert throttle.admit() == 1
