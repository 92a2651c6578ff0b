"""Erases what is known of a guest everywhere but in the books: orders and payments by commands to their services, the
operators' own records here (docs/decisions/0048-erasure.md)."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from chassis.messaging.envelope import utc_now
from chassis.personal_data import ERASED, Erasure
from chassis.storage.audit_log import AuditEntry, AuditLog
from contracts.ids import GuestId, OrderId, PropertyId
from contracts.mail import ContactSource, ForgetContact
from contracts.message import Command, Message
from extras_service.collections import ExtrasStore
from extras_service.order.erasure import why_open
from extras_service.order.erasure_ledger import ErasedOrder
from extras_service.order.state import Order
from ops.core.dead_letters.letters import DeadLetter, Stage
from ops.core.guests.known import Known, known_of, loaded, whole_of
from ops.core.messages import Filter, RecordedMessage
from ops.core.replay.plans import Planned, PlanStage, Result
from ops.core.session import OperatorSession

ERASED_WITHIN = 20.0
"""Seconds without progress after which the extras service is taken not to answer."""
_RecordT = TypeVar("_RecordT", DeadLetter, Planned)
_REMARK = "the guest's data was erased"


class NotErasableError(Exception):
    """Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an erasure would do."""

    known: Known
    erasure: Erasure
    at: datetime

    @property
    def final(self) -> tuple[Order, ...]:
        """The orders that forget the guest now."""
        return tuple(order for order in self.known.orders if why_open(order, self.at) is None)

    @property
    def open(self) -> dict[OrderId, str]:
        """The orders that forget the guest once they are final, each with what is open."""
        reasons = ((order.order_id, why_open(order, self.at)) for order in self.known.orders)
        return {order_id: reason for order_id, reason in reasons if reason is not None}


@dataclass(frozen=True, slots=True)
class Report:
    """What an erasure has done."""

    pseudonym: str
    erased: tuple[OrderId, ...]
    to_be_erased: tuple[OrderId, ...]
    unanswered: tuple[OrderId, ...]
    """The extras service has not handled the command: it will, once it runs."""
    letters: int
    planned: int
    left: tuple[str, ...]
    """Dead letters of orders that are not erased yet, or that another operator has moved: erase again later."""

    @property
    def summary(self) -> str:
        parts = (
            f"orders erased: {len(self.erased)}, to be erased once they are final: {len(self.to_be_erased)}",
            f"rewritten dead letters: {self.letters}, messages of replay plans: {self.planned}",
            *((f"orders not answered yet: {len(self.unanswered)}",) if self.unanswered else ()),
            *((f"dead letters left: {len(self.left)}",) if self.left else ()),
        )
        return "; ".join(parts)


async def propose(desk: OperatorSession, guest_id: str, property_id: str) -> Proposal:
    """What would go, and what would stay. Changes nothing. Raises NotErasableError."""
    known = await known_of(desk, guest_id, property_id)
    running = {plan.plan_id for plan in await desk.plans.all() if plan.stage is PlanStage.RUNNING}
    if sending := sorted({item.plan_id for item in known.planned if item.result is None} & running):
        raise NotErasableError(f"Nothing was erased: {', '.join(sending)} is sending messages of this guest. Pause it.")
    pseudonym = f"erased-{secrets.token_hex(8)}"
    return Proposal(known, Erasure(guest_id, property_id, pseudonym), utc_now())


async def carry_out(desk: OperatorSession, proposal: Proposal, *, who: str, why: str) -> Report:
    """Erase. Recorded in the audit log first, by the orders and without the guest's name.

    An erasure that was interrupted is completed by the next one. Raises StoreUnavailableError and the broker's errors.
    """
    known, erasure = proposal.known, proposal.erasure
    subjects = tuple(order.order_id for order in known.orders)
    async with AuditLog(desk.store).recorded("erase guest", who, why, subjects, f"as {erasure.pseudonym}") as act:
        if known.contact is not None:
            await _forget_address(desk, known)
        orders = await _forgotten(desk, known, erasure, proposal.at)
        is_open = {order.order_id for order in orders if order.erased_at is None}
        letters = [each for each in known.letters if each.message.order_id not in is_open]
        await _forget_in_audit_log(desk, {*subjects, *(each.letter_id for each in letters)})
        rewritten = [each for each in letters if await _rewrite_letter(desk, each, erasure)]
        planned = [each for each in known.planned if each.message.order_id not in is_open]
        for item in planned:
            await _rewrite_planned(desk, item, erasure)
        report = Report(
            erasure.pseudonym,
            tuple(order.order_id for order in orders if order.erased_at is not None),
            tuple(order.order_id for order in orders if order.erased_at is None and order.erasure is not None),
            tuple(order.order_id for order in orders if order.erasure is None),
            len(rewritten),
            len(planned),
            tuple(each.letter_id for each in known.letters if each not in rewritten),
        )
        act.outcome = report.summary
    return report


async def _forget_address(desk: OperatorSession, known: Known) -> None:
    """Ask the notification service to forget the guest's address. It will once it runs."""
    command = ForgetContact(
        property_id=PropertyId(known.property_id),
        guest_id=GuestId(known.guest_id),
        source=ContactSource.OPERATOR,
        at=utc_now(),
    )
    await desk.target.send("erase", [command])


async def _forgotten(desk: OperatorSession, known: Known, erasure: Erasure, now: datetime) -> list[Order]:
    """The orders after the extras service was asked to erase them."""
    asked = [
        ErasedOrder(
            order_id=order.order_id,
            property_id=order.guest.property_id,
            pseudonym=erasure.pseudonym,
            asked_at=now,
        )
        for order in known.orders
        if order.erasure is None
    ]
    await ExtrasStore(desk.store).erasures.put({each.order_id: each for each in asked})
    await desk.target.send("erase", [entry.command for entry in asked])
    return await _answered(desk, [order.order_id for order in known.orders])


