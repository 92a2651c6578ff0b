"""Reconciliation on demand: the running services compare open payments and recent events with the PSP."""

import asyncio
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Envelope
from chassis.runtime.metrics import Metrics
from chassis.storage.audit_log import AuditLog
from chassis.storage.documents import Documents
from chassis.storage.store import Store
from contracts.ids import OrderId, PaymentId, order_id_of, payment_id_of
from contracts.message import Command, Event
from contracts.psp import RetrievePspSession, SweepPspEvents
from extras_service.collections import ExtrasStore
from extras_service.order.state import Order
from ops.core.lost_payments import WAITING, refunds_to_repeat, restore, waiting_orders
from ops.core.target import Target
from payment_service.collections import PaymentStore
from payment_service.event_backfill import FIRST_LOOK_BACK, sweep_id
from payment_service.payment.state import Payment, PaymentStage
from psp_adapter.ledger import Ledger
from psp_adapter.stripe_objects import id_of

OPEN = (
    PaymentStage.CREATED,
    PaymentStage.SESSION_OPEN,
    PaymentStage.ACTION_REQUIRED,
    PaymentStage.PROCESSING,
    PaymentStage.CLOSING,
    PaymentStage.UNKNOWN,
)
_BATCH = 500
SETTLED_AFTER = 2.0
"""Seconds without a change after which everything is taken to have arrived."""


class NoSuchOrderError(Exception):
    """No order has the id that was named."""


@dataclass(frozen=True, slots=True)
class Change:
    """An order or payment whose summary changed."""

    id: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    asked: int
    restored: int
    """Orders whose payment or refund was unknown here, or whose outcome they had not received."""
    is_swept: bool
    changes: tuple[Change, ...]


async def reconcile(
    target: Target, *, who: str, why: str, orders: Sequence[OrderId] = (), patience: float = 60.0
) -> Reconciliation:
    """Have the services poll every open payment and read recent PSP events, and report the changes.

    `orders`: compared with their payments, too, whatever their status. Raises NoSuchOrderError before anything is sent.

    The payment of an order that is unknown here is searched at the PSP by the order's id. The services do the work,
    with their usual messages; `is_swept` is False if they did not finish within `patience` seconds. Recorded in the
    audit log first.
    """
    metrics = Metrics("reconcile")
    store = target.store(metrics)
    try:
        async with AuditLog(store).recorded("reconcile", who, why, tuple(orders)) as act:
            result = await _reconcile(target, store, metrics, orders, patience)
            act.outcome = (
                f"{result.asked} open payments asked about, {result.restored} orders' payments restored, "
                f"{len(result.changes)} changes"
            )
    finally:
        store.close()
    return result


async def _reconcile(
    target: Target, store: Store, metrics: Metrics, named: Sequence[OrderId], patience: float
) -> Reconciliation:
    async with AsyncExitStack() as opened:
        psp = target.psp()
        opened.push_async_callback(psp.close)
        bus = await opened.enter_async_context(target.bus("reconcile", metrics))
        orders, payments = ExtrasStore(store).orders, PaymentStore(store)
        for order_id in named:
            if await orders.load(order_id) is None:
                raise NoSuchOrderError(f"There is no order {order_id}.")
        since = {account.name: await _swept_until(payments, account.name) for account in psp}
        events = [event for account in psp for event in await account.stripe.events_since(since[account.name])]
        watched = sorted({*named, *await _may_change(orders, payments, events)})
        before = await _summaries(watched, orders, payments)
        open_payments = [payment for payment in await _payments_of(watched, payments) if payment.status in OPEN]
        for payment in open_payments:
            if payment.session is not None:
                question = RetrievePspSession(
                    order_id=payment.order_id,
                    payment_id=payment.payment_id,
                    psp_account=payment.psp_account,
                    psp_reference=payment.session.psp_reference,
                )
                await _send(bus, question)
        waiting = await waiting_orders(orders, payments.payments)
        ledgers = tuple(Ledger(account.stripe, target.installation) for account in psp)
        restored = await restore(waiting, payments.payments, ledgers, partial(_send, bus))
        restored += await _repeat_refunds(watched, orders, payments, bus)
        for account, begin in since.items():
            await _send(bus, SweepPspEvents(psp_account=account, since=begin))
        known = {account: begin for account, begin in since.items() if await payments.sweeps.load(sweep_id(account))}
        is_swept = all([await _until_swept(payments, account, begin, patience) for account, begin in known.items()])
        after = await _settled(watched, orders, payments)
    changes = tuple(
        Change(name, before.get(name, "-"), summary)
        for name, summary in sorted(after.items())
        if before.get(name) != summary
    )
    return Reconciliation(len(open_payments), restored, is_swept, changes)


