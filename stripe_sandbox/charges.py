"""Charges: one per attempt to take a payment intent's money."""

from stripe_sandbox import balance
from stripe_sandbox.cards import DECLINES
from stripe_sandbox.errors import Json
from stripe_sandbox.lists import page
from stripe_sandbox.sandbox import Call, Sandbox

NO_OUTCOME: Json = {"network_status": "approved_by_network", "reason": None, "risk_level": "normal"}
_APPROVED: Json = NO_OUTCOME | {"seller_message": "Payment complete.", "type": "authorized"}


def attempt(sandbox: Sandbox, call: Call, intent: Json, *, status: str, capture_before: int | None = None) -> Json:
    """A new charge for the whole intent, *succeeded*, *authorised*, *pending* or *failed*, made its latest."""
    method = sandbox.store.get(intent["payment_method"], "pm")
    charge: Json = {
        "id": sandbox.new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "captured": False,
        "created": sandbox.seconds(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": sandbox.livemode,
        "metadata": dict(intent["metadata"]),
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"type": method["type"], method["type"]: card_details(method)},
        "receipt_email": intent["receipt_email"],
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "pending",
        "transfer_group": None,
    }
    sandbox.store.put(charge)
    intent["latest_charge"] = charge["id"]
    if status == "pending":
        sandbox.emit(call, "charge.pending", charge)
    elif status == "authorised":
        charge["payment_method_details"][method["type"]]["capture_before"] = capture_before
        charge.update(status="succeeded", paid=True, outcome=_APPROVED)
        sandbox.emit(call, "charge.succeeded", charge)
    elif status == "succeeded":
        succeed(sandbox, call, charge)
    else:
        fail(sandbox, call, charge)
    return charge


def succeed(sandbox: Sandbox, call: Call, charge: Json) -> None:
    charge.update(status="succeeded", paid=True, captured=True, amount_captured=charge["amount"], outcome=_APPROVED)
    balance.charge_taken(sandbox, charge)
    sandbox.emit(call, "charge.succeeded", charge)


def capture(sandbox: Sandbox, call: Call, charge: Json, amount: int) -> None:
    """Take what was authorised, or a part of it."""
    charge.update(captured=True, amount_captured=amount)
    balance.charge_taken(sandbox, charge)
    sandbox.emit(call, "charge.captured", charge)


def expire(sandbox: Sandbox, call: Call, charge: Json) -> None:
    """The authorisation was not captured in time."""
    charge["paid"] = False
    sandbox.emit(call, "charge.expired", charge)


def fail(sandbox: Sandbox, call: Call, charge: Json) -> None:
    decline = decline_of(sandbox, charge["payment_method"])
    code, message = DECLINES[decline]
    charge.update(
        status="failed",
        failure_code=code,
        failure_message=message,
        outcome=NO_OUTCOME
        | {
            "network_status": "declined_by_network",
            "reason": decline,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        },
    )
    sandbox.emit(call, "charge.failed", charge)


def decline_of(sandbox: Sandbox, method_id: str) -> str:
    """Why this card is declined; a card that is only slow to fail fails for no stated reason."""
    behaviour = sandbox.state.behaviours[method_id]
    return behaviour if behaviour in DECLINES else "generic_decline"


def card_details(method: Json) -> Json:
    if "card" not in method:
        return {}
    wanted = ("brand", "checks", "country", "exp_month", "exp_year", "funding", "last4", "wallet")
    return {name: method["card"][name] for name in wanted}


def retrieve(sandbox: Sandbox, call: Call) -> Json:
    return sandbox.store.get(call.path["id"], "ch")


def list_all(sandbox: Sandbox, call: Call) -> Json:
    return page(sandbox, call, "ch", "/v1/charges", filters=("payment_intent", "customer"))
