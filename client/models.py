"""What the API answers beyond the contracts' own views. Fields this client does not know are ignored."""

from pydantic import BaseModel, ConfigDict

from contracts.ids import OrderId
from contracts.money import Money
from contracts.orders import OrderStatus, PaymentStatus, TakenOut


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class OrderUpdate(_Answer):
    """One event of an order's live stream; the first, `orders.order-state`, says where the order stands."""

    event: str
    order_id: OrderId
    status: OrderStatus | None = None
    payment_status: PaymentStatus | None = None
    code: str | None = None
    detail: str | None = None
    declined_because: str | None = None
    total: Money | None = None
    taken_out: TakenOut | None = None


class FieldError(_Answer):
    """One place of a request that is wrong: a JSON pointer that begins with /body, /path, /query or /header."""

    pointer: str
    detail: str


class Problem(_Answer):
    """A problem document (RFC 9457)."""

    type: str = "about:blank"
    """Stable, for programs: `urn:bellhop:problem:order-not-found`."""
    title: str = ""
    status: int
    detail: str = ""
    """A sentence for the person who is asking."""
    errors: tuple[FieldError, ...] = ()
