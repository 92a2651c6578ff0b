"""Finds what the stored documents, the dead letters, the plans and the audit log say of a guest."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from chassis.personal_data import Erasure
from chassis.storage.audit_log import AuditEntry, AuditLog
from chassis.storage.store import Store
from contracts.ids import GuestId, PropertyId, payment_id_of
from extras_service.collections import ExtrasStore
from extras_service.order.state import Order, guest_key
from extras_service.receipt.state import OrderReceipts
from extras_service.stock.state import stock_id
from notifications.collections import NotificationStore
from notifications.contact.state import GuestContact
from notifications.mail.state import Mail
from ops.core.dead_letters.letters import DeadLetter
from ops.core.large_bodies import BodyGoneError
from ops.core.messages import Filter, RecordedMessage
from ops.core.replay.plans import Planned
from ops.core.session import OperatorSession
from payment_service.collections import PaymentStore
from payment_service.payment.state import Payment

_AT_ONCE = 200
"""Documents in one read."""


@dataclass(frozen=True, slots=True)
class Known:
    """Everything about one guest of one property that is stored here."""

    guest_id: str
    property_id: str
    orders: tuple[Order, ...] = ()
    payments: tuple[Payment, ...] = ()
    receipts: tuple[OrderReceipts, ...] = ()
    holds: tuple[str, ...] = ()
    """The days of limited extras on which the orders hold places."""
    letters: tuple[DeadLetter, ...] = ()
    """With whole bodies."""
    planned: tuple[Planned, ...] = ()
    """With whole bodies."""
    audit: tuple[AuditEntry, ...] = ()
    contact: GuestContact | None = None
    mails: tuple[Mail, ...] = ()

    @property
    def is_nothing(self) -> bool:
        return not (self.contact or self.orders or self.letters or self.planned or self.audit)

    @property
    def psp_references(self) -> tuple[str, ...]:
        """The sessions at the PSP that were opened for the guest: Stripe's PaymentIntents."""
        return tuple(dict.fromkeys(reference for payment in self.payments for reference in sessions_of(payment)))


def sessions_of(payment: Payment) -> Iterator[str]:
    """All sessions of a payment, the current one first."""
    if payment.session is not None:
        yield payment.session.psp_reference
    if payment.paid_reference:
        yield payment.paid_reference
    yield from (*payment.earlier_sessions, *payment.unclosed, *payment.claimed)


async def known_of(desk: OperatorSession, guest_id: str, property_id: str) -> Known:
    """Everything about the guest. Drains the dead queues first.

    Reads all dead letters, plans and audit entries: none of them is indexed by guest. Raises StoreUnavailableError.
    """
    orders = await _orders_of(desk.store, guest_id, property_id)
    return await _with_operators_records(desk, Known(guest_id, property_id, tuple(orders)))


async def _with_operators_records(desk: OperatorSession, known: Known) -> Known:
    await desk.letters.drain()
    ids = [order.order_id for order in known.orders]
    payments, receipts = PaymentStore(desk.store).payments, ExtrasStore(desk.store).receipts
    kept = NotificationStore(desk.store)
    mine = Mentions(Erasure(known.guest_id, known.property_id, known.guest_id), frozenset(ids))
    letters = await _letters(desk, mine)
    return Known(
        known.guest_id,
        known.property_id,
        known.orders,
        tuple(payment for _, payment in await loaded(payments, list(map(payment_id_of, ids)))),
        tuple(filed for _, filed in await loaded(receipts, ids)),
        _holds_of(known.orders),
        tuple(letters),
        tuple(await _planned(desk, mine)),
        tuple(await _audit(desk.store, {*ids, *(letter.letter_id for letter in letters)})),
        await kept.contact_of(PropertyId(known.property_id), GuestId(known.guest_id)),
        tuple([mail for order_id in ids for mail in await kept.mails_of(order_id)]),
    )


async def _orders_of(store: Store, guest_id: str, property_id: str) -> list[Order]:
    orders = ExtrasStore(store).orders
    ids = [each async for each in orders.all_ids(guest_key=guest_key(guest_id, property_id))]
    found = [order for _, order in await loaded(orders, ids)]
    return sorted(found, key=lambda order: (order.created_at, order.order_id))


async def loaded(documents: Any, ids: Sequence[str]) -> list[Any]:
    found: list[Any] = []
    for start in range(0, len(ids), _AT_ONCE):
        found += await documents.load_many(ids[start : start + _AT_ONCE])
    return found


def _holds_of(orders: Sequence[Order]) -> tuple[str, ...]:
    dated = ((line, line.day) for order in orders for line in order.lines)
    return tuple(dict.fromkeys(stock_id(line.extra_id, day, line.slot) for line, day in dated if day is not None))


@dataclass(frozen=True, slots=True)
class Mentions:
    """Finds messages about a guest: by their orders, and by the guest's id in the body."""

    guest: Erasure
    order_ids: frozenset[str]

    def are_in(self, message: RecordedMessage) -> bool:
        """`message` has its whole body."""
        if message.order_id in self.order_ids:
            return True
        try:
            return self.guest.concerns(json.loads(message.body))
        except (ValueError, RecursionError):
            # No JSON: two names within it are taken for the guest's.
            named = (self.guest.guest_id, self.guest.property_id)
            return all(name.encode(errors="surrogatepass") in message.body for name in named)


async def _letters(desk: OperatorSession, mine: Mentions) -> list[DeadLetter]:
    whole = [
        letter.model_copy(update={"message": await whole_of(desk, letter.message)})
        for letter in await desk.letters.matching(Filter(), None)
    ]
    return [letter for letter in whole if mine.are_in(letter.message)]


async def _planned(desk: OperatorSession, mine: Mentions) -> list[Planned]:
    found: list[Planned] = []
    async for items in desk.plans.messages():
        whole = [item.model_copy(update={"message": await whole_of(desk, item.message)}) for item in items]
        found += [item for item in whole if mine.are_in(item.message)]
    return found


async def whole_of(desk: OperatorSession, message: RecordedMessage) -> RecordedMessage:
    """The message with its whole body, or with its beginning if the rest was deleted."""
    with suppress(BodyGoneError):
        return await desk.letters.bodies.whole(message)
    return message


async def _audit(store: Store, subjects: set[str]) -> list[AuditEntry]:
    return [entry for entry in await AuditLog(store).entries() if subjects.intersection(entry.subjects)]
