"""The VAT of an order's lines, of its payments and of its refunds adds up, in whatever parts money moves."""

import json
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from contracts.ids import ExtraId
from contracts.money import Money
from contracts.orders import OrderLine
from contracts.vat import VatShare, sums_by_rate, vat_of
from extras_service.catalogue.quote import Quote, quote
from extras_service.order.vat_shares import Flow, KeptLines
from tests.support import orders as given_orders
from tests.unit.contracts.test_vat import CURRENCIES, RATES

GROSS = st.integers(0, 500_000)


def order_line(gross: int, rate: int | None, currency: str = "EUR") -> OrderLine:
    total = Money(amount=gross, currency=currency)
    return OrderLine(
        extra_id=ExtraId("spa"),
        name={"en": "Spa"},
        quantity=1,
        day=None,
        unit_price=total,
        line_total=total,
        vat=vat_of(total, rate),
    )


@st.composite
def order_lines(draw: st.DrawFn) -> tuple[OrderLine, ...]:
    currency = draw(CURRENCIES)
    lines = draw(st.lists(st.tuples(GROSS, RATES), min_size=1, max_size=8))
    return tuple(order_line(gross, rate, currency) for gross, rate in lines)


@dataclass(frozen=True)
class Moved:
    flow: Flow
    amount: Money
    shares: tuple[VatShare, ...]


def vats(shares: tuple[VatShare, ...]) -> tuple[int, int]:
    """Net and tax of all shares that state them, in hundredths."""
    stated = [share.vat for share in shares if share.vat]
    return sum(vat.net.in_hundredths for vat in stated), sum(vat.tax.in_hundredths for vat in stated)


def test_a_placed_order_keeps_the_rate_net_and_tax_of_each_line() -> None:
    breakfast = given_orders.offered().model_copy(update={"vat_rate": 1000})
    late = given_orders.offered(given_orders.LATE_CHECKOUT, amount=5000)
    requested = (given_orders.line(), given_orders.line(given_orders.LATE_CHECKOUT, 1))

    priced = quote(given_orders.guest(), requested, given_orders.catalogue(breakfast, late))

    assert isinstance(priced, Quote)
    first, second = priced.lines
    assert first.vat == vat_of(first.line_total, 1000)
    assert second.vat is None
    assert "vat" not in json.loads(second.model_dump_json())


def test_a_line_of_an_older_order_states_no_vat() -> None:
    stored = order_line(1000, 2000).model_dump(mode="json", exclude={"vat"})

    assert OrderLine.model_validate(stored).vat is None


@given(order_lines())
def test_a_payment_of_the_total_has_exactly_the_vat_of_the_lines(lines: tuple[OrderLine, ...]) -> None:
    total = sum((line.line_total for line in lines), start=Money.zero(lines[0].line_total.currency))

    shares = KeptLines.unpaid(lines).split(total, Flow.IN)

    expected = [
        VatShare(line=number, gross=line.line_total, vat=line.vat)
        for number, line in enumerate(lines)
        if line.line_total.amount
    ]
    assert list(shares) == expected


@given(order_lines(), st.data())
def test_shares_add_up_after_any_payments_and_refunds(lines: tuple[OrderLine, ...], data: st.DataObject) -> None:
    currency = lines[0].line_total.currency
    total = sum(line.line_total.amount for line in lines)
    kept, moved, held = KeptLines.unpaid(lines), list[Moved](), 0
    for _ in range(data.draw(st.integers(1, 8))):
        flow = data.draw(st.sampled_from(Flow)) if held else Flow.IN
        amount = data.draw(st.integers(1, max(1, held if flow is Flow.OUT else total + 100)))
        of_line = data.draw(st.none() | st.integers(0, len(lines) - 1)) if flow is Flow.OUT else None
        money = Money(amount=amount, currency=currency)

        shares = kept.split(money, flow, of_line)

        assert sum(share.gross.in_hundredths for share in shares) == money.in_hundredths
        for share in shares:
            assert share.gross.in_hundredths > 0
            if share.vat is not None:
                assert share.vat.net + share.vat.tax == share.gross
                assert min(share.vat.net.in_hundredths, share.vat.tax.in_hundredths) >= 0
        by_rate = sums_by_rate(shares)
        assert sum(each.gross.in_hundredths for each in by_rate) == money.in_hundredths
        moved.append(Moved(flow, money, shares))
        kept = kept.after(shares, flow)
        held += flow * amount
        # What is kept of each line is taxed as a line of that amount.
        for number, line in enumerate(lines):
            assert 0 <= kept.kept[number] <= line.line_total.in_hundredths
            left = vat_of(Money.of_hundredths(kept.kept[number], currency), line.vat.rate if line.vat else None)
            of_number = [
                (each.flow, share) for each in moved for share in each.shares if share.line == number and share.vat
            ]
            tax = sum(flow * share.vat.tax.in_hundredths for flow, share in of_number if share.vat)
            assert tax == (left.tax.in_hundredths if left else 0)

    # Refunding all that is kept refunds all the VAT that is kept, by each rate.
    rest = Money.of_hundredths(sum(kept.kept), currency)
    last = kept.split(rest, Flow.OUT)

    assert kept.after(last, Flow.OUT).kept == (0,) * len(lines)
    moved.append(Moved(Flow.OUT, rest, last))
    for rate in {share.vat.rate for each in moved for share in each.shares if share.vat}:
        of_rate = [(each.flow, s.vat) for each in moved for s in each.shares if s.vat and s.vat.rate == rate]
        assert sum(flow * vat.tax.in_hundredths for flow, vat in of_rate) == 0
        assert sum(flow * vat.net.in_hundredths for flow, vat in of_rate) == 0


def test_an_amount_is_refunded_over_the_lines_in_proportion_to_what_is_kept() -> None:
    lines = (order_line(4800, 1000), order_line(5000, 2000), order_line(200, None))
    paid = KeptLines(lines, (4800_00, 5000_00, 200_00))

    shares = paid.split(Money(amount=1000, currency="EUR"), Flow.OUT)

    assert [(share.line, share.gross.amount) for share in shares] == [(0, 480), (1, 500), (2, 20)]
    assert [share.vat.tax.amount if share.vat else None for share in shares] == [43, 83, None]


def test_a_refund_of_a_line_takes_from_that_line_first() -> None:
    lines = (order_line(4800, 1000), order_line(5000, 2000))
    paid = KeptLines(lines, (4800_00, 1000_00))

    shares = paid.split(Money(amount=2000, currency="EUR"), Flow.OUT, line=1)

    assert [(share.line, share.gross.amount) for share in shares] == [(0, 1000), (1, 1000)]


def test_money_beyond_all_lines_has_no_line_and_no_vat() -> None:
    shares = KeptLines.unpaid((order_line(100, 2000),)).split(Money(amount=150, currency="EUR"), Flow.IN)

    assert [(share.line, share.gross.amount, share.vat is None) for share in shares] == [
        (0, 100, False),
        (None, 50, True),
    ]
