"""Vouchers, bank transfers and payments that are captured by hand, at the sandbox."""

from typing import Any

from tests.integration.sandbox.conftest import Bench


async def shown(bench: Bench, kind: str) -> Any:
    """A PaymentIntent whose guest has a voucher or a transfer to pay with."""
    intent = await bench.intent(2500)
    return await bench.sdk.v1.payment_intents.confirm_async(
        intent.id,
        {"payment_method_data": {"type": kind}},
    )


async def test_a_voucher_names_its_expiry_and_is_paid_later(bench: Bench) -> None:
    intent = await shown(bench, "oxxo")

    await bench.switch(f"payment_intents/{intent.id}/pay")

    assert intent.status == "requires_action"
    assert intent.next_action.oxxo_display_details.expires_after > intent.created
    paid = await bench.sdk.v1.payment_intents.retrieve_async(intent.id)
    assert (paid.status, paid.amount_received, paid.next_action) == ("succeeded", 2500, None)
    await bench.inbox.gets("payment_intent.requires_action", "payment_intent.succeeded")


async def test_a_voucher_that_expires_may_be_followed_by_another_way_to_pay(bench: Bench) -> None:
    intent = await shown(bench, "oxxo")

    await bench.switch(f"payment_intents/{intent.id}/expire")

    expired = await bench.sdk.v1.payment_intents.retrieve_async(intent.id)
    assert expired.status == "requires_payment_method"
    assert expired.last_payment_error is not None
    assert expired.last_payment_error.code == "payment_intent_payment_attempt_expired"
    paid = await bench.sdk.v1.payment_intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})
    assert paid.status == "succeeded"


async def test_a_transfer_may_come_in_parts(bench: Bench) -> None:
    intent = await shown(bench, "customer_balance")

    part = await bench.switch(f"payment_intents/{intent.id}/pay", {"amount": 1000})
    rest = await bench.switch(f"payment_intents/{intent.id}/pay")

    assert part["next_action"]["display_bank_transfer_instructions"]["amount_remaining"] == 1500
    assert (rest["status"], rest["amount_received"]) == ("succeeded", 2500)
    await bench.inbox.gets("payment_intent.partially_funded", "payment_intent.succeeded")


async def test_what_is_captured_by_hand_is_authorised_and_can_be_cancelled(bench: Bench) -> None:
    intent = await bench.intent(2500, capture_method="manual", confirm=True, payment_method="pm_card_visa")

    cancelled = await bench.sdk.v1.payment_intents.cancel_async(intent.id)

    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("requires_capture", 2500, 0)
    assert (cancelled.status, cancelled.amount_capturable) == ("canceled", 0)
    assert (await bench.state())["captured"] == {}
    await bench.inbox.gets("payment_intent.amount_capturable_updated", "payment_intent.canceled")
