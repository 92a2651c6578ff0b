"""Rows for spreadsheets."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

_FORMULA = ("=", "+", "@", "\t", "\r")
"""Characters with which a spreadsheet begins a formula, except the minus, which amounts have."""


def write_csv(file: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """A header line and a line per row. Foreign text never becomes a formula."""
    writer = csv.writer(file)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in columns])


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
