"""What people must get to see: laws about failed refunds and documents."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.world import World

_FAILED = ("failed", "canceled")


def every_failed_refund_is_seen(world: "World") -> Iterator[str]:
    """By the PSP's books: its order names it as failed, and waits for a person unless one has dealt with it."""
    documents = world.collection("orders").documents
    owners = {each["id"]: each["metadata"].get("order_id") for each in world.psp.sandbox.state.payment_intents.values()}
    refunds = list(world.psp.sandbox.state.refunds.values())
    made = {each["metadata"].get("refund_id") for each in refunds if each["status"] not in _FAILED}
    for refund in refunds:
        refund_id = refund["metadata"].get("refund_id")
        if refund["status"] not in _FAILED or refund_id in made:
            continue
        order = documents.get(owners[refund["payment_intent"]])
        if order is None:
            continue  # of an order that is not known, which is another law's
        known = [each for each in order["state"]["refunds"] if each["refund_id"] == refund_id]
        if [each["stage"] for each in known] != ["failed"]:
            yield f"{order['_id']}: the PSP failed {refund_id}, and the order says {known}"
        elif not _is_dealt_with(order["state"], known[0]) and "attention_since" not in order:
            yield f"{order['_id']}: {refund_id} has failed, and it waits for no person"


def _is_dealt_with(state: dict[str, Any], refund: dict[str, Any]) -> bool:
    """Settled outside, asked for again, or all the money is with the guest in another way."""
    is_repeated = any(each.get("repeats") == refund["refund_id"] for each in state["refunds"])
    refunded = (state.get("refunded") or {"amount": 0})["amount"]
    is_all_back = not refund.get("is_second_charge") and refunded >= (state.get("received") or {"amount": 0})["amount"]
    return bool(refund.get("settled")) or is_repeated or is_all_back or bool(state.get("disputes"))


def every_document_is_small(world: "World") -> Iterator[str]:
    """What is kept in one is bounded, however often something happens to it."""
    yield from world.writes.oversized
