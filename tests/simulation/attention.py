"""What people must get to see: laws about failed refunds and documents."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.simulation.books import books_of, open_failures

if TYPE_CHECKING:
    from tests.simulation.world import World


def every_failed_refund_is_seen(world: "World") -> Iterator[str]:
    """By the PSP's books: its order names it as failed, and waits for a person unless one has dealt with it."""
    documents = world.collection("orders").documents
    for order_id, book in books_of(world).items():
        order = documents.get(order_id)
        if order is None:
            continue  # of an order that is not known, which is another law's
        stages = {each["refund_id"]: each["stage"] for each in order["state"]["refunds"]}
        for refund_id in book.failed:
            if refund_id not in book.refunds and stages.get(refund_id) != "failed":
                yield f"{order_id}: the PSP failed {refund_id}, and the order says {stages.get(refund_id)}"
        if "attention_since" not in order:
            for refund_id in open_failures(book, order["state"]):
                yield f"{order_id}: {refund_id} has failed, and it waits for no person"


def every_document_is_small(world: "World") -> Iterator[str]:
    """What is kept in one is bounded, however often something happens to it."""
    yield from world.writes.oversized
