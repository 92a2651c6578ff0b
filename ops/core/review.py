"""Decides on orders under review: a proposal with its forecast, then the command to the extras service.

It is the command that the gateway sends for staff, with the operator's name and the operator's account at the broker.
"""

import asyncio
from dataclasses import dataclass, replace

from chassis.amounts import readable
from chassis.storage.audit_log import AuditLog
from chassis.storage.store import Store
from chassis.storage.stored_document import Stored
from contracts.ids import OrderId
from contracts.money import Money
from contracts.order_actions import ReviewResolution
from contracts.orders import OrderStatus, ResolveReview, Staff
from contracts.topology import COMMANDS, EXTRAS_COMMANDS
from extras_service.collections import ExtrasStore
from extras_service.order.state import Order
from ops.core.dry_run import DryRun, Forecast
from ops.core.messages import RecordedMessage
from ops.core.target import Target

DECIDED_WITHIN = 20.0
"""Seconds to wait until the extras service has handled a decision."""


class NotDecidableError(Exception):
    """Nothing was sent: the order is not under review, or the service would refuse the decision."""


class NotDecidedError(Exception):
    """The decision was sent, but the order does not show it."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A decision and its forecast."""

    order: Order
    command: ResolveReview
    who: str
    forecast: Forecast

    @property
    def described(self) -> str:
        """The decision in words, for the audit log."""
        amount = f", {readable(self.command.amount)}" if self.command.amount else ""
        return f"{self.command.resolution}{amount}{', by force' if self.command.force else ''}"


async def under_review(store: Store, order_id: str) -> Order:
    """The order of this id, which waits for a decision. Raises NotDecidableError."""
    stored = await ExtrasStore(store).orders.load(order_id)
    if stored is None:
        raise NotDecidableError(f"There is no order {order_id}.")
    if stored.state.status is not OrderStatus.NEEDS_REVIEW:
        raise NotDecidableError(f"{order_id} is not under review; it is {stored.state.summary}.")
    return stored.state


async def propose(
    store: Store,
    order: Order,
    resolution: ReviewResolution,
    *,
    who: str,
    why: str,
    amount: Money | None = None,
    force: bool = False,
) -> Proposal:
    """A decision with its forecast. Raises NotDecidableError where the service would not carry it out."""
    command = ResolveReview(
        order_id=order.order_id,
        staff=Staff(staff_id=f"{who} (operator)", property_id=order.guest.property_id),
        resolution=resolution,
        reason=why,
        amount=amount,
        force=force,
    )
    return await _forecast(store, Proposal(order, command, who, Forecast("")))


async def carry_out(target: Target, store: Store, proposal: Proposal) -> Order:
    """Send a decision, and return the order after it. Recorded in the audit log first.

    Raises NotDecidableError if its forecast has changed, and NotDecidedError.
    """
    command = proposal.command
    action, subjects = f"review {command.resolution}", (command.order_id,)
    detail = f"{proposal.described}; {proposal.forecast.in_full}"
    async with AuditLog(store).recorded(action, proposal.who, command.reason, subjects, detail) as act:
        now = await _forecast(store, replace(proposal, order=await under_review(store, command.order_id)))
        if (now.order.reviews, now.forecast) != (proposal.order.reviews, proposal.forecast):
            raise NotDecidableError(
                f"{command.order_id} has changed meanwhile, and nothing was sent: it would be {now.forecast.in_full}, "
                f"and not {proposal.forecast.in_full}."
            )
        decided = await _sent(target, store, command)
        act.outcome = decided.summary
    return decided


async def _forecast(store: Store, proposal: Proposal) -> Proposal:
    command = proposal.command
    message = RecordedMessage(
        message_id=f"review.{command.order_id}",
        kind=command.kind,
        body=command.to_wire(),
        exchange=COMMANDS.name,
        routing_key=command.kind,
    )
    forecast = await DryRun(store).forecast(message, EXTRAS_COMMANDS.name)
    if forecast.outcome != "applied":
        raise NotDecidableError(f"Nothing was sent, because it would be {forecast}. {forecast.sentence}".rstrip())
    return replace(proposal, forecast=forecast)


async def _sent(target: Target, store: Store, command: ResolveReview) -> Order:
    [message_id] = await target.send("review", [command])
    stored = await _handled(store, command.order_id, message_id)
    if stored is None or not stored.has_handled(message_id):
        found = f"it is {stored.state.summary}" if stored else "it is gone"
        raise NotDecidedError(
            f"The decision was sent, and {command.order_id} does not have it: {found}. See what has become of the "
            f"message {message_id}: `bellhop trace {command.order_id}`."
        )
    return stored.state


async def _handled(store: Store, order_id: OrderId, message_id: str) -> Stored[Order] | None:
    """The order once it has handled the message or left the review, or as it is after the time-out."""
    orders = ExtrasStore(store).orders
    until = asyncio.get_running_loop().time() + DECIDED_WITHIN
    while True:
        stored = await orders.load(order_id)
        is_over = (
            stored is None or stored.has_handled(message_id) or stored.state.status is not OrderStatus.NEEDS_REVIEW
        )
        if is_over or asyncio.get_running_loop().time() > until:
            return stored
        await asyncio.sleep(0.1)
