"""Which receipts an order's money asks for, and what they say."""

from contracts.ids import RefundId
from contracts.money import Money
from contracts.order_actions import ReviewResolution
from contracts.order_receipts import ReceiptKind
from contracts.vat import sums_by_rate
from extras_service.order.state import Order
from extras_service.receipt.due import has_money, next_due
from extras_service.receipt.state import balance
from tests.support import orders as given
from tests.support.receipts import eur, issued, refund_made, taxed


def issued_for(order: Order) -> list[tuple[str, int, bool]]:
    return [(each.receipt_kind.value, each.amount.amount, each.is_outside) for each in issued(order)]


def test_a_paid_order_gets_one_receipt_with_the_vat_of_its_lines() -> None:
    order = taxed(given.confirmed())

    [receipt] = issued(order)

    assert (receipt.receipt_kind, receipt.amount, receipt.sequence) == (ReceiptKind.PAYMENT, order.total, 1)
    [by_rate] = sums_by_rate(receipt.shares)
    assert (by_rate.rate, by_rate.net, by_rate.tax) == (1000, eur(4364), eur(436))


def test_an_order_without_rates_gets_a_receipt_that_states_none() -> None:
    [receipt] = issued(given.confirmed())

    [by_rate] = sums_by_rate(receipt.shares)
    assert (by_rate.rate, by_rate.gross, by_rate.tax) == (None, given.TOTAL, None)


def test_an_order_without_money_gets_none() -> None:
    for order in (given.placed(), given.payable(), given.expired(), given.cancelled(), given.needs_review()):
        assert issued(order) == ()


def test_an_order_under_review_gets_its_receipt_with_the_decision() -> None:
    paid_too_little = given.after(given.payable(), given.succeeded(eur(1000)))
    assert not has_money(paid_too_little)

    accepted = given.after(paid_too_little, given.resolving(ReviewResolution.ACCEPT, amount=3800))

    assert issued_for(accepted) == [("payment", 1000, False), ("payment", 3800, True)]


def test_more_than_the_total_has_no_rate_for_what_is_beyond() -> None:
    paid_too_much = given.after(given.payable(), given.succeeded(eur(5000)))
    accepted = given.after(taxed(paid_too_much), given.resolving(ReviewResolution.ACCEPT))

    [receipt] = issued(accepted)

    assert [(each.rate, each.gross.amount) for each in sums_by_rate(receipt.shares)] == [(1000, 4800), (None, 200)]


def test_a_refund_gets_its_receipt_when_the_guest_has_the_money() -> None:
    asked = given.after(taxed(given.confirmed()), given.refunding(1200))
    assert issued_for(asked) == [("payment", 4800, False)]

    made = given.after(asked, refund_made(1200))

    assert issued_for(made) == [("payment", 4800, False), ("refund", 1200, False)]
    refund = issued(made)[-1]
    assert refund.refund_id == given.REFUND_ID
    assert balance(issued(made), "EUR") == eur(3600)


def test_all_refunds_together_return_the_vat_of_the_payment() -> None:
    order = taxed(given.confirmed())
    for number, amount in enumerate((1601, 1601, 1598), start=1):
        refund_id = RefundId(given.REFUND_ID.replace("a", "b", number))
        asked = given.after(order, given.refunding(amount, refund_id=refund_id))
        order = given.after(asked, refund_made(amount, fact_no=number, refund_id=refund_id))

    payment, *refunds = issued(order)

    assert [refund.amount.amount for refund in refunds] == [1601, 1601, 1598]
    [paid], returned = sums_by_rate(payment.shares), sums_by_rate(s for each in refunds for s in each.shares)
    assert returned == (paid,)


def test_a_refund_that_fails_after_its_receipt_gets_another_one() -> None:
    asked = given.after(taxed(given.confirmed()), given.refunding(1200))
    made = given.after(asked, refund_made(1200))
    before = issued(made)

    failed = given.after(made, given.refund_failed(fact_no=2))
    after = issued(failed, *before)

    assert [each.receipt_kind for each in after] == [ReceiptKind.PAYMENT, ReceiptKind.REFUND, ReceiptKind.REFUND_FAILED]
    assert after[1].shares == after[2].shares
    assert balance(after, "EUR") == given.TOTAL


def test_a_refund_that_failed_before_has_none_and_what_staff_gave_in_cash_has_one() -> None:
    asked = given.after(taxed(given.confirmed()), given.refunding(1200))
    failed = given.after(asked, given.refund_failed())
    assert issued_for(failed) == [("payment", 4800, False)]

    settled = given.after(failed, given.settling_outside(1000))

    assert issued_for(settled) == [("payment", 4800, False), ("refund", 1000, True)]


def test_money_that_came_too_late_and_went_back_has_both_receipts() -> None:
    late = given.after(given.expired(), given.succeeded())
    refund_id = late.refunds[0].refund_id

    made = given.after(late, refund_made(4800, refund_id=refund_id))

    assert issued_for(late) == [("payment", 4800, False)]
    assert issued_for(made) == [("payment", 4800, False), ("refund", 4800, False)]


def test_what_is_paid_in_another_currency_belongs_to_no_line() -> None:
    other = given.confirmed().model_copy(update={"received": Money(amount=500, currency="JPY")})

    [receipt] = issued(taxed(other))

    assert [(share.line, share.gross) for share in receipt.shares] == [(None, Money(amount=500, currency="JPY"))]


def test_an_order_that_was_set_back_by_a_restore_asks_for_no_receipt_again() -> None:
    refunded = given.after(given.confirmed(), given.refunding(1200), refund_made(1200))
    receipts = issued(refunded)

    for earlier in (given.placed(), given.payable(), given.confirmed()):
        assert next_due(earlier, receipts) is None
