"""Ways to pay that end after the guest has left the page: a voucher (OXXO) and a bank transfer (customer balance)."""

from stripe_sandbox.errors import Json, refused
from stripe_sandbox.sandbox import Call, Sandbox

DAY = 24 * 3600
TYPES = {"oxxo": "voucher", "customer_balance": "transfer"}
"""Behaviour of each type of payment method, as in the table of test cards."""


def show(sandbox: Sandbox, call: Call, intent: Json) -> None:
    """Give the guest payment instructions."""
    if sandbox.state.behaviours[intent["payment_method"]] == "voucher":
        kind = "oxxo_display_details"
        expires_after = sandbox.seconds() + 3 * DAY
        sandbox.at(expires_after, "voucher", intent["id"])
        shown: Json = {
            "expires_after": expires_after,
            "hosted_voucher_url": f"{call.address}/v3/voucher",
            "number": "12345678901234657890123456789012",
        }
    else:
        kind = "display_bank_transfer_instructions"
        shown = {
            "amount_remaining": intent["amount"],
            "currency": intent["currency"],
            "financial_addresses": [],
            "hosted_instructions_url": f"{call.address}/v3/transfer",
            "reference": intent["id"][-12:].upper(),
            "type": "eu_bank_transfer",
        }
    intent.update(status="requires_action", next_action={"type": kind, kind: shown})
    sandbox.emit(call, "payment_intent.requires_action", intent)


def paid_in_full(sandbox: Sandbox, call: Call, intent: Json, amount: int | None) -> bool:
    """Whether the guest has paid in full; a partial transfer is recorded and emitted."""
    shown = _shown(intent)
    remaining: int = shown["amount_remaining"] if "amount_remaining" in shown else intent["amount"]
    paid = remaining if amount is None else amount
    if paid > remaining or ("amount_remaining" not in shown and paid != remaining):
        raise refused(f"{remaining} is to be paid.", param="amount")
    if paid == remaining:
        return True
    shown["amount_remaining"] = remaining - paid
    sandbox.emit(call, "payment_intent.partially_funded", intent)
    return False


def expired(intent: Json) -> Json:
    """The error of an attempt whose voucher was not paid in time."""
    _shown(intent)
    return {
        "code": "payment_intent_payment_attempt_expired",
        "message": "The payment attempt expired before it was paid.",
        "type": "invalid_request_error",
    }


def _shown(intent: Json) -> Json:
    action = intent["next_action"] or {}
    if action.get("type") not in ("oxxo_display_details", "display_bank_transfer_instructions"):
        raise refused(f"PaymentIntent {intent['id']} has no voucher or transfer that waits for its guest.")
    shown: Json = action[action["type"]]
    return shown
