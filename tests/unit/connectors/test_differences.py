"""What the comparison of folios with receipts says, entry by entry."""

from datetime import timedelta
from typing import Any

import pytest

from chassis.amounts import major_units
from connectors.apaleo.differences import RECENT, Difference, differences
from connectors.apaleo.folios import Folio, Folios
from connectors.apaleo.postings import Allowance, AnyPosting, Charge, Payment, Refund, Terms, postings_of
from contracts.webhooks import OrderData
from tests.support.apaleo import AT, ORDER_ID, TERMS, failed, order, payment, refund

PAID = payment((0, 4800, 700), (1, 1250, 1900))
BACK = refund(2, (1, 250, 1900))
ORDER = order([PAID, BACK])
LATER = AT + RECENT + timedelta(seconds=1)

Json = dict[str, Any]


def entries_of(about: OrderData = ORDER) -> dict[str, list[Json]]:
    """The folio's lists as they are when all is booked, each entry as Apaleo shows it."""
    lists: dict[str, list[Json]] = {"charges": [], "payments": [], "allowances": [], "refunds": []}
    for number, posting in enumerate(postings_of(about, TERMS)):
        name, entry = _entry(posting, lists)
        lists[name].append({"id": f"e{number}", **entry})
    return lists


def _entry(posting: AnyPosting, lists: dict[str, list[Json]]) -> tuple[str, Json]:
    money = {"amount": float(major_units(posting.amount)), "currency": posting.amount.currency}
    gross = {"grossAmount": money["amount"], "netAmount": 1.0, "currency": money["currency"]}
    match posting:
        case Charge():
            return "charges", {"receipt": posting.reference, "amount": gross | {"vatType": posting.vat_type}}
        case Payment():
            return "payments", {"receipt": posting.reference, "amount": money}
        case Refund():
            return "refunds", {"receipt": posting.reference, "amount": money}
        case Allowance():
            source = next(each["id"] for each in lists["charges"] if each["receipt"] == posting.charge)
            return "allowances", {"reason": posting.reference, "sourceChargeId": source, "amount": gross}


def compared(
    lists: dict[str, list[Json]], about: OrderData = ORDER, terms: Terms = TERMS, *more: dict[str, list[Json]]
) -> list[Difference]:
    folios = tuple(
        Folio.model_validate({"id": f"f{number}", "balance": {"currency": "EUR"}, **each})
        for number, each in enumerate((lists, *more))
    )
    return differences(about, terms, Folios(folios, about.order_id), LATER)


def said(found: list[Difference]) -> list[str]:
    return [f"{each.receipt}: {each.said}" for each in found]


@pytest.mark.parametrize(
    "about", [order([PAID]), ORDER, order([PAID, BACK, failed(3, (1, 250, 1900))]), order([payment((0, 0, 700))])]
)
def test_what_is_booked_as_the_receipts_say_differs_in_nothing(about: OrderData) -> None:
    assert compared(entries_of(about), about) == []


@pytest.mark.parametrize(
    ("name", "place", "words"),
    [
        ("charges", 1, "17: the charge 17/2 of 12.50 EUR is on no folio"),
        ("payments", 0, "17: the payment 17 of 60.50 EUR is on no folio"),
        ("allowances", 0, "18: the allowance 18/1 on 17/2 of 2.50 EUR is on no folio"),
        ("refunds", 0, "18: the refund 18 of 2.50 EUR is on no folio"),
    ],
)
def test_an_entry_that_is_missing_is_named_with_its_receipt(name: str, place: int, words: str) -> None:
    lists = entries_of()
    del lists[name][place]

    found = compared(lists)

    assert words in said(found)
    assert not any(each.is_recent for each in found)


def test_what_a_young_receipt_asks_for_may_still_come() -> None:
    folio = Folio.model_validate({"id": "f", "balance": {"currency": "EUR"}})

    found = differences(order([PAID]), TERMS, Folios((folio,), ORDER_ID), AT + RECENT - timedelta(seconds=1))

    assert len(found) == 3
    assert all(each.is_recent for each in found)


@pytest.mark.parametrize("name", ["charges", "payments", "allowances", "refunds"])
def test_an_entry_that_is_there_twice_is_named_once(name: str) -> None:
    lists = entries_of()
    lists[name].append(lists[name][-1] | {"id": "again"})
    if name == "charges":  # … and both allowances of it are on the first
        lists["allowances"][0]["sourceChargeId"] = lists["charges"][1]["id"]

    assert [words.partition(" is on the folios ")[2] for words in said(compared(lists))] == ["2 times"]


@pytest.mark.parametrize("name", ["charges", "payments", "allowances", "refunds"])
def test_another_amount_and_another_currency_are_named(name: str) -> None:
    key = "grossAmount" if name in ("charges", "allowances") else "amount"
    dearer, foreign = entries_of(), entries_of()
    dearer[name][0]["amount"][key] += 0.01
    foreign[name][0]["amount"]["currency"] = "CHF"

    for lists in (dearer, foreign):
        [words] = said(compared(lists))
        assert ", and should be " in words


def test_another_vat_type_is_named() -> None:
    lists = entries_of()
    lists["charges"][0]["amount"]["vatType"] = "Normal"

    assert said(compared(lists)) == ["17: the charge 17/1 has the VAT type Normal, and should have Reduced"]


@pytest.mark.parametrize("amount", [None, 48.0, {}, {"grossAmount": None, "currency": "EUR"}, {"grossAmount": 48}, []])
def test_an_amount_that_cannot_be_read_is_not_taken_for_right(amount: Any) -> None:
    lists = entries_of()
    lists["charges"][0]["amount"] = amount

    assert said(compared(lists)) == ["17: the charge 17/1 has no amount that can be read"]


@pytest.mark.parametrize("number", ["60.50", "many", float("nan"), float("inf"), -60.5])
def test_an_amount_that_is_no_number_is_said_and_ends_nothing(number: Any) -> None:
    lists = entries_of()
    lists["payments"][0]["amount"]["amount"] = number

    assert len(compared(lists)) == 1


def test_an_entry_that_no_receipt_asks_for_is_named() -> None:
    """Of receipts that were issued, booked and then lost with a restored store."""
    lists = entries_of(order([PAID, BACK]))

    found = compared(lists, order([PAID]))

    assert said(found) == ["None: no receipt asks for the refund 18", "None: no receipt asks for the allowance 18/1"]


def test_entries_of_other_orders_and_of_staff_are_none_of_its_business() -> None:
    lists = entries_of()
    lists["charges"].append({"id": "x", "receipt": "19/1 ord_other", "amount": {}})
    lists["payments"].append({"id": "y", "receipt": None, "amount": {}})
    lists["allowances"].append({"id": "z", "reason": "a broken lamp", "sourceChargeId": "e0", "amount": {}})

    assert compared(lists) == []


def test_what_staff_moved_counts_where_it_is_now() -> None:
    lists, other = entries_of(), {"charges": [entries_of()["charges"][0] | {"id": "moved"}]}
    lists["charges"][0]["movedTo"] = {"id": "f1"}

    assert compared(lists, ORDER, TERMS, other) == []
    assert compared(lists) == []  # to the folio of another reservation


def test_an_order_that_cannot_be_booked_says_why() -> None:
    [found] = compared(entries_of(), ORDER, Terms(properties={}, vat_types=TERMS.vat_types))

    assert found == Difference(ORDER_ID, 18, "property alpenhof is not in BELLHOP_APALEO_PROPERTIES")
