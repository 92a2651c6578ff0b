"""Rows for spreadsheets, on standard output."""

import sys
from collections.abc import Iterable, Mapping, Sequence

from chassis.csv_rows import write_csv


def print_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """A header line and a line per row. Foreign text never becomes a formula."""
    write_csv(sys.stdout, columns, rows)
