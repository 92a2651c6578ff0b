"""Every call of the API as a value: method, path, body and the type of its result. `GatewayClient` sends it.

A call with a `key` is safe to repeat with the same key, and every other one is safe to repeat as it is. A problem is
raised by `GatewayClient.send`; which ones a call can meet is listed in docs/openapi.json.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel

from contracts.answers import (
    Catalogue,
    Contact,
    DayClosing,
    Extras,
    GuestProperty,
    OrderReceiptsAnswer,
    Orders,
    PaymentSession,
    StaffSession,
)
from contracts.catalogue import StaffExtraView
from contracts.deliveries import PropertyWebhooks
from contracts.desk import DaySheet, PropertyOrders
from contracts.money import Money
from contracts.offers import ExtraDefinition
from contracts.order_actions import ReviewResolution
from contracts.orders import OrderView, RequestedLine
from contracts.pictures import PictureView
from contracts.properties import PropertyDefinition, PropertyView

ResultT = TypeVar("ResultT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call(Generic[ResultT]):
    """One request to the API."""

    method: str
    path: str
    result: type[ResultT]
    body: dict[str, Any] | None = None
    key: str | None = None
    """Sent as Idempotency-Key: 1 to 255 visible ASCII characters."""
    file: bytes | None = None
    """Sent as the body, instead of `body`."""


# A guest's


def list_extras() -> Call[Extras]:
    """What can be ordered at the guest's hotel."""
    return Call("GET", "/v1/extras", Extras)


def get_hotel() -> Call[GuestProperty]:
    """Where the guest stays: name, address, contact."""
    return Call("GET", "/v1/property", GuestProperty)


def get_contact() -> Call[Contact]:
    """Where e-mail about the guest's orders goes."""
    return Call("GET", "/v1/contact", Contact)


def put_contact(email: str, language: str | None = None) -> Call[Contact]:
    """Have e-mail about the guest's orders sent to this address."""
    return Call("PUT", "/v1/contact", Contact, {"email": email, "language": language})


def delete_contact() -> Call[Contact]:
    """Have no e-mail sent."""
    return Call("DELETE", "/v1/contact", Contact)


def place_order(lines: Iterable[RequestedLine], *, key: str) -> Call[OrderView]:
    body = {"lines": [line.model_dump(mode="json", exclude_none=True) for line in lines]}
    return Call("POST", "/v1/orders", OrderView, body, key)


def list_orders() -> Call[Orders]:
    """The guest's orders, the newest first."""
    return Call("GET", "/v1/orders", Orders)


def start_payment(order_id: str) -> Call[PaymentSession]:
    """Open the payment of an order, or return the session that is open."""
    return Call("POST", f"/v1/orders/{order_id}/payment-session", PaymentSession)


# A guest's or staff's


def get_order(order_id: str) -> Call[OrderView]:
    return Call("GET", f"/v1/orders/{order_id}", OrderView)


def get_receipts(order_id: str) -> Call[OrderReceiptsAnswer]:
    """The receipts of a paid order, with their sums."""
    return Call("GET", f"/v1/orders/{order_id}/receipt", OrderReceiptsAnswer)


def cancel_order(order_id: str, *, reason: str = "") -> Call[OrderView]:
    """Cancel an order and refund what was paid: guests until the cut-off, staff at any time."""
    return Call("POST", f"/v1/orders/{order_id}/cancel", OrderView, _given(reason=reason or None) or None)


# Staff's


def staff_session() -> Call[StaffSession]:
    """Who the token says is at the desk, and what they may do."""
    return Call("GET", "/v1/staff/session", StaffSession)


def list_property_orders(after: str | None = None, limit: int | None = None, **only: Any) -> Call[PropertyOrders]:
    """A page of the property's orders; `only`: the conditions of `contracts.desk.OrderFilter`, `after`: its `next`."""
    asked = _given(**only, after=after, limit=limit)
    return Call("GET", _with_query("/v1/staff/orders", asked), PropertyOrders)


def day_sheet(day: date) -> Call[DaySheet]:
    """What the property owes its guests on one day."""
    return Call("GET", _with_query("/v1/staff/day-sheet", {"day": day}), DaySheet)


def day_closing(day: date) -> Call[DayClosing]:
    """The property's day in orders and in the PSP's transactions, with totals and differences."""
    return Call("GET", _with_query("/v1/staff/closing", {"day": day}), DayClosing)


def list_property_webhooks(
    order_id: str | None = None, after: str | None = None, limit: int | None = None
) -> Call[PropertyWebhooks]:
    """The property's subscribers and a page of its webhooks; `order_id`: of one order, `after`: the page's `next`."""
    asked = _given(order_id=order_id, after=after, limit=limit)
    return Call("GET", _with_query("/v1/staff/webhooks", asked), PropertyWebhooks)


def approve_order(order_id: str, *, without_lines: Sequence[int] = (), reason: str = "") -> Call[OrderView]:
    """Take an order that needs approval: its guest is charged now, for all lines or without some of them."""
    body = {"without_lines": list(without_lines), "reason": reason} if without_lines else None
    return Call("POST", f"/v1/orders/{order_id}/approve", OrderView, body)