async def _answered(desk: OperatorSession, ids: Sequence[OrderId]) -> list[Order]:
    documents, left, found = ExtrasStore(desk.store).orders, list(ids), dict[str, Order]()
    clock = asyncio.get_running_loop().time
    until = clock() + ERASED_WITHIN
    while True:
        found |= {order.order_id: order for _, order in await loaded(documents, left)}
        waiting = [each for each in left if each in found and found[each].erasure is None]
        if not waiting or clock() > until:
            return list(found.values())
        if len(waiting) < len(left):
            until = clock() + ERASED_WITHIN
        left = waiting
        await asyncio.sleep(0.1)


async def _rewrite_letter(desk: OperatorSession, letter: DeadLetter, erasure: Erasure) -> bool:
    """Whether it was rewritten. A command that waits is discarded as well: it would bring the guest back."""
    if not await desk.letters.rewrite(letter, without_guest(letter.message, erasure)):
        return False
    if letter.stage is Stage.WAITING and _is_command(letter.message):
        await desk.letters.move(letter, Stage.DISCARDED)
    return True


async def forget_records(desk: OperatorSession) -> tuple[int, int]:
    """Rewrite the operators' records about orders that have forgotten their guests: of those that forgot by age, what
    an interrupted erasure has left, and what came afterwards, from a queue or from a backup. A plan that is being sent
    is left.

    Returns the numbers of dead letters and of messages of plans.
    """
    await desk.letters.drain()
    letters = planned = 0
    await _forget_in_audit_log(desk)
    async for letter, erasure in _forgotten_in(desk, await desk.letters.matching(Filter(), None)):
        letters += await _rewrite_letter(desk, letter, erasure)
    running = {plan.plan_id for plan in await desk.plans.all() if plan.stage is PlanStage.RUNNING}
    async for items in desk.plans.messages():
        async for item, erasure in _forgotten_in(desk, [each for each in items if each.plan_id not in running]):
            await _rewrite_planned(desk, item, erasure)
            planned += 1
    return letters, planned


async def _forgotten_in(desk: OperatorSession, records: Sequence[_RecordT]) -> AsyncIterator[tuple[_RecordT, Erasure]]:
    """The records, with whole bodies, that still say what their orders have forgotten."""
    ids = sorted({each.message.order_id for each in records if each.message.order_id})
    orders = {order.order_id: order for _, order in await loaded(ExtrasStore(desk.store).orders, ids)}
    for record in records:
        order = orders.get(OrderId(record.message.order_id or ""))
        if order is None or order.erased_at is None or order.erasure is None:
            continue
        whole = record.model_copy(update={"message": await whole_of(desk, record.message)})
        erasure = Erasure(order.erasure, order.guest.property_id, order.erasure)
        if without_guest(whole.message, erasure).body != whole.message.body:
            yield whole, erasure


async def _rewrite_planned(desk: OperatorSession, item: Planned, erasure: Erasure) -> None:
    await desk.plans.rewrite(item, without_guest(item.message, erasure))
    if item.result is None and _is_command(item.message):
        await desk.plans.note(item, Result.SKIPPED, _REMARK)


async def _forget_in_audit_log(desk: OperatorSession, also: Iterable[str] = ()) -> None:
    """Forget what the entries say about orders that have forgotten their guests, and about the orders and dead letters
    in `also`.

    Decided by the stored orders alone, so that it completes what an interrupted erasure has left.
    """
    log = AuditLog(desk.store)
    typed = [entry for entry in await log.entries() if entry.subjects and _typed_in(entry)]
    subjects = sorted({subject for entry in typed for subject in entry.subjects})
    known = await desk.letters.records.get(subjects)
    letters = {letter_id: letter.message.order_id or "" for letter_id, letter in known.items()}
    orders = await loaded(ExtrasStore(desk.store).orders, sorted({*subjects, *letters.values()}))
    erased = {order.order_id for _, order in orders if order.erased_at is not None}
    is_erased = {order.order_id: order.order_id in erased for _, order in orders}
    is_erased |= {letter_id: order_id in erased for letter_id, order_id in letters.items()} | dict.fromkeys(also, True)
    for entry in typed:
        about = [is_erased[subject] for subject in entry.subjects if subject in is_erased]
        texts = _typed_in(entry, has_others=not all(about)) if any(about) else []
        if texts:
            await log.forget(entry, **dict.fromkeys(texts, ERASED))


def _typed_in(entry: AuditEntry, *, has_others: bool = False) -> list[str]:
    """The fields of an entry that may say something of a guest: the bodies of corrected letters, and the reason, unless
    it is about other guests as well."""
    if entry.action in ("erase guest", "export guest"):
        return []
    names = [*(["detail"] if entry.action == "edit" else []), *([] if has_others else ["why"])]
    return [name for name in names if getattr(entry, name) not in ("", ERASED)]


def without_guest(message: RecordedMessage, erasure: Erasure) -> RecordedMessage:
    """The message without its guest. A body that is not JSON keeps the order's id alone."""
    try:
        body = json.dumps(erasure.of(json.loads(message.body)), separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        body = json.dumps({"order_id": message.order_id, "body": ERASED}).encode()
    return message.model_copy(update={"body": body, "large": None})


def _is_command(message: RecordedMessage) -> bool:
    known = Message.kinds.get(message.kind)
    return known is None or issubclass(known, Command)
