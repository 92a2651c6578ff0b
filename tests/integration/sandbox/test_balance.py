"""The account's balance: every movement of money is a transaction, and payouts are made of them."""

from typing import Any, cast

import pytest
import stripe

from tests.integration.sandbox.conftest import Bench


async def transactions(bench: Bench, **params: str) -> list[stripe.BalanceTransaction]:
    found = (await bench.sdk.v1.balance_transactions.list_async(cast(Any, params))).data
    return found[::-1]


async def test_a_charge_is_a_transaction_with_its_fee(bench: Bench) -> None:
    intent = await bench.paid(2500)

    (moved,) = await transactions(bench, source=str(intent.latest_charge))

    assert (moved.type, moved.reporting_category, moved.amount, moved.fee, moved.net) == (
        *("charge", "charge"),
        *(2500, 62, 2438),
    )
    charge = await bench.sdk.v1.charges.retrieve_async(str(intent.latest_charge), {"expand": ["balance_transaction"]})
    assert charge.balance_transaction == moved


async def test_a_refund_that_fails_leaves_the_balance_as_it_was(bench: Bench) -> None:
    intent = await bench.paid(2500)
    refund = await bench.switch(f"payment_intents/{intent.id}/refund", {"amount": 1000, "status": "pending"})

    await bench.switch(f"refunds/{refund['id']}/settle", {"outcome": "fail"})

    moved = await transactions(bench, source=refund["id"])
    assert [(one.type, one.net) for one in moved] == [("refund", -1000), ("refund_failure", 1000)]
    failed = await bench.sdk.v1.refunds.retrieve_async(refund["id"])
    assert (failed.balance_transaction, failed.failure_balance_transaction) == (moved[0].id, moved[1].id)


async def test_a_dispute_takes_its_amount_and_a_fee_and_gives_the_amount_back_when_it_is_won(bench: Bench) -> None:
    intent = await bench.paid(2500)
    dispute = await bench.switch(f"payment_intents/{intent.id}/dispute")

    await bench.switch(f"disputes/{dispute['id']}/close", {"status": "won"})

    moved = await transactions(bench, source=dispute["id"])
    assert [(one.reporting_category, one.amount, one.fee) for one in moved] == [
        ("dispute", -2500, 2000),
        ("dispute_reversal", 2500, 0),
    ]
    won = await bench.sdk.v1.disputes.retrieve_async(dispute["id"])
    assert [one.id for one in won.balance_transactions] == [one.id for one in moved]


async def test_a_payout_is_the_sum_of_what_it_contains(bench: Bench) -> None:
    first, _second = await bench.paid(2500), await bench.paid(1000)
    await bench.sdk.v1.refunds.create_async({"payment_intent": first.id, "amount": 500})

    made = await bench.switch("payouts", {"currency": "eur"})

    payout = await bench.sdk.v1.payouts.retrieve_async(made["id"], {"expand": ["balance_transaction"]})
    contained = [one for one in await transactions(bench, payout=payout.id) if one.type != "payout"]
    assert payout.amount == sum(one.net for one in contained)
    assert {one.type for one in contained} == {"charge", "refund"}
    assert isinstance(payout.balance_transaction, stripe.BalanceTransaction)
    assert payout.balance_transaction.net == -payout.amount
    assert (await bench.http.post("/_sandbox/payouts", json={"currency": "eur"})).status_code == 400


async def test_a_transaction_names_its_source_and_shows_it_when_asked(bench: Bench) -> None:
    intent = await bench.paid(2500)

    listed = await bench.sdk.v1.balance_transactions.list_async({"type": "charge", "expand": ["data.source"]})

    source = listed.data[0].source
    assert isinstance(source, stripe.Charge)
    assert source.id == intent.latest_charge
    with pytest.raises(stripe.InvalidRequestError):
        await bench.sdk.v1.balance_transactions.retrieve_async("txn_none")


async def test_a_charge_shows_its_refunds_when_asked(bench: Bench) -> None:
    intent = await bench.paid(2500)
    refund = await bench.sdk.v1.refunds.create_async({"payment_intent": intent.id, "amount": 500})

    listed = await bench.sdk.v1.payment_intents.list_async({"expand": ["data.latest_charge.refunds"]})

    charge = listed.data[0].latest_charge
    assert isinstance(charge, stripe.Charge)
    assert charge.refunds is not None
    assert ([one.id for one in charge.refunds.data], charge.refunds.has_more) == ([refund.id], False)