def decline_order(order_id: str, *, reason: str) -> Call[OrderView]:
    """Do not take an order that needs approval; the guest reads the reason and is not charged."""
    return Call("POST", f"/v1/orders/{order_id}/decline", OrderView, {"reason": reason})


def fulfil_order(order_id: str, lines: Iterable[int] | None = None) -> Call[OrderView]:
    """Record that the guest has received the extras; `lines`: only these, numbered from 0."""
    body = None if lines is None else {"lines": list(lines)}
    return Call("POST", f"/v1/orders/{order_id}/fulfil", OrderView, body)


def refund_order(
    order_id: str, *, reason: str, key: str, amount: Money | None = None, line: int | None = None
) -> Call[OrderView]:
    """Refund an amount; None: all that is left. `line`: of this line, which needs an amount."""
    body = _given(reason=reason, amount=amount, line=line)
    return Call("POST", f"/v1/orders/{order_id}/refunds", OrderView, body, key)


def retry_refund(order_id: str, refund_id: str, *, reason: str) -> Call[OrderView]:
    """Request a failed refund again."""
    return Call("POST", f"/v1/orders/{order_id}/refunds/{refund_id}/retry", OrderView, _given(reason=reason))


def settle_refund_outside(order_id: str, refund_id: str, *, reason: str, amount: Money) -> Call[OrderView]:
    """Record that the guest received the money of a failed refund outside the PSP."""
    path = f"/v1/orders/{order_id}/refunds/{refund_id}/settled-outside"
    return Call("POST", path, OrderView, _given(reason=reason, amount=amount))


def resolve_review(
    order_id: str, resolution: ReviewResolution, *, reason: str, amount: Money | None = None, force: bool = False
) -> Call[OrderView]:
    """Decide the review of an order. `amount`: paid or refunded outside the PSP; `force`: accept beyond stock."""
    body = _given(resolution=resolution, reason=reason, amount=amount, force=force or None)
    return Call("POST", f"/v1/orders/{order_id}/review", OrderView, body)


def list_catalogue() -> Call[Catalogue]:
    """Every extra of the property, the retired ones included."""
    return Call("GET", "/v1/staff/catalogue", Catalogue)


def define_extra(extra_id: str, definition: ExtraDefinition, *, reason: str = "") -> Call[StaffExtraView]:
    """Add an extra to the catalogue, or one again that was retired."""
    body = _given(extra_id=extra_id, definition=definition, reason=reason)
    return Call("POST", "/v1/staff/catalogue", StaffExtraView, body)


def change_extra(extra_id: str, definition: ExtraDefinition, *, version: int, reason: str = "") -> Call[StaffExtraView]:
    """Replace the definition of an extra that is at this version."""
    body = _given(version=version, definition=definition, reason=reason)
    return Call("PUT", f"/v1/staff/catalogue/{extra_id}", StaffExtraView, body)


def retire_extra(extra_id: str, *, version: int, reason: str = "") -> Call[StaffExtraView]:
    """Take an extra out of the catalogue."""
    body = _given(version=version, reason=reason)
    return Call("POST", f"/v1/staff/catalogue/{extra_id}/retire", StaffExtraView, body)


def reorder_extras(extra_ids: Iterable[str]) -> Call[Catalogue]:
    """Put the extras into this order."""
    return Call("POST", "/v1/staff/catalogue/order", Catalogue, {"extra_ids": list(extra_ids)})


def upload_picture(content: bytes) -> Call[PictureView]:
    """Store a picture, a JPEG, PNG or WebP file of at most 1 MiB, for an extra's definition."""
    return Call("POST", "/v1/staff/pictures", PictureView, file=content)


def picture_path(picture_id: str, size: int) -> str:
    """Where a picture is shown, in size 480 or 1280: without a token, and cacheable for ever."""
    return f"/v1/pictures/{picture_id}/{size}"


def get_property() -> Call[PropertyView]:
    return Call("GET", "/v1/staff/property", PropertyView)


def change_property(definition: PropertyDefinition, *, version: int | None, reason: str = "") -> Call[PropertyView]:
    """Replace the definition of the property that is at this version; None: define it."""
    body = _given(version=version, definition=definition, reason=reason)
    return Call("PUT", "/v1/staff/property", PropertyView, body)


PROPERTY_LIVE_PATH = "/v1/staff/live"
"""Where the live stream of a property's changes is."""


def live_path(order_id: str) -> str:
    """Where the live stream of an order is."""
    return f"/v1/orders/{order_id}/live"


def _with_query(path: str, asked: Mapping[str, object]) -> str:
    return f"{path}?{urlencode({name: str(value) for name, value in asked.items()})}" if asked else path


def _given(**fields: Any) -> dict[str, Any]:
    """The fields that have a value, as JSON has them."""
    return {
        name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        for name, value in fields.items()
        if value is not None
    }
