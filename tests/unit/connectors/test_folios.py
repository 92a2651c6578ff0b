"""Where a posting goes on a reservation's folios, and whether it is there."""

from typing import Any

import pytest

from connectors.apaleo.folios import Folio, Folios, Target
from connectors.apaleo.ledger import Ledger
from connectors.apaleo.postings import UnbookableError, postings_of
from tests.support.apaleo import AT, ORDER_ID, TERMS, order, payment, refund

PAID = payment((0, 4800, 700))
CHARGE, PAYMENT, ALLOWANCE, REFUND = postings_of(order([PAID, refund(2, (0, 100, 700))]), TERMS)


def folio(folio_id: str, *, is_main: bool = False, is_open: bool = True, **named: Any) -> Folio:
    shown = {
        "id": folio_id,
        "isMainFolio": is_main,
        "balance": {"amount": 0, "currency": named.pop("currency", "EUR")},
        "allowedActions": ["AddCharge", "AddPayment"] if is_open else None,
        **named,
    }
    return Folio.model_validate(shown)


def charged(**named: Any) -> dict[str, Any]:
    return {"charges": [{"id": "c1", "receipt": CHARGE.reference, "amount": {}, **named}]}


def folios(*each: Folio) -> Folios:
    return Folios(each, ORDER_ID)


def test_a_charge_goes_to_the_main_folio_first() -> None:
    assert folios(folio("a"), folio("b", is_main=True)).target_of(CHARGE) == Target("b")


def test_a_main_folio_that_is_closed_gives_way_to_another() -> None:
    assert folios(folio("a", is_main=True, is_open=False), folio("b")).target_of(CHARGE) == Target("b")


def test_the_rest_of_an_order_stays_beside_its_first_charge() -> None:
    found = folios(folio("a", is_main=True), folio("b", **charged()))

    assert found.target_of(CHARGE) == found.target_of(PAYMENT) == found.target_of(REFUND) == Target("b")


def test_without_an_open_folio_nothing_is_posted() -> None:
    with pytest.raises(UnbookableError, match="is it checked out"):
        folios(folio("a", is_main=True, is_open=False)).target_of(CHARGE)


def test_a_folio_in_another_currency_is_refused() -> None:
    with pytest.raises(UnbookableError, match="the order is in EUR, the folio in CHF"):
        folios(folio("a", currency="CHF")).target_of(CHARGE)


def test_an_allowance_follows_a_charge_that_staff_moved() -> None:
    found = folios(folio("a", **charged(movedTo={"id": "b"})), folio("b", **charged(id="c2", movedFrom={"id": "a"})))

    assert found.target_of(ALLOWANCE) == Target("b", "c2")


def test_an_allowance_without_its_charge_is_refused() -> None:
    with pytest.raises(UnbookableError, match="on no folio"):
        folios(folio("a")).target_of(ALLOWANCE)


def test_what_was_posted_is_found_again() -> None:
    found = folios(folio("a", is_main=True))
    assert not any(map(found.has, (CHARGE, PAYMENT, ALLOWANCE, REFUND)))

    for number, posting in enumerate((CHARGE, PAYMENT, ALLOWANCE, REFUND)):
        found = found.after(posting, found.target_of(posting), f"id-{number}")

    assert all(map(found.has, (CHARGE, PAYMENT, ALLOWANCE, REFUND)))


def test_an_allowance_of_other_people_with_the_same_words_is_not_taken_for_it() -> None:
    foreign: dict[str, Any] = {"allowances": [{"id": "x", "reason": ALLOWANCE.reference, "sourceChargeId": "c9"}]}

    assert not folios(folio("a", **charged(), **foreign)).has(ALLOWANCE)


def test_a_key_stays_until_apaleo_has_answered_and_differs_by_posting() -> None:
    ledger = Ledger(order_id=ORDER_ID, property_id=order([PAID]).property_id, created_at=AT)
    first = ledger.begun(CHARGE).key_of(CHARGE)

    assert ledger.begun(CHARGE).begun(CHARGE).key_of(CHARGE) == first
    assert ledger.begun(CHARGE).failed(CHARGE).begun(CHARGE).key_of(CHARGE) != first
    assert len({ledger.key_of(each) for each in (CHARGE, PAYMENT, ALLOWANCE, REFUND)}) == 4
