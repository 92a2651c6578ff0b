"""Every state of the places of a day, and of a slot, meets every message: how each pair ends is written down here."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.decision import Applied, Ignored, Refused
from contracts.ids import OrderId
from contracts.orders import OrderStatus
from extras_service.order.state import Order, digest_of
from extras_service.stock.decide import LAPSE_MARGIN, decide, lapse_at
from extras_service.stock.inputs import Demand, HoldStock, LapseHold, RecheckHold, ReclaimHold, RenameHolder, StockInput
from extras_service.stock.state import Hold, Holder, StockDay, stock_id
from tests.support import orders as given

LIMIT = 2
UNTIL = lapse_at(given.NOW + given.PAY_WITHIN)
LATER = UNTIL + 2 * LAPSE_MARGIN
SLOTS = (None, "15:00")
OWN = Holder(given.ORDER_ID, digest_of((given.line(),)), "alpenhof/guest-anna")
OTHER = Holder(OrderId("ord_" + "b" * 26), "other", "alpenhof/guest-bert")
HOLD = Hold(order_id=OWN.order_id, quantity=1, until=UNTIL, lines_digest=OWN.lines_digest, guest_key=OWN.guest_key)


def _demand(slot: str | None, quantity: int = 1, per_guest: int = 10) -> Demand:
    return Demand(given.BREAKFAST, "Massage", given.FIRST_DAY, quantity, LIMIT, per_guest, slot)


def _states(slot: str | None) -> Mapping[str, StockDay | None]:
    """`own`: of the order that the messages are about; `others`: all places are another order's."""
    free = _demand(slot).free()
    others = HOLD.model_copy(
        update={"order_id": OTHER.order_id, "lines_digest": OTHER.lines_digest, "guest_key": OTHER.guest_key}
    )
    holds: dict[str, tuple[Hold, ...]] = {
        "free": (),
        "own": (HOLD,),
        "relied on": (HOLD.model_copy(update={"confirmed": True}),),
        "kept": (HOLD.model_copy(update={"until": None, "confirmed": True}),),
        "others": (others.model_copy(update={"quantity": LIMIT}),),
    }
    return {"none": None, **{name: free.model_copy(update={"holds": each}) for name, each in holds.items()}}


def _messages(slot: str | None) -> Mapping[str, StockInput]:
    hold, reclaim = HoldStock(OWN, _demand(slot), UNTIL), ReclaimHold(OWN, _demand(slot), UNTIL)
    orders: dict[str, Order | None] = {"none": None}
    orders |= {status.value: given.in_status(status) for status in OrderStatus}
    return {
        "hold": hold,
        "hold, relied on": replace(hold, confirms=True),
        "hold for longer": replace(hold, until=LATER),
        "hold too many": replace(hold, demand=_demand(slot, LIMIT + 1)),
        "hold too many a guest": replace(hold, demand=_demand(slot, 1, per_guest=0)),
        "claim again": reclaim,
        "claim again by force": replace(reclaim, beyond_limit=True),
        "lapse": LapseHold(OWN),
        "rename": RenameHolder(replace(OWN, guest_key="alpenhof/erased-1")),
        **{f"recheck {name}": RecheckHold(HOLD, order) for name, order in orders.items()},
    }


TABLE = """
message                   | none         | free         | own         | relied on          | kept        | others
hold                      | 1            | 1            | ignored     | ignored            | ignored     | out_of_stock
hold, relied on           | 1 relied on  | 1 relied on  | 1 relied on | ignored            | ignored     | out_of_stock
hold for longer           | 1 longer     | 1 longer     | 1 longer    | 1 longer relied on | ignored     | out_of_stock
hold too many             | out_of_stock | out_of_stock | ignored     | ignored            | ignored     | out_of_stock
hold too many a guest     | guest_limit  | guest_limit  | ignored     | ignored            | ignored     | guest_limit
claim again               | 1 relied on  | 1 relied on  | 1 relied on | 1 relied on        | 1 relied on | out_of_stock
claim again by force      | 1 relied on  | 1 relied on  | 1 relied on | 1 relied on        | 1 relied on | 3 relied on
lapse                     | ignored      | ignored      | 1 lapsed    | 1 lapsed relied on | ignored     | ignored
rename                    | ignored      | ignored      | 1           | 1 relied on        | 1 for good relied on | ignored
recheck none              | ignored      | ignored      | 0           | ignored            | ignored     | ignored
recheck pending_payment   | ignored      | ignored      | 1 again     | ignored            | ignored     | ignored
recheck awaiting_approval | ignored      | ignored      | 1 for good  | ignored            | ignored     | ignored
recheck capturing         | ignored      | ignored      | 1 for good  | ignored            | ignored     | ignored
recheck expiring          | ignored      | ignored      | 1 again     | ignored            | ignored     | ignored
recheck cancelling        | ignored      | ignored      | 1 again     | ignored            | ignored     | ignored
recheck confirmed         | ignored      | ignored      | 1 for good  | ignored            | ignored     | ignored
recheck fulfilled         | ignored      | ignored      | 1 for good  | ignored            | ignored     | ignored
recheck expired           | ignored      | ignored      | 0           | ignored            | ignored     | ignored
recheck cancelled         | ignored      | ignored      | 0           | ignored            | ignored     | ignored
recheck declined          | ignored      | ignored      | 0           | ignored            | ignored     | ignored
recheck needs_review      | ignored      | ignored      | 1 again     | ignored            | ignored     | ignored
"""  # noqa: E501  a table is read by its columns


def _pairs() -> list[tuple[str, str, str]]:
    head, *rows = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]
    return [(row[0], state, ends) for row in rows for state, ends in zip(head[1:], row[1:], strict=True)]


def _ending(decision: object, slot: str | None) -> str:
    match decision:
        case Applied(state=StockDay() as stock):
            assert (stock.slot, stock.due_at) == (slot, min((h.until for h in stock.holds if h.until), default=None))
            own = [hold for hold in stock.holds if hold.order_id == OWN.order_id]
            until = {None: "for good", UNTIL: "", LATER: "longer", given.NOW: "lapsed"}
            words = [until.get(hold.until, "again") + (" relied on" if hold.confirmed else "") for hold in own]
            return " ".join(f"{stock.taken} {' '.join(words)}".split())
        case Refused(reason=reason):
            return str(reason).removesuffix("_reached")
        case Ignored():
            return "ignored"
    raise AssertionError(decision)


@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize(("message", "state", "ends"), _pairs())
def test_every_state_of_the_places_meets_every_message(message: str, state: str, ends: str, slot: str | None) -> None:
    # Lapsed holds are looked at; all other messages come while the holds last.
    now = UNTIL if message.startswith("recheck") else given.NOW

    assert _ending(decide(_states(slot)[state], _messages(slot)[message], now), slot) == ends


def test_the_table_has_every_state_and_message() -> None:
    assert {(message, state) for message, state, _ in _pairs()} == {
        (message, state) for message in _messages(None) for state in _states(None)
    }
    assert {type(message) for message in _messages(None).values()} == {
        HoldStock,
        ReclaimHold,
        LapseHold,
        RecheckHold,
        RenameHolder,
    }


def test_each_slot_of_a_day_and_the_day_itself_have_places_of_their_own() -> None:
    ids = {stock_id(given.BREAKFAST, day, slot) for day in _DAYS for slot in (None, "15:00", "17:00")}

    assert len(ids) == len(_DAYS) * 3
    assert _demand("15:00").stock_id in ids


_DAYS = (given.FIRST_DAY, given.FIRST_DAY + timedelta(days=1))
