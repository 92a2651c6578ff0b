"""What a request costs, every reason why it cannot be had, and the catalogue file."""

from datetime import date, datetime, timedelta

import pytest

from chassis.decision import Refused
from contracts.money import Money
from contracts.offers import Slot
from contracts.orders import Reason, RequestedLine
from extras_service.catalogue.extra import Catalogue
from extras_service.catalogue.quote import MAX_LINES, Quote, gone_by, quote
from tests.support import orders as given

CATALOGUE = given.catalogue(
    given.offered(),
    given.offered("alm-spa", amount=4500, max_quantity=4, name="Spa afternoon"),
    given.offered(given.LATE_CHECKOUT, amount=5000, max_quantity=1, needs_day=False, name="Late check-out"),
    given.offered("alm-lift", amount=7200, currency="CHF", name="Day pass"),
    given.offered("alm-sleigh", active=False, name="Sleigh ride"),
    given.offered("kyo-onsen", property_id="kamogawa", amount=6000, currency="JPY", name="Private onsen"),
)


def _refusal(*lines: RequestedLine) -> Refused:
    answer = quote(given.guest(), lines, CATALOGUE)
    assert isinstance(answer, Refused), answer
    return answer


def test_a_request_is_priced_from_the_catalogue_line_by_line() -> None:
    lines = (given.line(quantity=2), given.line("alm-spa", quantity=3), given.line(given.LATE_CHECKOUT, 1, None))

    answer = quote(given.guest(), lines, CATALOGUE)

    assert isinstance(answer, Quote)
    assert [line.line_total.amount for line in answer.lines] == [2 * 2400, 3 * 4500, 5000]
    assert [line.unit_price.amount for line in answer.lines] == [2400, 4500, 5000]
    assert answer.total == Money(amount=2 * 2400 + 3 * 4500 + 5000, currency="EUR")


def test_a_priced_line_keeps_name_and_day_of_what_was_asked() -> None:
    answer = quote(given.guest(), (given.line(day=given.LAST_DAY),), CATALOGUE)

    assert isinstance(answer, Quote)
    assert answer.lines[0].name == {"en": "Breakfast buffet"}
    assert answer.lines[0].day == given.LAST_DAY


def test_a_currency_without_decimals_is_priced_in_whole_units() -> None:
    guest = given.guest(property_id="kamogawa")

    answer = quote(guest, (given.line("kyo-onsen", quantity=2),), CATALOGUE)

    assert isinstance(answer, Quote)
    assert answer.total == Money(amount=12_000, currency="JPY")


def test_an_order_without_lines_is_refused() -> None:
    assert _refusal().reason == Reason.NO_LINES


def test_an_order_of_too_many_lines_is_refused() -> None:
    lines = [given.line(quantity=1)] * (MAX_LINES + 1)

    assert _refusal(*lines).reason == Reason.QUANTITY_OVER_LIMIT


def test_an_unknown_extra_is_refused_by_name() -> None:
    refused = _refusal(given.line(), given.line("alm-unicorn"))

    assert refused.reason == Reason.EXTRA_UNKNOWN
    assert "alm-unicorn" in refused.detail


def test_an_extra_of_another_property_is_refused() -> None:
    assert _refusal(given.line("kyo-onsen")).reason == Reason.EXTRA_OF_ANOTHER_PROPERTY


def test_an_inactive_extra_is_refused() -> None:
    refused = _refusal(given.line("alm-sleigh"))

    assert refused.reason == Reason.EXTRA_INACTIVE
    assert "Sleigh ride" in refused.detail


@pytest.mark.parametrize("quantity", [0, -1, -1_000_000])
def test_a_quantity_below_one_is_refused(quantity: int) -> None:
    assert _refusal(given.line(quantity=quantity)).reason == Reason.QUANTITY_NOT_POSITIVE


def test_a_negative_line_cannot_make_another_one_cheaper() -> None:
    refused = _refusal(given.line("alm-spa", quantity=4), given.line(quantity=-5))

    assert refused.reason == Reason.QUANTITY_NOT_POSITIVE


def test_more_than_the_limit_is_refused_and_the_limit_itself_is_not() -> None:
    assert isinstance(quote(given.guest(), (given.line(quantity=6),), CATALOGUE), Quote)

    refused = _refusal(given.line(quantity=7))

    assert refused.reason == Reason.QUANTITY_OVER_LIMIT
    assert "6" in refused.detail


def test_the_limit_holds_over_several_lines_for_one_day() -> None:
    refused = _refusal(given.line(quantity=4), given.line(quantity=3))

    assert refused.reason == Reason.QUANTITY_OVER_LIMIT


