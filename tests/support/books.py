"""The books at the end of a test that broke things: is every order final, and is every cent where it belongs?"""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from tests.support.guest import Json
from tests.support.system import System

FINAL = ("confirmed", "fulfilled", "expired", "cancelled")


async def statuses(system: System) -> Counter[str]:
    return Counter([order["state"]["status"] async for order in system.documents["orders"].find({})])


async def all_final(system: System) -> bool:
    return set(await statuses(system)) <= {*FINAL, "needs_review"}


async def is_settled(system: System) -> bool:
    """No refund is open, no webhook on its way, every dispute is known as it is, and orders and payments agree."""
    return not await unsettled(system)


async def unsettled(system: System) -> dict[str, str]:
    """What keeps money from being settled, by payment or order."""
    found: dict[str, str] = {}
    refunds: dict[str, int] = {}
    async for document in system.documents["payments"].find({}):
        state = document["state"]
        stages = [refund["stage"] for refund in state["refunds"]]
        if {"requested", "pending"} & set(stages):
            found[document["_id"]] = f"refunds {stages}"
        refunds[state["order_id"]] = sum(r["amount"]["amount"] for r in state["refunds"] if r["stage"] == "succeeded")
    async for document in system.documents["orders"].find({}):
        state = document["state"]
        # An earlier version writes no stage.
        asked = sum(refund["amount"]["amount"] for refund in state["refunds"] if refund.get("stage") != "failed")
        reported = (state["refunded"] or {"amount": 0})["amount"]
        given = refunds.get(state["order_id"], 0)
        if not asked == reported == given:
            found[document["_id"]] = f"asked for {asked}, reported {reported}, given {given}"
    for dispute in await everything(system, "disputes"):
        known = await system.documents["payments"].find_one({"state.disputes.dispute_id": dispute["id"]})
        disputes = known["state"]["disputes"] if known else []
        known_as = [each["status"] for each in disputes if each["dispute_id"] == dispute["id"]]
        if known_as != [dispute["status"]]:
            found[dispute["id"]] = f"{dispute['status']}, known as {known_as}"
    if not await system.webhooks_delivered():
        found["webhooks"] = "on their way"
    return found


@dataclass(frozen=True)
class Line:
    """One PaymentIntent in the PSP's own books."""

    status: str
    captured: int
    refunds: tuple[int, ...]
    """Those that reached the guest, in minor units."""
    lost: int = 0
    """What banks have taken back for good."""


async def ledger_lines(system: System) -> dict[str, list[Line]]:
    """The PSP's books by order, read page by page with the secret key."""
    refunds: dict[str, list[int]] = {}
    for refund in await everything(system, "refunds"):
        assert refund["status"] in ("succeeded", "failed")
        if refund["status"] == "succeeded":
            refunds.setdefault(refund["payment_intent"], []).append(refund["amount"])
    lost: Counter[str] = Counter()
    for dispute in await everything(system, "disputes"):
        if dispute["status"] in ("lost", "prevented"):
            lost[dispute["payment_intent"]] += dispute["amount"]
    books: dict[str, list[Line]] = {}
    for intent in await everything(system, "payment_intents"):
        back = tuple(refunds.get(intent["id"], ()))
        line = Line(intent["status"], intent["amount_received"], back, lost[intent["id"]])
        books.setdefault(intent["metadata"]["order_id"], []).append(line)
    return books


async def everything(system: System, path: str) -> list[Json]:
    found: list[Json] = []
    page = await system.at_psp(path, limit=100)
    found += page["data"]
    while page["has_more"]:
        page = await system.at_psp(path, limit=100, starting_after=found[-1]["id"])
        found += page["data"]
    return found


def broken(
    order: Json,
    lines: list[Line],
    *,
    paid: bool,
    given_up: bool,
    given_back: Collection[int] = (0, 1000),
    outside: int = 0,
) -> str | None:
    """What is wrong with the money of an order, if anything is, given what its guest was shown and did.

    `paid`: the PSP showed the guest that it is paid, or will be. `given_up`: the guest cancelled or left. `given_back`:
    what the guest of a confirmed order may have been refunded, in minor units. `outside`: what they were given back
    past the PSP.
    """
    status, total = order["status"], order["total"]["amount"]
    captured = sum(line.captured for line in lines)
    lost = sum(line.lost for line in lines)
    refunds = [amount for line in lines for amount in line.refunds]
    reported = (order["refunded"] or {"amount": 0})["amount"]
    shown = f"{order['order_id']}: {order['status']}/{order['payment_status']}, {lines}"
    match status:
        case _ if status not in FINAL:
            return f"not final: {shown}"
        case _ if captured not in (0, total):
            return f"charged twice, or another amount: {shown}"
        case _ if sum(refunds) != reported or len(refunds) > 1:
            return f"refunded {refunds}, reported {reported}: {shown}"
        case _ if paid and captured == 0:
            return f"the guest was shown it is paid: {shown}"
        case "confirmed" if captured != total or sum(refunds) not in given_back:
            return f"confirmed without its money: {shown}"
        case "expired" | "cancelled" if captured != sum(refunds) + lost + outside:
            return f"money kept for nothing: {shown}"
        case "expired" | "cancelled" if paid and not given_up:
            return f"paid in time and closed: {shown}"
        case "confirmed" if given_up:
            return f"given up and confirmed: {shown}"
        case _:
            return None


async def repeated_effects(system: System) -> dict[str, int]:
    """Facts that were published more than once about the same order, by another message id.

    Each review that ends may confirm or cancel the order again.
    """
    once = ("orders.order-confirmed.v1", "orders.order-cancelled.v1", "orders.order-expired.v1")
    ids: dict[str, set[str | None]] = {}
    for message in await system.log():
        if message.type in once:
            about = f"{message.type} {json.loads(message.body)['order_id']}"
            ids.setdefault(about, set()).add(message.message_id)
    orders = system.documents["orders"].find({"state.reviews": {"$gt": 0}})
    reviews = {order["_id"]: order["state"]["reviews"] async for order in orders}
    return {about: len(found) for about, found in ids.items() if len(found) > 1 + reviews.get(about.split()[1], 0)}