async def _send(bus: Bus, message: Command | Event) -> None:
    message_id = f"reconcile.{uuid.uuid4().hex}"
    await bus.publish(Envelope(message, message_id, correlation_id=message_id))


async def _may_change(
    orders: Documents[Order], payments: PaymentStore, events: Iterable[Mapping[str, Any]]
) -> Sequence[OrderId]:
    """Orders that wait for their payment or a person, whose payment is polled or refunded, or that an event names.

    No others change by a reconciliation: what is final is not read, however much of it there is.
    """
    found = {OrderId(order_id) for status in WAITING async for order_id in orders.ids(status=status)}
    found |= {OrderId(order_id) async for order_id in orders.ids(waiting=True)}
    found |= {order_id_of(PaymentId(each)) async for each in payments.payments.ids(scheduled=True)}
    found |= {order_id_of(PaymentId(each)) async for each in payments.payments.ids(waiting=True)}
    subjects = [event["data"]["object"] for event in events]
    references = {id_of(subject.get("payment_intent")) or id_of(subject) for subject in subjects}
    holders = await payments.holders.get(reference for reference in references if reference)
    return sorted(found | {holder.order_id for holder in holders.values()})


async def _repeat_refunds(
    order_ids: Sequence[OrderId], orders: Documents[Order], payments: PaymentStore, bus: Bus
) -> int:
    """Repeat the refunds that one side has lost. Returns the number of orders."""
    repeated = 0
    for ids in _batches(order_ids):
        known = {payment.order_id: payment for payment in await _payments_of(ids, payments)}
        for _, order in await orders.load_many(ids):
            lost = refunds_to_repeat(order, known.get(order.order_id))
            for command in lost:
                await _send(bus, command)
            repeated += bool(lost)
    return repeated


async def _payments_of(order_ids: Sequence[OrderId], payments: PaymentStore) -> list[Payment]:
    found: list[Payment] = []
    for ids in _batches(order_ids):
        found += [payment for _, payment in await payments.payments.load_many(list(map(payment_id_of, ids)))]
    return found


async def _summaries(
    order_ids: Sequence[OrderId], orders: Documents[Order], payments: PaymentStore
) -> Mapping[str, str]:
    """The summaries of these orders and their payments, by id."""
    summary: dict[str, str] = {}
    for ids in _batches(order_ids):
        summary |= {order.order_id: order.summary for _, order in await orders.load_many(ids)}
    return summary | {payment.payment_id: payment.summary for payment in await _payments_of(order_ids, payments)}


def _batches(order_ids: Sequence[OrderId]) -> Iterator[Sequence[OrderId]]:
    return (order_ids[start : start + _BATCH] for start in range(0, len(order_ids), _BATCH))


async def _swept_until(payments: PaymentStore, psp_account: str) -> datetime:
    sweep = await payments.sweeps.load(sweep_id(psp_account))
    return sweep.state.since if sweep else datetime.now(UTC) - FIRST_LOOK_BACK


async def _until_swept(payments: PaymentStore, psp_account: str, since: datetime, patience: float) -> bool:
    try:
        async with asyncio.timeout(patience):
            while True:
                sweep = await payments.sweeps.load(sweep_id(psp_account))
                if sweep is not None and sweep.state.since > since:
                    return True
                await asyncio.sleep(0.2)
    except TimeoutError:
        return False


async def _settled(order_ids: Sequence[OrderId], orders: Documents[Order], payments: PaymentStore) -> Mapping[str, str]:
    last = await _summaries(order_ids, orders, payments)
    while True:
        await asyncio.sleep(SETTLED_AFTER)
        now = await _summaries(order_ids, orders, payments)
        if now == last:
            return now
        last = now
