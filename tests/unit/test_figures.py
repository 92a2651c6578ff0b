"""What the benchmarks have measured is kept whole, and two runs are compared figure by figure."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.figures import Figure, Measured, Run, are_apart, percentile, show, show_difference

MACHINE = {"processor": "one", "cores": 2}


def run(**parts: list[Figure]) -> Run:
    return Run(MACHINE, {"python": "3.11"}, "2026-11-26T10:00:00+00:00", [0.5, 0.4, 0.3], parts)


def shown(*tables: Run) -> str:
    console = Console(file=StringIO(), width=200)
    show_difference(console, *tables)
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    measured = Measured()
    measured.note("paid orders", "1/s", 25.0)
    measured.note("paid orders", "1/s", 23.5, 27.1)
    written = run(load=measured.figures)

    written.write(tmp_path / "new" / "run.json")

    assert Run.read(tmp_path / "new" / "run.json") == written
    assert measured.figures == [Figure("paid orders", "1/s", (25.0, 23.5, 27.1))]


def test_a_file_that_no_run_has_written_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text('{"parts": []}')

    with pytest.raises(ValueError, match=r"other\.json is not the result"):
        Run.read(file)


def test_two_runs_are_compared_by_their_medians_and_only_where_both_have_a_figure() -> None:
    before = run(load=[Figure("paid orders", "1/s", (20.0, 21.0)), Figure("only then", "ms", (1.0,))])
    now = run(load=[Figure("paid orders", "1/s", (24.0, 25.2))], drain=[Figure("only now", "s", (2.0,))])

    text = shown(before, now)

    assert "+20 %" in text
    assert "apart" in text
    assert "only" not in text


def test_figures_whose_ranges_meet_are_not_called_apart() -> None:
    assert not are_apart((1.0, 3.0), (2.0, 4.0))
    assert are_apart((1.0, 2.0), (3.0, 4.0))


def test_a_table_has_minimum_median_and_maximum_of_each_figure() -> None:
    console = Console(file=StringIO(), width=200)

    show(console, "load", [Figure("paid orders", "1/s", (30.0, 10.0, 20.0))])

    file = console.file
    assert isinstance(file, StringIO)
    assert [cell.strip() for cell in file.getvalue().splitlines()[4].split("│")[1:-1]] == [
        "paid orders",
        "1/s",
        "10.0",
        "20.0",
        "30.0",
        "3",
    ]


def test_a_percentile_is_one_of_the_values() -> None:
    assert [percentile([4.0, 1.0, 3.0, 2.0], share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 3.0, 4.0, 4.0]
