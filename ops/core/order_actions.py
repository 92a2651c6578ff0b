"""Describes people's actions on an order, in one sentence each."""

from chassis.amounts import readable
from contracts.order_actions import OrderAction
from extras_service.order.staff_view import actions_of
from extras_service.order.state import Order


def sentences_of(order: Order) -> tuple[str, ...]:
    """Who did what to an order and its refunds, when and why, the oldest first."""
    acts = [(action.at, _sentence(action)) for action in actions_of(order)]
    for refund in order.refunds:
        if refund.asked_by:
            asked = f"refund of {readable(refund.amount)} requested by {refund.asked_by}"
            acts.append((refund.asked_at, _with_reason(asked, refund.reason)))
        if refund.settled is not None:
            by, amount = refund.settled.by or "the system", refund.settled.amount
            how = f" outside with {readable(amount)}" if amount else ""
            settled = f"failed refund of {readable(refund.amount)} settled{how} by {by}"
            acts.append((refund.settled.at, _with_reason(settled, refund.settled.reason)))
    acts.sort(key=lambda act: (act[0] is not None, act[0]))
    return tuple(f"{at:%Y-%m-%d %H:%M:%S} UTC: {words}" if at else words for at, words in acts)


def _sentence(action: OrderAction) -> str:
    amount = f", {readable(action.amount)}" if action.amount else ""
    forced = ", by force" if action.forced else ""
    return _with_reason(f"{action.action} by {action.role} {action.by}{amount}{forced}", action.reason)


def _with_reason(words: str, reason: str) -> str:
    return f"{words}: {reason}" if reason else words
