"""The PSP's ledger: every field that may be missing is missing once, and one object never ends the reading."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from contracts.psp import PspRefundState
from psp_adapter.errors import PspUnavailableError
from psp_adapter.ledger import Ledger, ledger_entry
from tests.support.fake_stripe import ORDER_ID, FakeStripe, intent

REFUND: dict[str, Any] = {
    "id": "re_1",
    "amount": 100_000,
    "currency": "isk",
    "status": "succeeded",
    "created": 1_790_000_000,
    "metadata": {"refund_id": "ref_1"},
}


def paid(**changes: Any) -> dict[str, Any]:
    refunds = {"data": [REFUND], "has_more": False}
    charge = {"id": "ch_1", "disputed": False, "refunds": refunds}
    return {**intent("succeeded"), "amount_received": 500_000, "latest_charge": charge, **changes}


def pages(*answers: dict[str, Any]) -> FakeStripe:
    left = list(answers)
    return FakeStripe(lambda _request: httpx.Response(200, json=left.pop(0)))


def page(*objects: dict[str, Any], has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(objects), "has_more": has_more}


def test_amounts_are_in_major_units_whatever_the_psp_counts_in() -> None:
    entry = ledger_entry(paid(), [REFUND], installation="bellhop")

    assert (entry.order_id, entry.currency, entry.captured) == (ORDER_ID, "ISK", Decimal(5000))
    assert entry.refunded(PspRefundState.SUCCEEDED) == Decimal(1000)


@pytest.mark.parametrize("missing", ["metadata", "status", "failure_reason", "payment_intent"])
def test_a_refund_without_a_field_that_may_be_null_is_counted(missing: str) -> None:
    entry = ledger_entry(paid(), [REFUND | {missing: None}], installation="bellhop")

    assert [refund.amount for refund in entry.refunds] == [Decimal(1000)]
    assert entry.unreadable == ()


@pytest.mark.parametrize("missing", ["metadata", "latest_charge", "amount_received"])
async def test_an_intent_without_a_field_that_may_be_null_does_not_end_the_reading(missing: str) -> None:
    stripe = pages(page({**paid(id="pi_0"), missing: None}, paid()), page())

    entries = [entry async for entry in Ledger(stripe.api, "bellhop").entries()]

    assert [entry.psp_reference for entry in entries] == ["pi_0", "pi_1"]
    assert entries[1].captured == Decimal(5000)


def test_what_cannot_be_read_is_named_in_the_entry() -> None:
    entry = ledger_entry(paid(), [REFUND, REFUND | {"id": "re_2", "amount": None}], installation="bellhop")

    assert len(entry.refunds) == 1
    assert [what.startswith("re_2: TypeError") for what in entry.unreadable] == [True]


async def test_the_list_is_read_page_by_page() -> None:
    stripe = pages(page(paid(id="pi_2"), has_more=True), page(paid()))

    entries = [entry async for entry in Ledger(stripe.api, "bellhop").entries()]

    assert [entry.psp_reference for entry in entries] == ["pi_2", "pi_1"]
    assert [request.url.params.get("starting_after") for request in stripe.requests] == [None, "pi_2"]
    assert {request.url.params.get("expand[0]") for request in stripe.requests} == {"data.latest_charge.refunds"}


async def test_more_refunds_than_the_charge_lists_are_read_from_their_own_list() -> None:
    charge = {"id": "ch_1", "refunds": {"data": [REFUND], "has_more": True}}
    stripe = pages(page(paid(latest_charge=charge)), page(REFUND, REFUND | {"id": "re_2"}))

    (entry,) = [entry async for entry in Ledger(stripe.api, "bellhop").entries()]

    assert [refund.psp_refund_id for refund in entry.refunds] == ["re_1", "re_2"]


async def test_since_a_time_payments_refunded_or_disputed_since_are_read_as_well() -> None:
    since = datetime(2026, 7, 1, tzinfo=UTC)
    refunds = page(REFUND | {"payment_intent": "pi_old"}, REFUND | {"payment_intent": None})
    stripe = pages(page(), refunds, paid(id="pi_old"), page())

    entries = [entry async for entry in Ledger(stripe.api, "bellhop").entries(since)]

    assert [entry.psp_reference for entry in entries] == ["pi_old"]
    assert stripe.requests[0].url.params["created[gte]"] == str(int(since.timestamp()))


async def test_a_page_that_fails_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psp_adapter.stripe_reader._PAUSES", (0, 0))
    no = {"error": {"message": "Not now.", "code": "rate_limit"}}
    tries = iter([httpx.Response(500, json=no), httpx.Response(429, json=no), httpx.Response(200, json=page(paid()))])
    stripe = FakeStripe(lambda _request: next(tries))

    assert len([entry async for entry in Ledger(stripe.api, "bellhop").entries()]) == 1


async def test_a_psp_that_stays_down_ends_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psp_adapter.stripe_reader._PAUSES", (0, 0))
    stripe = FakeStripe(lambda _request: httpx.Response(500, json={}))

    with pytest.raises(PspUnavailableError):
        [entry async for entry in Ledger(stripe.api, "bellhop").entries()]

    assert len(stripe.requests) == 3


@pytest.mark.parametrize(("named", "is_ours"), [(None, True), ("bellhop", True), ("another", False)])
def test_a_payment_of_another_installation_is_none_of_ours(named: str | None, is_ours: bool) -> None:
    metadata = {"order_id": ORDER_ID} | ({"bellhop_installation": named} if named else {})

    entry = ledger_entry(paid(metadata=metadata), installation="bellhop")

    assert (entry.order_id == ORDER_ID) is is_ours
    assert entry.captured == Decimal(5000)
