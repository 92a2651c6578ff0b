"""Orders and payments that something has happened to: another amount, a dispute, a refund that failed."""

from datetime import date
from typing import Any

from contracts.ids import ExtraId
from extras_service.stock.state import stock_id
from tests.support.desk import TOTAL, Desk, cancel, change_amount, intent_of, paid_order, refunds_of
from tests.support.guest import Guest, Json, body
from tests.support.system import REFUND_FAILS_CARD, System
from tests.support.waiting import until

MASSAGE, PLACES = ExtraId("alm-massage"), 6

OTHER = TOTAL - 700


async def mismatched(system: System, guest: Guest, amount: int = OTHER) -> str:
    """An order for which the guest paid another amount."""
    order_id: str = (await guest.order())["order_id"]
    session = await guest.session(order_id)
    await change_amount((await intent_of(system, order_id))["id"], amount, system)
    body(await system.pay(session), 200)
    await guest.sees(order_id, status="needs_review", payment_status="mismatched")
    return order_id


async def failed_part(system: System, guest: Guest, desk: Desk) -> tuple[str, Json]:
    """A fulfilled order of which a refund of a part has failed after it looked settled, and that refund."""
    order_id = await paid_order(system, guest, card=REFUND_FAILS_CARD)
    body(await desk.fulfil(order_id), 200)
    body(await desk.refund(order_id, 1200), 200)
    await guest.sees(order_id, payment_status="partially_refunded")
    [made] = await refunds_of(system, order_id)
    await system.switch(f"refunds/{made['id']}/settle", {"outcome": "fail"})

    async def is_seen() -> Json | None:
        [refund] = (await desk.sees(order_id))["refunds"]
        return refund if refund["needs_attention"] else None

    return order_id, await until(is_seen, "staff see the failed refund")


async def disputed(system: System, order_id: str, **how: Any) -> Json:
    """A dispute of the order's payment: its amount, how it begins."""
    intent = await intent_of(system, order_id)
    return await system.switch(f"payment_intents/{intent['id']}/dispute", how)


async def becomes(system: System, dispute: Json, status: str) -> None:
    await system.switch(f"disputes/{dispute['id']}/status", {"status": status})


def massage(day: str, quantity: int = 1) -> Json:
    return {"extra_id": MASSAGE, "quantity": quantity, "day": day}


async def taken(system: System, day: str) -> int:
    """How many places of a day are held or sold."""
    stock = await system.documents["stock"].find_one({"_id": stock_id(MASSAGE, date.fromisoformat(day))})
    return sum(hold["quantity"] for hold in stock["state"]["holds"]) if stock else 0


async def sold_out_review(system: System, guest: Guest, day: str) -> str:
    """A cancelled order under review, for its refund has failed, while others have all places of its day."""
    order_id = await paid_order(system, guest, massage(day), card=REFUND_FAILS_CARD)
    body(await cancel(guest, order_id), 200)
    await guest.sees(order_id, status="cancelled", payment_status="refunded")
    for _ in range(PLACES):
        await system.guest().order(massage(day))
    [refund] = await refunds_of(system, order_id)
    await system.switch(f"refunds/{refund['id']}/settle", {"outcome": "fail"})
    await guest.sees(order_id, status="needs_review")
    return order_id
