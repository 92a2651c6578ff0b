"""The list of erasures: kept beside backups, and carried out again after one is restored."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from chassis.storage.audit_log import AuditLog
from chassis.storage.store import Store
from extras_service.collections import ExtrasStore
from extras_service.order.erasure_ledger import ErasedOrder
from ops.core.guests.erase import forget_records
from ops.core.guests.known import loaded
from ops.core.session import OperatorSession

_LIST = TypeAdapter(tuple[ErasedOrder, ...])


@dataclass(frozen=True, slots=True)
class Again:
    """What was done: how many orders were asked again, and how many records were rewritten."""

    asked_again: int
    letters: int
    planned: int


async def entries(store: Store) -> list[ErasedOrder]:
    """All of it, the oldest first. Raises StoreUnavailableError."""
    found = (await ExtrasStore(store).erasures.find()).values()
    return sorted(found, key=lambda entry: (entry.asked_at, entry.order_id))


def read(text: str) -> list[ErasedOrder]:
    """The list in the form of JSON. Raises ValueError."""
    return list(_LIST.validate_json(text))


async def erase_again(desk: OperatorSession, added: Sequence[ErasedOrder], *, who: str, why: str) -> Again:
    """Add entries to the list, and ask every order on it that does not forget its guest to do so.

    Dead letters and messages of plans about orders that have forgotten their guests are rewritten.

    Recorded in the audit log first. Raises StoreUnavailableError and the broker's errors.
    """
    kept = ExtrasStore(desk.store)
    async with AuditLog(desk.store).recorded("erase again", who, why, tuple(each.order_id for each in added)) as act:
        await kept.erasures.put({each.order_id: each for each in added})
        known = {each.order_id: each for each in await entries(desk.store)}
        orders = [order for _, order in await loaded(kept.orders, list(known))]
        again = [known[order.order_id] for order in orders if order.erasure is None]
        await desk.target.send("erase", [entry.command for entry in again])
        letters, planned = await forget_records(desk)
        rewritten = f"rewritten dead letters: {letters}, messages of replay plans: {planned}"
        act.outcome = f"orders asked again: {len(again)}; {rewritten}"
    return Again(len(again), letters, planned)
