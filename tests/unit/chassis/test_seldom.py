"""Lines an outsider can cause at will are written seldom."""

from chassis.runtime.log_throttle import Seldom


def test_one_in_every_interval_is_due_and_knows_how_many_were_held_back() -> None:
    now = 100.0
    seldom = Seldom(every=1.0, clock=lambda: now)

    first = [seldom.due() for _ in range(4)]
    now = 101.0
    second = [seldom.due(), seldom.due()]
    now = 105.0

    assert first == [0, None, None, None]
    assert second == [3, None]
    assert seldom.due() == 1
