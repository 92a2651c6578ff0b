"""Given: webhooks about orders with receipts, and the connector to Apaleo before its stand-in."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr

from connectors.apaleo.postings import Terms
from connectors.apaleo.settings import ApaleoSettings
from contracts.ids import ExtraId, GuestId, OrderId, PropertyId, RefundId, ReservationId
from contracts.money import Money
from contracts.offers import PriceUnit
from contracts.order_receipts import ReceiptKind
from contracts.orders import OrderStatus, PaymentStatus
from contracts.vat import VatShare, vat_of
from contracts.webhooks import OrderData, OrderWebhook, WebhookLine, WebhookReceipt, WebhookType
from tests.support.apaleo_stand_in import CLIENT_ID, CLIENT_SECRET, PROPERTY, StandIn
from webhooks.signing import new_secret, signed

AT = datetime(2027, 2, 3, 9, 12, tzinfo=UTC)
ORDER_ID, RESERVATION = OrderId("ord_k3v7"), "XPGMSXGF-1"
SECRET = new_secret()
VAT = {700: "Reduced", 1900: "Normal", None: "Without"}
TERMS = Terms(properties={"alpenhof": PROPERTY}, vat_types=VAT, service_types={"breakfast": "FoodAndBeverages"})

Part = tuple[int | None, int, int | None]
"""Line, minor units, VAT rate."""


def euros(amount: int) -> Money:
    return Money(amount=amount, currency="EUR")


def line(number: int, total: Money, rate: int | None = 1900, **named: Any) -> WebhookLine:
    values = {
        "extra_id": ExtraId("breakfast" if number == 0 else f"extra-{number}"),
        "name": {"en": f"Extra {number}", "de": f"Leistung {number}"},
        "quantity": 1,
    } | named
    return WebhookLine(
        line=number,
        day=None,
        slot=None,
        unit_price=total,
        price_per=PriceUnit.PIECE,
        nights=None,
        total=total,
        vat=vat_of(total, rate),
        is_taken_out=False,
        **values,
    )


def receipt(
    sequence: int,
    kind: ReceiptKind,
    parts: Iterable[Part],
    *,
    currency: str = "EUR",
    number: int | None = None,
    amount: int | None = None,
) -> WebhookReceipt:
    """Receipt 16 + sequence of the property."""
    taken = list(parts)
    shares = tuple(
        VatShare(line=place, gross=Money(amount=part, currency=currency), vat=_vat(part, currency, rate))
        for place, part, rate in taken
    )
    whole = sum(part for _, part, _ in taken) if amount is None else amount
    return WebhookReceipt(
        number=number or 16 + sequence,
        sequence=sequence,
        receipt_kind=kind,
        amount=Money(amount=whole, currency=currency),
        is_outside=False,
        refund_id=None if kind is ReceiptKind.PAYMENT else RefundId(f"ref_{sequence}"),
        issued_at=AT,
        shares=shares,
    )


def _vat(part: int, currency: str, rate: int | None) -> Any:
    return vat_of(Money(amount=part, currency=currency), rate)


def payment(*parts: Part, sequence: int = 1, **named: Any) -> WebhookReceipt:
    return receipt(sequence, ReceiptKind.PAYMENT, parts, **named)


def refund(sequence: int, *parts: Part, **named: Any) -> WebhookReceipt:
    return receipt(sequence, ReceiptKind.REFUND, parts, **named)


def failed(sequence: int, *parts: Part, **named: Any) -> WebhookReceipt:
    return receipt(sequence, ReceiptKind.REFUND_FAILED, parts, **named)


def order(receipts: Sequence[WebhookReceipt], about: int | None = None, **named: Any) -> OrderData:
    """About the last of the receipts, or the one at this place."""
    chosen = receipts[-1] if about is None else receipts[about]
    first = receipts[0]
    lines = tuple(
        line(share.line, share.gross, share.vat.rate if share.vat else None)
        for share in first.shares
        if share.line is not None
    )
    values = {
        "order_id": ORDER_ID,
        "property_id": PropertyId("alpenhof"),
        "reservation_id": ReservationId(RESERVATION),
        "lines": lines,
    } | named
    return OrderData(
        order_version=6,
        guest_id=GuestId("guest-anna"),
        status=OrderStatus.CONFIRMED,
        payment_status=PaymentStatus.PAID,
        created_at=AT,
        approve_by=None,
        total=first.amount,
        refunded=None,
        receipts=tuple(receipts),
        receipt=chosen,
        **values,
    )


def body_of(about: OrderData) -> str:
    is_payment = about.receipt is not None and about.receipt.receipt_kind is ReceiptKind.PAYMENT
    kind = WebhookType.CONFIRMED if is_payment else WebhookType.REFUNDED
    return OrderWebhook(type=kind, timestamp=AT, data=about).model_dump_json()


async def send(
    url: str,
    said: OrderData | dict[str, Any] | str,
    *,
    secret: str = SECRET,
    webhook_id: str = "msg_1",
    at: datetime | None = None,
    **headers: str,
) -> httpx.Response:
    """Send a webhook as Bellhop does."""
    match said:
        case OrderData():
            body = body_of(said)
        case dict():
            body = json.dumps(said)
        case str():
            body = said
    made = signed(webhook_id, at or datetime.now(UTC), body, secret) | headers
    raw = [(name.encode(), value.encode("latin-1")) for name, value in made.items()]
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        return await http.post(f"{url}/webhooks", content=body.encode(), headers=raw)


def settings_for(stand_in: StandIn, **named: Any) -> ApaleoSettings:
    values: dict[str, Any] = {
        "mongodb_url": "mongodb://127.0.0.1:1",
        "apaleo_url": stand_in.url,
        "apaleo_identity_url": stand_in.url,
        "apaleo_client_id": CLIENT_ID,
        "apaleo_client_secret": SecretStr(CLIENT_SECRET),
        "apaleo_webhook_secret": SecretStr(SECRET),
        "apaleo_properties": f"alpenhof:{PROPERTY}",
        "apaleo_vat": "700:Reduced,1000:Special,1900:Normal,none:Without",
        "apaleo_service_types": "breakfast:FoodAndBeverages",
    }
    return ApaleoSettings(**(values | named))
