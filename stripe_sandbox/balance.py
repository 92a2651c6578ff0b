"""The account's balance: a transaction for every movement of money, and payouts to the bank.

https://docs.stripe.com/reports/balance-transaction-types. Fees are like those of a European account; what comes in is
available at once, and one currency is never converted to another.
"""

from typing import Literal

from stripe_sandbox.errors import Json, refused
from stripe_sandbox.forms import only, text
from stripe_sandbox.lists import PAGING, cut, page
from stripe_sandbox.sandbox import INTERNAL_CALL, Call, Sandbox, copied

DISPUTE_FEE = 2000
"""Minor units in any currency. It is not returned when a dispute is won."""

_FILTERS = ("type", "source", "currency")


def charge_taken(sandbox: Sandbox, charge: Json) -> None:
    amount = charge["amount_captured"]
    fee = min(amount, amount * 15 // 1000 + 25)
    moved = _add(sandbox, charge, "charge", "charge", amount, fee=fee, description=charge["description"])
    charge["balance_transaction"] = moved["id"]


def refund_made(sandbox: Sandbox, refund: Json) -> None:
    moved = _add(sandbox, refund, "refund", "refund", -refund["amount"], description="REFUND FOR CHARGE")
    refund["balance_transaction"] = moved["id"]


def refund_failed(sandbox: Sandbox, refund: Json) -> None:
    """A failed refund's money returns to the account."""
    moved = _add(sandbox, refund, "refund_failure", "refund_failure", refund["amount"], description="REFUND FAILURE")
    refund["failure_balance_transaction"] = moved["id"]


def dispute_moved(sandbox: Sandbox, dispute: Json, what: Literal["withdrawn", "reinstated"]) -> None:
    """The disputed amount leaves the balance, or returns."""
    if what == "withdrawn":
        amount, fee, category = -dispute["amount"], DISPUTE_FEE, "dispute"
        description = f"Chargeback withdrawal for {dispute['charge']}"
    else:
        amount, fee, category = dispute["amount"], 0, "dispute_reversal"
        description = f"Chargeback reversal for {dispute['charge']}"
    moved = _add(sandbox, dispute, "adjustment", category, amount, fee=fee, description=description)
    dispute["balance_transactions"].append(copied(moved))


def pay_out(sandbox: Sandbox, currency: str) -> Json:
    """Pay out the account's balance in one currency, as Stripe does every day."""
    state = sandbox.state
    moved = [
        transaction
        for transaction in state.balance_transactions.values()
        if transaction["currency"] == currency and transaction["id"] not in state.paid_out
    ]
    amount = sum(transaction["net"] for transaction in moved)
    if amount <= 0:
        raise refused(f"There is nothing to pay out in {currency}: the balance is {amount}.", param="currency")
    payout: Json = {
        "id": sandbox.new_id("po"),
        "object": "payout",
        "amount": amount,
        "arrival_date": sandbox.seconds(),
        "automatic": True,
        "balance_transaction": None,
        "created": sandbox.seconds(),
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": None,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": sandbox.livemode,
        "metadata": {},
        "method": "standard",
        "reconciliation_status": "completed",
        "source_type": "card",
        "statement_descriptor": None,
        "status": "paid",
        "type": "bank_account",
    }
    own = _add(sandbox, payout, "payout", "payout", -amount, description="STRIPE PAYOUT")
    payout["balance_transaction"] = own["id"]
    state.paid_out |= {transaction["id"]: payout["id"] for transaction in (*moved, own)}
    sandbox.store.put(payout)
    sandbox.emit(INTERNAL_CALL, "payout.paid", payout)
    return payout


def _add(
    sandbox: Sandbox, source: Json, kind: str, category: str, amount: int, *, description: str | None, fee: int = 0
) -> Json:
    details = {"amount": fee, "application": None, "currency": source["currency"], "type": "stripe_fee"}
    return sandbox.store.put(
        {
            "id": sandbox.new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": sandbox.seconds(),
            "balance_type": "payments",
            "created": sandbox.seconds(),
            "currency": source["currency"],
            "description": description,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [details | {"description": "Stripe processing fees"}] if fee else [],
            "net": amount - fee,
            "reporting_category": category,
            "source": source["id"],
            "status": "available",
            "type": kind,
        }
    )


def retrieve(sandbox: Sandbox, call: Call) -> Json:
    return sandbox.store.get(call.path["id"], "txn")


def list_all(sandbox: Sandbox, call: Call) -> Json:
    """Filtered by type, source and currency, and by the payout that contains them."""
    only(call.params, (*PAGING, *_FILTERS, "payout", "expand"))
    wanted = {name: value for name in _FILTERS if (value := text(call.params, name)) is not None}
    payout = text(call.params, "payout")

    def matches(item: Json) -> bool:
        is_paid_out = payout is None or sandbox.state.paid_out.get(item["id"]) == payout
        return is_paid_out and all(item[name] == value for name, value in wanted.items())

    return cut(sandbox, call, "txn", "/v1/balance_transactions", matches)


def retrieve_payout(sandbox: Sandbox, call: Call) -> Json:
    return sandbox.store.get(call.path["id"], "po")


def list_payouts(sandbox: Sandbox, call: Call) -> Json:
    return page(sandbox, call, "po", "/v1/payouts", filters=("status",))
