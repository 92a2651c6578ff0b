"""What the desk asks: lists of a property's orders, and its day sheet."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.ids import ExtraId, GuestId, OrderId, PropertyId, ReservationId
from contracts.message import Query, Reply
from contracts.orders import OrderStatus, OrderView

MOST_LISTED = 100


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


_Text = Annotated[str, Field(min_length=1, max_length=255)]


class OrderFilter(_Value):
    """Which orders are listed: those that meet every condition that is set."""

    order_id: _Text | None = None
    status: OrderStatus | None = None
    needs_attention: bool = Field(default=False, description="only those under review or with a failed refund")
    disputed: bool = Field(default=False, description="only those with a dispute, or an inquiry, that is not decided")
    day: date | None = Field(default=None, description="with a line for this day")
    extra_id: _Text | None = Field(default=None, description="with a line of this extra")
    guest_id: _Text | None = None
    reservation_id: _Text | None = None


class ListPropertyOrders(Query):
    """A property's orders, the newest first; those that need attention, the longest waiting first."""

    kind: Literal["orders.list-property-orders.v1"] = "orders.list-property-orders.v1"
    property_id: PropertyId
    only: OrderFilter = OrderFilter()
    after: str | None = Field(default=None, description="the cursor of the page before")
    limit: int = Field(default=50, ge=1, le=MOST_LISTED)


class GetDaySheet(Query):
    """What a property owes its guests on one day."""

    kind: Literal["orders.get-day-sheet.v1"] = "orders.get-day-sheet.v1"
    property_id: PropertyId
    day: date


class PropertyOrders(_Value):
    """One page of a property's orders, as staff see them."""

    orders: tuple[OrderView, ...]
    next: str | None = Field(
        default=None, description="the cursor of the next page, also where this one is short or empty; none: the end"
    )


class SheetLine(_Value):
    """One line of an order that is due on a day."""

    order_id: OrderId
    line: int = Field(description="its number in the order, from 0")
    reservation_id: ReservationId
    guest_id: GuestId
    quantity: int
    at: str | None = Field(default=None, description="its time slot, such as `15:00`; none: at any time of the day")
    is_fulfilled: bool


class SheetExtra(_Value):
    """One extra on a day: how many are due, and for which guests, by time."""

    extra_id: ExtraId
    name: dict[str, str] = Field(description="by language tag")
    quantity: int
    lines: tuple[SheetLine, ...]


class DaySheet(_Value):
    """What a property owes its guests on one day, from confirmed and fulfilled orders, by extra and time."""

    property_id: PropertyId
    day: date
    extras: tuple[SheetExtra, ...]
    any_day: tuple[SheetExtra, ...] = Field(
        default=(), description="what guests who stay on this day can have on any day, and have not received yet"
    )
    is_complete: bool = Field(default=True, description="false: the day has more orders than a sheet holds")
    any_day_is_complete: bool = Field(
        default=True, description="false: more orders await lines of any day than are looked at, the newest first"
    )


class PropertyOrdersReply(Reply):
    kind: Literal["orders.property-orders-reply.v1"] = "orders.property-orders-reply.v1"
    page: PropertyOrders


class DaySheetReply(Reply):
    kind: Literal["orders.day-sheet-reply.v1"] = "orders.day-sheet-reply.v1"
    sheet: DaySheet
