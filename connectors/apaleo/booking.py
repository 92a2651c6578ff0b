"""Books one webhook: what is missing on the folio, in order, each posting looked for before it is asked for."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

import structlog

from chassis.errors import StoreUnavailableError, TransientError
from chassis.storage.documents import Documents, DocumentStore
from chassis.storage.retention import RetentionSweep
from chassis.storage.stored_document import Stored
from connectors.apaleo.api import ApaleoRefusedError, ApaleoUnavailableError
from connectors.apaleo.folios import Entry, Folio, Folios, Target
from connectors.apaleo.ledger import Ledger
from connectors.apaleo.postings import AnyPosting, Refund, Terms, UnbookableError, postings_of
from contracts.webhooks import OrderData

log = structlog.get_logger()

_GRACE = 10.0
"""Seconds for the last write of an attempt, after its time is up."""


class BusyError(TransientError):
    """Another attempt to book this order is under way, or has died a moment ago."""

    def __init__(self) -> None:
        super().__init__("another attempt to book this order is under way")


class OutOfTimeError(TransientError):
    """Not everything was booked in time. The next attempt goes on with the rest."""

    def __init__(self, within: float) -> None:
        super().__init__(f"not everything was booked within {within:g} s")


class Pms(Protocol):
    """What is asked of Apaleo."""

    async def folios(self, reservation_id: str, property_id: str) -> tuple[Folio, ...]: ...
    async def refunds(self, folio_id: str) -> tuple[Entry, ...]: ...
    async def post(self, posting: AnyPosting, target: Target, key: str) -> str: ...


def ledgers_in(store: DocumentStore) -> Documents[Ledger]:
    return store.documents("apaleo_folios", Ledger, indexed=("used_at",))


def retention_of(
    ledgers: Documents[Ledger], keep_for: timedelta | None, clock: Callable[[], datetime]
) -> RetentionSweep[Ledger]:
    """Deletes ledgers by age. The folio says as well what is booked, so nothing is booked twice for it."""

    async def unused_since(before: datetime, limit: int) -> list[str]:
        return await ledgers.ids_below("used_at", before.astimezone(UTC).isoformat(), limit)

    async def delete(order_id: str, may_go: Callable[[Ledger], bool]) -> bool:
        stored = await ledgers.load(order_id)
        return stored is not None and may_go(stored.state) and await ledgers.remove(stored)

    return RetentionSweep("postings", delete, unused_since, Ledger.may_go, keep_for, clock)


@dataclass(frozen=True, slots=True)
class Booking:
    """Books orders onto folios."""

    ledgers: Documents[Ledger]
    pms: Pms
    terms: Terms
    clock: Callable[[], datetime]
    within: float
    """Seconds for all postings of one webhook."""

    @property
    def held_for(self) -> timedelta:
        """Longer than any attempt: one that has not ended by then has died."""
        return timedelta(seconds=self.within + _GRACE)

    async def book(self, order: OrderData) -> int:
        """Book the webhook's receipt, and those before it. Returns the number of new postings; 0: it was booked before.

        Raises UnbookableError or ApaleoRefusedError if it cannot be booked as it is, and TransientError.
        """
        postings = postings_of(order, self.terms)
        stored = await self.ledgers.load(order.order_id)
        now = self.clock()
        if stored is not None and all(map(stored.state.is_booked, postings)):
            return 0
        if stored is not None and stored.state.is_held(now):
            raise BusyError
        work = _Attempt(self, order, stored or _new(order, now))
        await work.write(partial(Ledger.held, now=now, until=now + self.held_for))
        try:
            async with asyncio.timeout(self.within):
                return await work.post_all([each for each in postings if not work.ledger.is_booked(each)])
        except TimeoutError:
            raise OutOfTimeError(self.within) from None
        finally:
            await work.release()


async def folios_of(pms: Pms, order: OrderData, terms: Terms, *, refunds: bool) -> Folios:
    """All folios of the order's reservation, `refunds`: with the refunds on them.

    Raises UnbookableError if there are none, ApaleoRefusedError and ApaleoUnavailableError.
    """
    folios = await pms.folios(order.reservation_id, terms.property_of(order.property_id))
    if not folios:
        raise UnbookableError("the reservation is unknown to Apaleo, or has no folio")
    if refunds:
        known = [await pms.refunds(each.id) for each in folios]
        folios = tuple(each.model_copy(update={"refunds": found}) for each, found in zip(folios, known, strict=True))
    return Folios(folios, order.order_id)


def _new(order: OrderData, now: datetime) -> Stored[Ledger]:
    state = Ledger(order_id=order.order_id, property_id=order.property_id, created_at=now)
    return Stored(id=order.order_id, version=0, state=state, life=secrets.token_hex(6))


class _Attempt:
    """One attempt, which holds the order's ledger."""

    def __init__(self, booking: Booking, order: OrderData, stored: Stored[Ledger]) -> None:
        self._booking = booking
        self._order = order
        self._stored = stored

    @property
    def ledger(self) -> Ledger:
        return self._stored.state

    async def write(self, change: Callable[[Ledger], Ledger]) -> None:
        """Raises BusyError if another attempt was first, and StoreUnavailableError."""
        new = replace(self._stored, version=self._stored.version + 1, state=change(self.ledger))
        if not await self._booking.ledgers.write(new, now=self._booking.clock(), due_at=None):
            raise BusyError
        self._stored = new

    async def release(self) -> None:
        try:
            await self.write(Ledger.released)
        except (BusyError, StoreUnavailableError) as error:
            log.warning("booking.unreleased", order_id=self._order.order_id, error=str(error))

    async def post_all(self, missing: list[AnyPosting]) -> int:
        found = await self._found(missing)
        number = 0
        for posting in missing:
            if not found.has(posting):
                found = await self._posted(posting, found)
                number += 1
            await self.write(partial(Ledger.with_booked, posting=posting))
        return number

    async def _found(self, missing: list[AnyPosting]) -> Folios:
        """The folios as they are now. What is on them already was posted by an attempt that could not write it down."""
        has_refunds = any(isinstance(each, Refund) for each in missing)
        return await folios_of(self._booking.pms, self._order, self._booking.terms, refunds=has_refunds)

    async def _posted(self, posting: AnyPosting, found: Folios) -> Folios:
        target = found.target_of(posting)
        await self.write(partial(Ledger.begun, posting=posting))
        try:
            entry_id = await self._booking.pms.post(posting, target, self.ledger.key_of(posting))
        except ApaleoRefusedError:
            await self.write(partial(Ledger.failed, posting=posting))
            raise
        except ApaleoUnavailableError as error:
            if error.has_answered:
                await self.write(partial(Ledger.failed, posting=posting))
            raise
        return found.after(posting, target, entry_id)
