"""The audit's working data, in a temporary file sorted by order, so that memory stays constant."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from contracts.ids import OrderId
from psp_adapter.ledger import LedgerEntry

_TABLES = """
CREATE TABLE orders (order_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE entries (psp_reference TEXT PRIMARY KEY, order_id TEXT, entry TEXT) WITHOUT ROWID;
CREATE INDEX by_order ON entries (order_id);
"""
_NAMING = "SELECT psp_reference, entry FROM entries WHERE order_id IN (SELECT value FROM json_each(?))"
_WITH_ID = "SELECT psp_reference, entry FROM entries WHERE psp_reference IN (SELECT value FROM json_each(?))"

_BY_ACCOUNT = """
SELECT json_extract(entry, '$.psp_account') AS account, count(*) FROM entries
WHERE order_id IS NOT NULL GROUP BY account ORDER BY account
"""


class Worksheet:
    """The ids of the orders to look at, and the PSP's ledger."""

    def __init__(self, file: sqlite3.Connection) -> None:
        self._file = file

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator["Worksheet"]:
        """An empty worksheet, in a temporary SQLite file that is deleted when it is closed."""
        file = sqlite3.connect("", isolation_level=None)
        try:
            file.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {_TABLES}")
            yield cls(file)
        finally:
            file.close()

    def add_order(self, order_id: str) -> None:
        self._file.execute("INSERT OR IGNORE INTO orders VALUES (?)", (order_id,))

    def put_entry(self, entry: LedgerEntry) -> None:
        """The newest reading of a PaymentIntent replaces the one before."""
        if entry.order_id is not None:
            self.add_order(entry.order_id)
        row = (entry.psp_reference, entry.order_id, entry.model_dump_json())
        self._file.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", row)

    @property
    def orders(self) -> int:
        """How many orders there are to look at, those included that only the PSP names."""
        number: int = self._file.execute("SELECT count(*) FROM orders").fetchone()[0]
        return number

    @property
    def payments(self) -> int:
        """How many of the PSP's payments name an order."""
        number: int = self._file.execute("SELECT count(*) FROM entries WHERE order_id IS NOT NULL").fetchone()[0]
        return number

    @property
    def payments_by_account(self) -> dict[str, int]:
        """The same, for each account at the PSP."""
        return dict(self._file.execute(_BY_ACCOUNT).fetchall())

    def batches(self, size: int) -> Iterator[list[OrderId]]:
        """The ids of these orders, sorted."""
        last = ""
        query = "SELECT order_id FROM orders WHERE order_id > ? ORDER BY order_id LIMIT ?"
        while batch := [OrderId(row[0]) for row in self._file.execute(query, (last, size))]:
            yield batch
            last = batch[-1]

    def entries_of(self, order_ids: Sequence[str], psp_references: Iterable[str]) -> dict[str, LedgerEntry]:
        """The entries that name one of these orders or have one of these ids, by id."""
        found: dict[str, LedgerEntry] = {}
        for query, values in ((_NAMING, list(order_ids)), (_WITH_ID, list(psp_references))):
            for reference, entry in self._file.execute(query, (json.dumps(values),)):
                found[reference] = LedgerEntry.model_validate_json(entry)
        return found
