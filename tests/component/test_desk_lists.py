"""The desk's lists and its day sheet, as the extras service answers them on its queue of queries."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest

from chassis.storage.stored_document import Stored
from contracts.desk import (
    DaySheetReply,
    GetDaySheet,
    ListPropertyOrders,
    OrderFilter,
    PropertyOrders,
    PropertyOrdersReply,
)
from contracts.message import Message
from contracts.order_actions import FulfilledLine
from contracts.orders import DisputeStage, Reason, Refusal
from contracts.topology import EXTRAS_QUERIES
from extras_service import desk_lists
from extras_service.order.disputes import Dispute, as_fields
from extras_service.order.placement import Terms
from extras_service.order.state import MOST_DAYS_LISTED, Order, guest_key
from extras_service.wiring import wire
from tests.component.bench import Bench
from tests.support import orders as given
from tests.support.fake_store import FakeDocuments, FakeStore

ALPENHOF = given.guest().property_id
NEXT_DAY = given.FIRST_DAY + timedelta(days=1)


@dataclass
class Desk:
    bench: Bench
    orders: FakeDocuments[Order]
    asked: int = 0

    async def answer(self, query: Message) -> Message:
        before, self.asked = len(self.bench.published), self.asked + 1
        await self.bench.deliver(EXTRAS_QUERIES, query, message_id=f"q-{self.asked}")
        (answer,) = self.bench.sent[before:]
        return answer

    async def page(self, *, after: str | None = None, limit: int = 50, **only: Any) -> PropertyOrders:
        query = ListPropertyOrders(property_id=ALPENHOF, only=OrderFilter(**only), after=after, limit=limit)
        answer = await self.answer(query)
        assert isinstance(answer, PropertyOrdersReply)
        return answer.page

    async def listed(self, **only: Any) -> list[str]:
        page = await self.page(**only)
        assert page.next is None
        return _ids(page)

    async def stored(self, number: int, order: Order, **changes: Any) -> str:
        """Store this order as number so many, older the higher its number is."""
        order_id = f"ord_{number:026}"
        guest = order.guest.model_copy(update=changes.pop("guest", {}))
        own = {
            "order_id": order_id,
            "created_at": given.NOW - number * timedelta(minutes=20),
            "guest": guest,
            "guest_key": guest_key(guest.guest_id, guest.property_id),
        }
        state = order.model_copy(update=own | changes)
        waits = given.NOW + timedelta(hours=number) if state.needs_attention else None
        await self.orders.write(Stored(order_id, 1, state, attention_since=waits), now=given.NOW, due_at=None)
        return order_id


def _ids(page: PropertyOrders) -> list[str]:
    return [order.order_id for order in page.orders]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    store, bench = FakeStore(), Bench("extras-service")
    parts = wire(bench.bus, store, lambda: given.NOW, Terms(given.PAY_WITHIN))
    bench.consume(EXTRAS_QUERIES, parts.handlers.queries())
    async with bench.running():
        yield Desk(bench, store.of["orders"])


async def test_staff_list_the_orders_of_their_property_and_of_no_other(desk: Desk) -> None:
    old = await desk.stored(2, given.confirmed())
    new = await desk.stored(1, given.placed())
    await desk.stored(0, given.confirmed(), guest={"property_id": "kamogawa"})

    page = await desk.page()

    assert _ids(page) == [new, old]
    assert page.next is None
    assert all(order.staff is not None for order in page.orders)


async def test_every_filter_finds_its_orders_and_only_those(desk: Desk) -> None:
    one = await desk.stored(1, given.placed())
    two = await desk.stored(2, given.confirmed(), guest={"guest_id": "guest-bo", "reservation_id": "res-2"})
    three = await desk.stored(3, given.confirmed(), lines=(_line("alm-spa", NEXT_DAY), _line("alm-taxi", None)))
    four = await desk.stored(4, given.needs_review())
    in_dispute = {"lines": (), "guest": {"reservation_id": "res-5", "guest_id": "guest-eve"}}
    five = await desk.stored(5, _disputed("du_1", "du_2"), **in_dispute)
    await desk.stored(6, _disputed("du_3"), guest={"property_id": "kamogawa"})
    for number, foreign in enumerate((given.confirmed(), given.needs_review()), 10):
        await desk.stored(number, foreign, guest={"property_id": "kamogawa"})

    assert await desk.listed(order_id=two) == [two]
    assert await desk.listed(status="confirmed") == [two, three, five]
    assert await desk.listed(needs_attention=True) == [four]
    assert await desk.listed(disputed=True) == [five]
    assert await desk.listed(disputed=True, status="fulfilled") == []
    assert await desk.listed(day=NEXT_DAY) == [three]
    assert await desk.listed(extra_id="alm-taxi") == [three]
    assert await desk.listed(guest_id="guest-bo") == [two]
    assert await desk.listed(reservation_id="res-1") == [one, three, four]
    assert await desk.listed(reservation_id="res-1", status="confirmed", day=NEXT_DAY) == [three]
    assert await desk.listed(status="confirmed", day=given.FIRST_DAY) == [two]
    assert await desk.listed(guest_id="$ne") == []
    assert await desk.listed(order_id=f"ord_{10:026}") == []


async def test_pages_follow_each_other_without_a_gap_or_a_repetition(desk: Desk) -> None:
    expected = [await desk.stored(number, given.confirmed()) for number in range(25)]
    same_time = [await desk.stored(number, given.confirmed(), created_at=given.NOW) for number in (30, 31, 32)]

    for only in ({}, {"status": "confirmed"}, {"day": given.FIRST_DAY}, {"guest_id": given.guest().guest_id}):
        assert await _all_pages(desk, **only) == [*sorted([*same_time, expected[0]], reverse=True), *expected[1:]]


async def test_orders_that_wait_are_listed_the_longest_waiting_first(desk: Desk) -> None:
    expected = [await desk.stored(number, given.needs_review()) for number in range(5)]

    assert await _all_pages(desk, needs_attention=True) == expected


async def test_a_search_that_reads_much_and_finds_little_gives_a_short_page_that_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_lists, "MOST_READ", 3)
    for number in range(10):
        await desk.stored(number, given.confirmed())
    wanted = await desk.stored(11, given.confirmed(), lines=(_line("alm-taxi", given.FIRST_DAY),))

    first = await desk.page(extra_id="alm-taxi", day=given.FIRST_DAY)

    assert first.orders == ()
    assert first.next is not None
    assert await _all_pages(desk, extra_id="alm-taxi", day=given.FIRST_DAY) == [wanted]


@pytest.mark.parametrize(
    "cursor", ["", "x", "e30=", "WyIiLCIiXQ==", "bnVsbA==", "WyI5OTk5LTEyLTMxVDIzOjU5OjU5WiIsIm8iXQ==", "é"]
)
async def test_a_cursor_that_is_none_is_refused(desk: Desk, cursor: str) -> None:
    answer = await desk.answer(ListPropertyOrders(property_id=ALPENHOF, after=cursor))

    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.CURSOR_INVALID


async def test_the_day_sheet_has_what_is_owed_on_the_day_by_extra_and_guest(desk: Desk) -> None:
    two_days = (_line("alm-spa", given.FIRST_DAY), _line("alm-spa", NEXT_DAY), _line("alm-taxi", None))
    await desk.stored(1, given.confirmed(), lines=two_days, guest={"reservation_id": "res-9"})
    at_three = _line("alm-spa", given.FIRST_DAY, 3).model_copy(update={"slot": "15:00"})
    await desk.stored(2, given.fulfilled(), lines=(at_three,))
    await desk.stored(3, given.placed(), lines=two_days)
    await desk.stored(4, given.needs_review(), lines=two_days)
    await desk.stored(5, given.confirmed(), guest={"property_id": "kamogawa"})

    answer = await desk.answer(GetDaySheet(property_id=ALPENHOF, day=given.FIRST_DAY))

    assert isinstance(answer, DaySheetReply)
    (spa,) = answer.sheet.extras
    assert (spa.extra_id, spa.quantity) == ("alm-spa", 5)
    shown = [(line.at, line.reservation_id, line.line, line.quantity, line.is_fulfilled) for line in spa.lines]
    assert shown == [(None, "res-9", 0, 2, False), ("15:00", "res-1", 0, 3, True)]
    assert answer.sheet.is_complete


async def test_lines_without_a_day_are_on_the_sheet_of_every_day_of_the_stay_until_they_are_received(
    desk: Desk,
) -> None:
    taxi = (_line("alm-taxi", None), _line("alm-spa", NEXT_DAY), _line("alm-taxi", None, 1))
    await desk.stored(1, given.confirmed(), lines=taxi, guest={"reservation_id": "res-9"})
    received = (FulfilledLine(line=0, by="otto", at=given.NOW),)
    await desk.stored(2, given.confirmed(), lines=taxi, fulfilled_lines=received)
    for number, final in enumerate((given.fulfilled(), given.cancelled(), given.needs_review(), given.placed()), 3):
        await desk.stored(number, final, lines=taxi)
    await desk.stored(8, given.confirmed(), lines=taxi, guest={"property_id": "kamogawa"})

    sheets = [
        await desk.answer(GetDaySheet(property_id=ALPENHOF, day=day))
        for day in (given.FIRST_DAY, given.guest().stay_to + timedelta(days=1))
    ]

    assert [sheet.sheet.any_day_is_complete for sheet in sheets if isinstance(sheet, DaySheetReply)] == [True, True]
    here, gone = [sheet.sheet.any_day for sheet in sheets if isinstance(sheet, DaySheetReply)]
    (taxis,) = here
    assert [(line.reservation_id, line.line, line.quantity) for line in taxis.lines] == [
        ("res-1", 2, 1),
        ("res-9", 0, 2),
        ("res-9", 2, 1),
    ]
    assert gone == ()


async def test_lines_without_a_day_are_found_however_many_confirmed_orders_are_newer(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_lists, "MOST_UNLISTED", 2)
    old = await desk.stored(9, given.confirmed(), lines=(_line("alm-taxi", None),))
    for number in range(5):
        await desk.stored(number, given.confirmed())

    assert await _awaited(desk) == ([old], True)


@pytest.mark.parametrize("stored_by", ["an earlier version", "a long stay"])
async def test_orders_that_do_not_list_their_days_are_looked_through_the_newest_first(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, stored_by: str
) -> None:
    monkeypatch.setattr(desk_lists, "MOST_UNLISTED", 2)
    stay = {"stay_to": given.guest().stay_from + timedelta(days=MOST_DAYS_LISTED)} if "long" in stored_by else {}

    async def another(number: int) -> str:
        order_id = await desk.stored(number, given.confirmed(), lines=(_line("alm-taxi", None),), guest=stay)
        listed = desk.orders.raw[order_id]["state"].pop("awaited_on")
        if "long" in stored_by:
            desk.orders.raw[order_id]["state"]["awaited_on"] = listed
        return order_id

    two = [await another(number) for number in range(2)]

    assert await _awaited(desk) == (two, True)
    await another(2)
    assert await _awaited(desk) == (two, False)


async def _awaited(desk: Desk) -> tuple[list[str], bool]:
    """The orders of the first day's sheet that can be had on any day, and whether these are all."""
    answer = await desk.answer(GetDaySheet(property_id=ALPENHOF, day=given.FIRST_DAY))
    assert isinstance(answer, DaySheetReply)
    lines = [line for extra in answer.sheet.any_day for line in extra.lines]
    return sorted(line.order_id for line in lines), answer.sheet.any_day_is_complete


async def test_a_day_with_more_orders_than_a_sheet_holds_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_lists, "MOST_ON_A_SHEET", 2)
    for number in range(3):
        await desk.stored(number, given.confirmed())

    answer = await desk.answer(GetDaySheet(property_id=ALPENHOF, day=given.FIRST_DAY))

    assert isinstance(answer, DaySheetReply)
    assert not answer.sheet.is_complete


async def _all_pages(desk: Desk, **only: Any) -> Sequence[str]:
    found: list[str] = []
    after = None
    for _ in range(100):
        page = await desk.page(after=after, limit=3, **only)
        found += _ids(page)
        after = page.next
        if after is None:
            return found
    raise AssertionError("the pages do not end")


def _disputed(*dispute_ids: str) -> Order:
    disputes = tuple(Dispute(dispute_id=dispute_id, stage=DisputeStage.OPEN) for dispute_id in dispute_ids)
    return given.confirmed().model_copy(update=as_fields(disputes))


def _line(extra_id: str, day: date | None, quantity: int = 2) -> Any:
    line = given.confirmed().lines[0]
    return line.model_copy(update={"extra_id": extra_id, "day": day, "quantity": quantity})
