"""Staff: what they do with an order, drawn from the seed and the order's number alone; also twice, and two at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from client import calls
from client.calls import Call
from contracts.ids import PropertyId
from contracts.money import Money
from contracts.order_actions import ReviewResolution
from contracts.orders import OrderStatus, OrderView, Staff
from contracts.payments import RefundStage

PROPERTY, SEASIDE = PropertyId("alpenhof"), PropertyId("seaside")
STAFF = Staff(staff_id="sim", property_id=PROPERTY)
COLLEAGUE = Staff(staff_id="mia", property_id=PROPERTY)
PART = 500
"""Minor units of a partial refund; every order costs more."""
_LOOKS = (90.0, 700.0)
"""Seconds after a guest is through: refunds fail a minute after they were made."""

Ask = Callable[[Staff, Call[Any]], Awaitable[Any]]
"""Asks again and again, as a browser does, until there is an answer; None where none ever comes."""


@dataclass(frozen=True, slots=True)
class Duty:
    """What staff are going to do with one order."""

    number: int
    work: str
    """What they do with it once it is confirmed: "", "fulfil", "refund part", "refund" or "cancel"."""
    double_clicks: bool
    colleague: str
    """What another one of them does at the same moment; "": nothing."""
    failed_refund: str
    """What becomes of a refund that failed: "", "retry" or "settle outside"."""
    by_line: bool
    """Whether they fulfil, and refund a part of, the first line only."""
    review: str
    """How a review is decided: "", "accept", "by force", "refund" or "settled outside"."""

    approval: str
    """What they do with an order that awaits approval: "", "approve", "decline" or "both", at the same moment."""
    takes_out: bool
    """Whether they approve it without its second line."""
    decides_after: float
    """Seconds."""

    @classmethod
    def drawn(cls, seed: int, number: int, work: str) -> "Duty":
        random = Random(f"staff {number} of {seed}")  # noqa: S311 - chance for tests, not for secrets
        own = Random(f"approval by staff {number} of {seed}")  # noqa: S311 - as above
        return cls(
            number,
            "cancel" if not work and random.random() < 0.08 else work,
            double_clicks=random.random() < 0.3,
            colleague=random.choices(("", "fulfil", "refund part", "refund", "cancel"), (80, 5, 5, 5, 5))[0],
            failed_refund=random.choices(("", "retry", "settle outside"), (50, 30, 20))[0],
            by_line=Random(f"line {number} of {seed}").random() < 0.3,  # noqa: S311 - as above
            approval=own.choices(("", "approve", "decline", "both"), (2, 65, 23, 10))[0],
            takes_out=Random(f"taken out {number} of {seed}").random() < 0.5,  # noqa: S311 - as above
            decides_after=own.choice((1.0, 60.0, 1800.0)),
            review=random.choices(("", "accept", "by force", "refund", "settled outside"), (50, 15, 5, 15, 15))[0],
        )

    @property
    def looks_after(self) -> bool:
        return bool(self.failed_refund or self.review)


async def work_on(duty: Duty, order_id: str, ask: Ask) -> bool:
    """What is to be done with a confirmed order. Whether it was cancelled by that."""
    first, second = _call_of(duty, duty.work, order_id), _call_of(duty, duty.colleague, order_id, "mia")
    asked = [ask(STAFF, first) for _ in range(1 + duty.double_clicks)] if first is not None else []
    if second is not None:
        asked.append(ask(COLLEAGUE, second))
    answers = await asyncio.gather(*asked)
    return any(isinstance(each, OrderView) and each.status is OrderStatus.CANCELLED for each in answers)


async def decide_on(duty: Duty, order_id: str, ask: Ask) -> None:
    """What becomes of an order that awaits approval; without a decision it is declined by itself, days later."""
    approve, decline = calls.approve_order(order_id), calls.decline_order(order_id, reason="the room is needed")
    seen = await ask(STAFF, calls.get_order(order_id)) if duty.takes_out else None
    if isinstance(seen, OrderView) and len(seen.lines) > 1:
        approve = calls.approve_order(order_id, without_lines=[1], reason="it is taken that day")
    chosen = {"approve": [approve], "decline": [decline], "both": [approve, decline]}.get(duty.approval, [])
    await asyncio.sleep(duty.decides_after if chosen else 0.0)
    again = 1 + duty.double_clicks
    await asyncio.gather(*(ask(STAFF, each) for each in chosen for _ in range(again)))


def _call_of(duty: Duty, work: str, order_id: str, who: str = "staff") -> Call[Any] | None:
    match work:
        case "fulfil":
            return calls.fulfil_order(order_id, lines=[0] if duty.by_line else None)
        case "cancel":
            return calls.cancel_order(order_id, reason="the guest asked for it at the desk")
        case "refund part" | "refund":
            amount = Money(amount=PART, currency="EUR") if work == "refund part" else None
            key = f"{who}-{duty.number}"
            line = 0 if duty.by_line and amount is not None else None
            return calls.refund_order(order_id, reason="the guest complained", key=key, amount=amount, line=line)
        case _:
            return None


async def look_after(duty: Duty, order_id: str, ask: Ask) -> None:
    """Decide what waits for a person."""
    for pause in _LOOKS if duty.looks_after else ():
        await asyncio.sleep(pause)
        seen = await ask(STAFF, calls.get_order(order_id))
        if not isinstance(seen, OrderView):
            return
        for call in _decisions(duty, seen):
            await asyncio.gather(*(ask(who, call) for who in (STAFF, COLLEAGUE)[: 1 + duty.double_clicks]))


def _decisions(duty: Duty, order: OrderView) -> list[Call[Any]]:
    failed = [each for each in order.refunds or () if each.stage is RefundStage.FAILED and each.needs_attention]
    if order.status is OrderStatus.NEEDS_REVIEW:
        return [call] if (call := _review(duty, order)) else []
    match duty.failed_refund:
        case "retry":
            return [calls.retry_refund(order.order_id, each.refund_id, reason="again") for each in failed]
        case "settle outside":
            return [
                calls.settle_refund_outside(order.order_id, each.refund_id, reason="in cash", amount=each.amount)
                for each in failed
            ]
        case _:
            return []


def _review(duty: Duty, order: OrderView) -> Call[OrderView] | None:
    match duty.review:
        case "accept" | "by force":
            accept, force = ReviewResolution.ACCEPT, duty.review == "by force"
            return calls.resolve_review(order.order_id, accept, reason="the guest has it", force=force)
        case "refund":
            return calls.resolve_review(order.order_id, ReviewResolution.REFUND, reason="the guest leaves")
        case "settled outside":
            return calls.resolve_review(order.order_id, ReviewResolution.SETTLED_OUTSIDE, reason="in cash")
        case _:
            return None
