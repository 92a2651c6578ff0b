"""Instances whose wall clocks are apart, or jump, go by one time."""

from datetime import UTC, datetime, timedelta

from chassis.runtime.clock import SharedClock

TRUE = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Machine:
    """Its wall clock, and the seconds since it was started."""

    def __init__(self, wall: datetime, uptime: float) -> None:
        self.wall = wall
        self.uptime = uptime

    def clock(self) -> SharedClock:
        return SharedClock("the store", lambda: self.wall, lambda: self.uptime)


def test_machines_an_hour_apart_go_by_one_time() -> None:
    ahead, behind = Machine(TRUE + HOUR, 10), Machine(TRUE - HOUR, 5000)
    clocks = [machine.clock() for machine in (ahead, behind)]

    for clock in clocks:
        clock.set(TRUE, asked_at=clock.steady())
    ahead.uptime += 30
    behind.uptime += 30

    assert [clock.now() for clock in clocks] == [TRUE + timedelta(seconds=30)] * 2


def test_a_wall_clock_that_jumps_back_changes_nothing() -> None:
    machine = Machine(TRUE, 10)
    clock = machine.clock()

    machine.wall -= HOUR
    machine.uptime += 5

    assert clock.now() == TRUE + timedelta(seconds=5)


def test_a_slow_answer_counts_from_the_middle_of_its_way() -> None:
    machine = Machine(TRUE, 10)
    clock = machine.clock()
    asked_at = clock.steady()

    machine.uptime += 4
    clock.set(TRUE, asked_at)

    assert clock.now() == TRUE + timedelta(seconds=2)


def test_a_slow_answer_that_agrees_moves_the_clock_neither_forth_nor_back() -> None:
    machine = Machine(TRUE, 0)
    clock = machine.clock()
    clock.set(TRUE, asked_at=0)
    machine.uptime = 10

    clock.set(TRUE + timedelta(seconds=6), asked_at=6)  # read at once, and four seconds on the way

    assert clock.now() == TRUE + timedelta(seconds=10)
    assert clock.age == 0


def test_an_answer_that_disagrees_moves_the_clock() -> None:
    machine = Machine(TRUE, 0)
    clock = machine.clock()
    clock.set(TRUE, asked_at=0)
    machine.uptime = 10

    clock.set(TRUE + HOUR, asked_at=10)

    assert clock.now() == TRUE + HOUR


def test_a_time_in_whole_seconds_never_sets_the_clock_ahead_and_brings_it_nearer_with_each_answer() -> None:
    machine = Machine(TRUE, 0)
    clock = machine.clock()
    behind = []

    for uptime in (0.9, 3.5, 6.2, 9.05, 12.7):
        machine.uptime = uptime
        true = TRUE + timedelta(seconds=uptime)
        clock.set_by_seconds(true.replace(microsecond=0), asked_at=uptime)
        behind.append((true - clock.now()) / timedelta(seconds=1))

    assert [round(seconds, 2) for seconds in behind] == [0.9, 0.5, 0.2, 0.05, 0.05]


def test_an_answer_in_whole_seconds_that_was_long_on_its_way_does_not_set_the_clock_back() -> None:
    machine = Machine(TRUE, 0)
    clock = machine.clock()
    clock.set_by_seconds(TRUE, asked_at=0)
    machine.uptime = 26

    clock.set_by_seconds(TRUE + timedelta(seconds=1), asked_at=1)

    assert clock.now() == TRUE + timedelta(seconds=26)


def test_a_clock_ahead_of_a_time_in_whole_seconds_is_set_back() -> None:
    machine = Machine(TRUE, 0)
    clock = machine.clock()
    clock.set_by_seconds(TRUE, asked_at=0)
    machine.uptime = 10

    clock.set_by_seconds(TRUE + timedelta(seconds=8), asked_at=10)

    assert clock.now() == TRUE + timedelta(seconds=8)
