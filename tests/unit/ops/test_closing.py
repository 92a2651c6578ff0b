"""A day's closing: to which day a movement belongs, and by what totals do not add up."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.closing.day import Closing, Line, Payout, close, is_on, window
from contracts.closing import ClosingOrder, ClosingPayment, ClosingRefund, Kind, Transaction
from contracts.orders import OrderStatus
from contracts.payments import RefundStage
from psp_adapter.transactions import transaction_of
from tests.unit.ops.test_audit import NOW, euros, order, payment

ORDER = ClosingOrder.model_validate(order(OrderStatus.CONFIRMED))
PAID = ClosingPayment.model_validate(payment().model_copy(update={"received": euros(4800), "paid_reference": "pi_1"}))


def moved(kind: Kind = Kind.CHARGE, amount: str = "48.00", fee: str = "0.97", **changes: Any) -> Transaction:
    values: dict[str, Any] = {
        "transaction_id": "txn_1",
        "kind": kind,
        "at": NOW,
        "amount": Decimal(amount),
        "fee": Decimal(fee),
        "net": Decimal(amount) - Decimal(fee),
        "currency": "EUR",
        "source": "ch_1",
        "psp_reference": "pi_1",
        "order_id": ORDER.order_id,
        "charged": abs(Decimal(amount)),
        "charged_currency": "EUR",
    }
    return Transaction(**values | changes)


def closed(
    *lines: Line,
    orders: tuple[tuple[ClosingOrder, ClosingPayment | None], ...] = ((ORDER, PAID),),
    payouts: tuple[Payout, ...] = (),
) -> Closing:
    return close(Closing(NOW.date(), None, "UTC", orders, lines, payouts))


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("Europe/Vienna", datetime(2026, 11, 23, 23, tzinfo=UTC), datetime(2026, 11, 24, 22, 59, 59, tzinfo=UTC)),
        ("Asia/Tokyo", datetime(2026, 11, 23, 15, tzinfo=UTC), datetime(2026, 11, 24, 14, 59, 59, tzinfo=UTC)),
        ("Pacific/Kiritimati", datetime(2026, 11, 23, 10, tzinfo=UTC), datetime(2026, 11, 24, 9, 59, 59, tzinfo=UTC)),
        ("Etc/GMT+12", datetime(2026, 11, 24, 12, tzinfo=UTC), datetime(2026, 11, 25, 11, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_day_is_the_propertys_own(zone: str, first: datetime, last: datetime) -> None:
    day, second = date(2026, 11, 24), timedelta(seconds=1)
    start, end = window(day)

    assert [is_on(at, day, zone) for at in (first - second, first, last, last + second)] == [False, True, True, False]
    assert start <= first < last < end


def test_a_day_on_which_the_clocks_change_has_all_of_its_hours() -> None:
    day = date(2026, 10, 25)
    hours = [datetime(2026, 10, 24, 12, tzinfo=UTC) + timedelta(hours=number) for number in range(48)]

    assert sum(is_on(at, day, "Europe/Vienna") for at in hours) == 25


def test_a_day_whose_charges_are_its_orders_has_no_differences() -> None:
    result = closed(Line(moved(), ORDER, PAID))

    (total,), (bridge,) = result.totals, result.bridges
    assert result.differences == ()
    assert (total.by_kind[Kind.CHARGE], total.fees, total.net) == (Decimal(48), Decimal("0.97"), Decimal("47.03"))
    assert (bridge.paid, bridge.mismatched, bridge.charges) == (Decimal(48), Decimal(), Decimal(48))


def test_an_order_of_yesterday_that_is_charged_today_is_named_as_that() -> None:
    today = ORDER.model_copy(update={"order_id": "ord_today"})

    (bridge,) = closed(Line(moved(), ORDER, PAID), orders=((today, PAID),)).bridges

    assert (bridge.paid, bridge.charged_another_day, bridge.of_another_day) == (Decimal(48), Decimal(48), Decimal(48))
    assert (bridge.mismatched, bridge.charges) == (Decimal(), Decimal(48))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (Line(moved(net=Decimal(40)), ORDER, PAID), "48.00 less 0.97 is not 40"),
        (Line(moved(), None, None), "there is no such order here"),
        (Line(moved(), ORDER, None), "the payment is not known"),
        (Line(moved(psp_reference="pi_2"), ORDER, PAID), "another session paid the order"),
        (Line(moved(amount="40.00"), ORDER, PAID), "€48.00 were received"),
        (Line(moved(Kind.REFUND, "-10.00", "0"), ORDER, PAID), "does not know the refund"),
        (Line(moved(Kind.DISPUTE, "-48.00", "20"), ORDER, PAID), "does not know the dispute"),
    ],
)
def test_what_our_books_say_otherwise_is_a_difference(line: Line, said: str) -> None:
    (difference,) = closed(line).differences

    assert said in difference


def test_a_refund_that_failed_is_no_difference_once_the_payment_knows_it() -> None:
    refund = ClosingRefund(amount=euros(1000), stage=RefundStage.FAILED, psp_refund_id="re_1")
    paid = PAID.model_copy(update={"refunds": (refund,)})
    both = [
        Line(moved(kind, amount, "0", source="re_1"), ORDER, paid)
        for kind, amount in ((Kind.REFUND, "-10.00"), (Kind.REFUND_FAILURE, "10.00"))
    ]

    assert closed(*both).differences == ()


def test_a_payout_that_is_not_what_it_contains_is_a_difference() -> None:
    own = moved(Kind.PAYOUT, "-47.03", "0")
    good, bad = (
        Payout(name, Decimal(amount), "EUR", (moved(), own)) for name, amount in (("po_1", "47.03"), ("po_2", "50"))
    )

    (difference,) = closed(Line(moved(), ORDER, PAID), payouts=(good, bad)).differences

    assert difference == "payout po_2 of €50.00: what it contains comes to €47.03"


def test_a_transaction_is_read_in_its_currency_and_in_the_guests() -> None:
    source = {"id": "ch_1", "amount": 5000, "currency": "jpy", "payment_intent": "pi_1"}
    raw = {"id": "txn_1", "created": 1_790_000_000, "currency": "eur", "amount": 3000, "fee": 70, "net": 2930}

    read = transaction_of(raw | {"reporting_category": "charge", "source": source})
    bare = transaction_of(raw | {"reporting_category": "something_new", "source": None})

    assert (read.kind, read.amount, read.currency) == (Kind.CHARGE, Decimal(30), "EUR")
    assert (read.charged, read.charged_currency, read.psp_reference) == (Decimal(5000), "JPY", "pi_1")
    assert (bare.kind, bare.charged, bare.psp_reference) == (Kind.OTHER, Decimal(), "")


KINDS = st.sampled_from([Kind.CHARGE, Kind.REFUND, Kind.DISPUTE, Kind.DISPUTE_REVERSAL, Kind.FEE, Kind.OTHER])
CENTS = st.integers(-100_000, 100_000).map(lambda cents: Decimal(cents) / 100)


@given(st.lists(st.tuples(KINDS, CENTS, CENTS, st.sampled_from(["EUR", "CHF"]), st.booleans(), st.booleans())))
def test_totals_are_the_sums_of_their_lines_and_bridges_lead_from_orders_to_charges(
    drawn: list[tuple[Kind, Decimal, Decimal, str, bool, bool]],
) -> None:
    lines = [
        Line(moved(kind, f"{amount:f}", f"{fee:f}", currency=currency, charged_currency=currency), *booked)
        for kind, amount, fee, currency, is_ours, _ in drawn
        for booked in [(ORDER, PAID) if is_ours else (None, None)]
    ]

    result = closed(*lines, orders=((ORDER, PAID),) if any(placed for *_, placed in drawn) else ())

    assert sum(total.net for total in result.totals) == sum(line.transaction.net for line in lines)
    for total in result.totals:
        assert sum(total.by_kind.values()) - total.fees == total.net
    for bridge in result.bridges:
        came = bridge.paid - bridge.charged_another_day + bridge.of_another_day + bridge.mismatched
        assert came == bridge.charges