def test_the_limit_counts_each_day_by_itself() -> None:
    lines = (given.line(quantity=6, day=given.FIRST_DAY), given.line(quantity=6, day=given.LAST_DAY))

    assert isinstance(quote(given.guest(), lines, CATALOGUE), Quote)


def test_the_limit_of_an_extra_without_a_day_cannot_be_dodged_by_naming_days() -> None:
    lines = (given.line(given.LATE_CHECKOUT, 1, given.FIRST_DAY), given.line(given.LATE_CHECKOUT, 1, given.LAST_DAY))

    assert isinstance(quote(given.guest(), lines, CATALOGUE), Refused)


def test_an_extra_that_needs_a_day_is_refused_without_one() -> None:
    assert _refusal(given.line(day=None)).reason == Reason.DAY_OUTSIDE_STAY


@pytest.mark.parametrize(
    "day", [given.FIRST_DAY - timedelta(days=1), given.LAST_DAY + timedelta(days=1)], ids=["before", "after"]
)
def test_a_day_outside_the_stay_is_refused(day: date) -> None:
    refused = _refusal(given.line(day=day))

    assert refused.reason == Reason.DAY_OUTSIDE_STAY
    assert str(day) in refused.detail


@pytest.mark.parametrize("day", [given.FIRST_DAY, given.LAST_DAY], ids=["arrival", "departure"])
def test_the_days_of_arrival_and_departure_belong_to_the_stay(day: date) -> None:
    assert isinstance(quote(given.guest(), (given.line(day=day),), CATALOGUE), Quote)


def test_two_currencies_in_one_order_are_refused_and_both_named() -> None:
    refused = _refusal(given.line(), given.line("alm-lift"))

    assert refused.reason == Reason.MIXED_CURRENCIES
    assert "CHF and EUR" in refused.detail


def test_a_view_of_an_extra_shows_everything_but_whether_and_how_often_it_can_be_had() -> None:
    extra = given.offered().model_copy(update={"slots": (Slot(at="15:00", places=4), Slot(at="10:00", places=2))})

    view = extra.view()

    assert view.slots == ("10:00", "15:00")
    hidden = {"active", "daily_limit", "slots", "version"}
    assert view.model_dump(exclude={"slots"}) == extra.model_dump(exclude=hidden)


def _gone(now: str, *lines: RequestedLine, among: Catalogue = CATALOGUE) -> Refused | None:
    priced = quote(given.guest(), lines, among)
    assert isinstance(priced, Quote), priced
    return gone_by(given.guest(), priced.lines, among, datetime.fromisoformat(now))


VIENNA = given.catalogue(
    given.offered(time_zone="Europe/Vienna"),
    given.offered(given.LATE_CHECKOUT, needs_day=False, max_quantity=1, time_zone="Europe/Vienna"),
)


@pytest.mark.parametrize(
    ("now", "among", "is_gone"),
    [
        ("2026-07-03T23:59:59+00:00", CATALOGUE, False),
        ("2026-07-04T00:00:00+00:00", CATALOGUE, True),
        ("2026-07-03T21:59:59+00:00", VIENNA, False),
        ("2026-07-03T22:00:00+00:00", VIENNA, True),
    ],
    ids=["UTC, before midnight", "UTC, at midnight", "Vienna, before midnight", "Vienna, at midnight"],
)
def test_a_day_has_gone_by_when_it_is_over_at_the_property(now: str, among: Catalogue, is_gone: bool) -> None:
    refused = _gone(now, given.line(day=given.FIRST_DAY), among=among)

    assert (refused is not None) == is_gone
    assert refused is None or refused.reason == Reason.DAY_GONE_BY


def test_nothing_can_be_ordered_after_the_stay() -> None:
    late_checkout = given.line(given.LATE_CHECKOUT, 1, None)

    assert _gone("2026-07-06T21:59:59+00:00", late_checkout, among=VIENNA) is None
    assert _gone("2026-07-06T22:00:00+00:00", late_checkout, among=VIENNA) is not None


def test_an_order_that_comes_to_more_than_can_be_paid_is_refused() -> None:
    suite = given.catalogue(given.offered(amount=60_000_000))

    refused = quote(given.guest(), (given.line(quantity=2),), suite)

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.TOTAL_NOT_PAYABLE


@pytest.mark.parametrize("amount", [0, -500, 30])
def test_a_price_of_an_older_catalogue_that_cannot_be_paid_is_not_on_offer(amount: int) -> None:
    refused = quote(given.guest(), (given.line(),), given.catalogue(given.offered(amount=amount)))

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.EXTRA_INACTIVE
