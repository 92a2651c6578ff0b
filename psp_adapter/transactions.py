"""Balance transactions of the PSP as a closing reads them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from contracts.closing import Kind, Transaction
from contracts.psp_accounts import DEFAULT_ACCOUNT
from psp_adapter.stripe_money import in_major_units
from psp_adapter.stripe_objects import id_of

_KINDS: Mapping[str, Kind] = {
    **{kind.value: kind for kind in Kind},
    "payout_reversal": Kind.PAYOUT,
    "network_cost": Kind.FEE,
}
"""By Stripe's reporting categories (https://docs.stripe.com/reports/reporting-categories)."""


def transaction_of(
    raw: Mapping[str, Any], order_id: str | None = None, psp_account: str = DEFAULT_ACCOUNT
) -> Transaction:
    """A balance transaction with its source expanded. `order_id`: the order it is about."""
    source = raw.get("source")
    shown: Mapping[str, Any] = source if isinstance(source, Mapping) else {}
    currency = str(raw["currency"]).upper()
    amounts = {name: in_major_units(raw.get(name) or 0, currency) for name in ("amount", "fee", "net")}
    charged_currency = str(shown.get("currency") or "").upper()
    return Transaction(
        transaction_id=str(raw["id"]),
        kind=_KINDS.get(str(raw.get("reporting_category")), Kind.OTHER),
        at=datetime.fromtimestamp(raw["created"], UTC),
        currency=currency,
        source=id_of(source) or "",
        psp_reference=id_of(shown.get("payment_intent")) or "",
        order_id=order_id,
        psp_account=psp_account,
        charged=in_major_units(shown.get("amount") or 0, charged_currency) if charged_currency else Decimal(),
        charged_currency=charged_currency,
        **amounts,
    )
