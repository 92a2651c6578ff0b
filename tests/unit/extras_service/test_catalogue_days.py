"""On which days and at which times an extra can be had, until when it can be ordered, and what it costs then."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from chassis.decision import Refused
from contracts.money import Money
from contracts.offers import PriceUnit, Season, Slot, Weekday
from contracts.orders import Reason, RequestedLine
from extras_service.catalogue.extra import Extra
from extras_service.catalogue.quote import Quote, gone_by, quote
from extras_service.order.state import digest_of
from extras_service.stock.inputs import demands
from extras_service.stock.state import stock_id
from tests.support import orders as given

SPA = "alm-spa"
FRIDAY = given.FIRST_DAY


def _spa(**fields: Any) -> Extra:
    return given.offered(SPA, name="Spa", amount=4500, max_quantity=4).model_copy(update=fields)


def _line(day: date | None = FRIDAY, slot: str | None = None, quantity: int = 1) -> RequestedLine:
    return given.line(SPA, quantity, day).model_copy(update={"slot": slot})


def _quoted(extra: Extra, *lines: RequestedLine) -> Quote:
    answer = quote(given.guest(), lines or (_line(),), given.catalogue(extra))
    assert isinstance(answer, Quote), answer
    return answer


def _refused(extra: Extra, *lines: RequestedLine) -> Refused:
    answer = quote(given.guest(), lines or (_line(),), given.catalogue(extra))
    assert isinstance(answer, Refused), answer
    return answer


def _too_late(extra: Extra, now: str, line: RequestedLine) -> Refused | None:
    return gone_by(given.guest(), _quoted(extra, line).lines, given.catalogue(extra), datetime.fromisoformat(now))


TIMES = (Slot(at="15:00", places=4), Slot(at="10:00", places=2))


def test_a_line_keeps_the_slot_its_guest_has_chosen() -> None:
    [line] = _quoted(_spa(slots=TIMES), _line(slot="15:00")).lines

    assert line.slot == "15:00"


@pytest.mark.parametrize("slot", [None, "16:00", "15:00:00", ""])
def test_a_slot_that_is_not_offered_is_refused_with_those_that_are(slot: str | None) -> None:
    refused = _refused(_spa(slots=TIMES), _line(slot=slot))

    assert refused.reason == Reason.SLOT_UNKNOWN
    assert refused.detail == "Choose a time for Spa: 10:00, 15:00."


@pytest.mark.parametrize("day", [FRIDAY, None])
def test_a_slot_of_an_extra_without_slots_is_refused(day: date | None) -> None:
    refused = _refused(_spa(needs_day=False), _line(day, "15:00"))

    assert refused.reason == Reason.SLOT_UNKNOWN


def test_each_slot_of_a_day_has_places_of_its_own() -> None:
    extra = _spa(slots=TIMES)
    lines = _quoted(extra, _line(slot="10:00"), _line(slot="15:00", quantity=2), _line(slot="15:00")).lines

    asked = demands(lines, given.catalogue(extra), max_held=1)

    assert [(one.slot, one.quantity, one.limit) for one in asked] == [("10:00", 1, 2), ("15:00", 3, 4)]
    assert [one.stock_id for one in asked] == [stock_id(extra.extra_id, FRIDAY, slot) for slot in ("10:00", "15:00")]


def test_a_slot_that_was_removed_after_the_order_has_no_places_left() -> None:
    lines = _quoted(_spa(slots=TIMES), _line(slot="15:00")).lines

    [asked] = demands(lines, given.catalogue(_spa(slots=TIMES[1:])), max_held=1)

    assert asked.limit == 0


def test_a_line_without_a_slot_has_the_digest_that_versions_without_slots_gave_it() -> None:
    assert digest_of((given.line(),)) == "659eff434146b547"
    assert digest_of((_line(slot="15:00"),)) != digest_of((_line(slot="10:00"),))


def test_a_closed_weekday_is_refused_and_the_open_ones_are_named() -> None:
    refused = _refused(_spa(weekdays=(Weekday.MONDAY, Weekday.SATURDAY)))

    assert refused.reason == Reason.WEEKDAY_CLOSED
    assert refused.detail == "Spa is offered on Monday, Saturday; 2026-07-03 is a Friday."
    assert _quoted(_spa(weekdays=(Weekday.FRIDAY,)))


def test_a_blackout_day_is_refused_and_the_next_is_not() -> None:
    extra = _spa(blackout_days=(FRIDAY,))

    assert _refused(extra).reason == Reason.DAY_BLACKED_OUT
    assert _quoted(extra, _line(FRIDAY + timedelta(days=1)))


@pytest.mark.parametrize(
    "fields", [{"active_from": FRIDAY + timedelta(days=1)}, {"active_until": FRIDAY - timedelta(days=1)}]
)
def test_a_day_out_of_season_is_refused(fields: dict[str, date]) -> None:
    assert _refused(_spa(**fields)).reason == Reason.OUT_OF_SEASON


def test_the_first_and_the_last_day_of_a_season_belong_to_it() -> None:
    assert _quoted(_spa(active_from=FRIDAY, active_until=FRIDAY))


def test_an_extra_without_a_day_has_its_season_by_the_date_of_the_order() -> None:
    extra = _spa(needs_day=False, active_from=date(2026, 7, 2), time_zone="Asia/Tokyo")

    assert _too_late(extra, "2026-07-01T15:00:00+00:00", _line(None)) is None
    refused = _too_late(extra, "2026-07-01T14:59:59+00:00", _line(None))
    assert refused is not None
    assert refused.reason == Reason.OUT_OF_SEASON


@pytest.mark.parametrize(
    ("lead_hours", "slot", "last"),
    [
        (0, "15:00", "2026-07-03T13:00:00+00:00"),
        (2, "15:00", "2026-07-03T11:00:00+00:00"),
        (24, "15:00", "2026-07-02T13:00:00+00:00"),
        (6, None, "2026-07-02T16:00:00+00:00"),
    ],
    ids=["at the slot", "two hours before", "a day before", "six hours before the day"],
)
def test_an_order_must_come_before_the_lead_time_by_the_clock_of_the_property(
    lead_hours: int, slot: str | None, last: str
) -> None:
    extra = _spa(lead_hours=lead_hours, slots=TIMES if slot else (), time_zone="Europe/Vienna")
    before = (datetime.fromisoformat(last) - timedelta(seconds=1)).isoformat()

    assert _too_late(extra, before, _line(slot=slot)) is None
    refused = _too_late(extra, last, _line(slot=slot))
    assert refused is not None
    assert refused.reason == Reason.LEAD_TIME_PASSED


@pytest.mark.parametrize(
    ("day", "slot", "begins"),
    [
        ("2026-03-29", "02:30", "2026-03-29T01:30:00+00:00"),
        ("2026-03-29", "15:00", "2026-03-29T13:00:00+00:00"),
        ("2026-10-25", "02:30", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25", "15:00", "2026-10-25T14:00:00+00:00"),
    ],
    ids=["left out", "after summer time began", "repeated", "after it ended"],
)
def test_a_slot_begins_when_the_clocks_of_the_property_say_so(day: str, slot: str, begins: str) -> None:
    extra = _spa(time_zone="Europe/Vienna")

    assert extra.begins(date.fromisoformat(day), slot) == datetime.fromisoformat(begins)


def test_a_lead_time_of_a_day_is_24_hours_even_when_the_clocks_change() -> None:
    extra = _spa(time_zone="Europe/Vienna", slots=TIMES, lead_hours=24)

    refused = extra.too_late(date(2026, 3, 29), "15:00", datetime(2026, 3, 28, 13, 0, tzinfo=UTC))

    assert refused is not None
    assert "28 March 2026 14:00" in refused.detail


SUMMER = Season(first_day=FRIDAY, last_day=FRIDAY + timedelta(days=1), unit_price=Money(amount=6000, currency="EUR"))


@pytest.mark.parametrize(("after", "price"), [(0, 6000), (1, 6000), (2, 4500)])
def test_a_season_has_its_own_price(after: int, price: int) -> None:
    [line] = _quoted(_spa(seasons=(SUMMER,)), _line(FRIDAY + timedelta(days=after), quantity=2)).lines

    assert (line.unit_price.amount, line.line_total.amount) == (price, 2 * price)


def test_an_extra_without_a_day_has_the_price_of_the_day_of_arrival() -> None:
    [line] = _quoted(_spa(seasons=(SUMMER,), needs_day=False), _line(None)).lines

    assert line.unit_price.amount == 6000


@pytest.mark.parametrize(
    ("unit", "nights", "total"),
    [
        (PriceUnit.PIECE, None, 9000),
        (PriceUnit.PERSON, None, 9000),
        (PriceUnit.STAY, None, 9000),
        (PriceUnit.NIGHT, 3, 27000),
    ],
)
def test_a_price_is_for_its_unit(unit: PriceUnit, nights: int | None, total: int) -> None:
    [line] = _quoted(_spa(price_per=unit, needs_day=False), _line(None, quantity=2)).lines

    assert (line.price_per, line.nights, line.line_total.amount) == (unit, nights, total)


def test_a_day_guest_pays_one_night() -> None:
    guest = given.guest().model_copy(update={"stay_to": given.FIRST_DAY})
    extra = _spa(price_per=PriceUnit.NIGHT, needs_day=False)

    answer = quote(guest, (_line(None),), given.catalogue(extra))

    assert isinstance(answer, Quote)
    assert answer.total.amount == 4500


def test_a_guest_may_cancel_until_the_cut_off_before_the_slot() -> None:
    extra = _spa(slots=TIMES, time_zone="Europe/Vienna")

    order = given.after(None, given.placing(_line(slot="15:00"), among=given.catalogue(extra)))

    assert order.cancel_before == datetime(2026, 7, 2, 13, 0, tzinfo=UTC)
