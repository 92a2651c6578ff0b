"""Fills a store with settled orders and their payments, as copies of ones that were really paid."""

import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from bson.json_util import dumps, loads
from pymongo import MongoClient

from deploy.local.store import Store as Server
from deploy.local.store import store_for

_AT_ONCE = 200
"""Documents per write."""
APART = timedelta(minutes=5)
"""Between the creations of two copies."""


@contextmanager
def empty_store() -> Iterator[Server]:
    """A store of its own, with nothing in it; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="bellhop-store-") as folder:
        server = store_for(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def insert(mongodb_url: str, database: str, collection: str, documents: Iterable[Mapping[str, Any]]) -> None:
    """Insert many documents as they are."""
    with MongoClient[dict[str, Any]](mongodb_url, tz_aware=True) as client:
        left = iter(documents)
        while batch := list(islice(left, _AT_ONCE)):
            client[database][collection].insert_many([dict(document) for document in batch])


def fill(mongodb_url: str, database: str, orders: int) -> None:
    """Copy confirmed orders and their payments under new ids and for new guests until there are so many more.

    Each was placed five minutes before the last.

    Needs at least one confirmed order in the store.
    """
    with MongoClient[dict[str, Any]](mongodb_url, tz_aware=True) as client:
        kept = client[database]
        order = kept.orders.find_one({"state.status": "confirmed"})
        payment = kept.payments.find_one({"state.order_id": order["_id"]}) if order else None
        if order is None or payment is None:
            raise RuntimeError("there is no confirmed order to copy")
        for document in (order, payment):
            document["outbox"] = []
            document.pop("unsent_since", None)
        texts = {"orders": dumps(order), "payments": dumps(payment)}
        placed = datetime.fromisoformat(order["state"]["created_at"])
        suffix, guest_key = order["_id"].removeprefix("ord_"), order["state"]["guest_key"]
        left = iter(range(orders))
        while batch := list(islice(left, _AT_ONCE)):
            ids = [(uuid.uuid4().hex[: len(suffix)], f"filled-{number}") for number in batch]
            for name, text in texts.items():
                copies = [loads(text.replace(suffix, new).replace(guest_key, guest)) for new, guest in ids]
                for number, copy in zip(batch, copies, strict=True):
                    if "created_at" in copy["state"]:
                        copy["state"]["created_at"] = (placed - number * APART).isoformat().replace("+00:00", "Z")
                kept[name].insert_many(copies)
