"""All problem types of the API, as its OpenAPI document lists them. A published type is never removed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

PREFIX = "urn:bellhop:problem:"
MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(pattern=f"^{PREFIX}[a-z-]+$", description="stable; for programs")
    title: str = Field(description="the type in words")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="a sentence for the client's user")
    instance: str = Field(default="", description="the path that was asked")
    trace_id: str = Field(default="", description="the trace of the request, for the operator; left out if it has none")
    errors: list["FieldError"] = Field(default_factory=list, description="where the request is wrong")


class FieldError(BaseModel):
    """One invalid field of a request."""

    pointer: str = Field(description="a JSON pointer; begins with /body, /path, /query or /header")
    detail: str


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A problem type: its status, its title, and an example of its detail."""

    name: str
    status: int
    title: str
    detail: str

    def example(self) -> dict[str, Any]:
        return {"type": PREFIX + self.name, "title": self.title, "status": self.status, "detail": self.detail}


def _types(*rows: tuple[int, str, str, str]) -> Mapping[str, ProblemType]:
    return {name: ProblemType(name, status, title, detail) for status, name, title, detail in rows}


PROBLEM_TYPES = _types(
    (400, "malformed-request", "Malformed request", "The body is not JSON."),
    (400, "idempotency-key-missing", "Idempotency-Key missing", "Send an Idempotency-Key header: any unique text."),
    (400, "idempotency-key-invalid", "Idempotency-Key invalid", "An Idempotency-Key has 1 to 255 visible characters."),
    (401, "unauthorized", "Not signed in", "Your session has expired. Please open the link from your hotel again."),
    (403, "wrong-role", "Wrong role", "Only hotel staff may do this; use a staff token."),
    (404, "order-not-found", "Order not found", "There is no such order."),
    (404, "extra-not-found", "Extra not found", "There is no such extra."),
    (404, "picture-not-found", "Picture not found", "There is no such picture."),
    (404, "property-not-found", "Property not found", "There is no such property."),
    (404, "no-such-page", "Not Found", "GET /v2: Not Found"),
    (405, "method-not-allowed", "Method Not Allowed", "DELETE /v1/orders: Method Not Allowed"),
    (408, "request-timeout", "Request too slow", "The body of the request did not arrive within 30 s."),
    (409, "too-many-open-orders", "Too many open orders", "You have 10 orders that are not paid yet."),
    (404, "receipt-not-found", "Receipt not found", "This order has no receipt: nothing was paid for it yet."),
    (409, "order-not-payable", "Order not payable", "A payment for this order is being processed."),
    (409, "order-not-cancellable", "Order not cancellable", "This order can no longer be cancelled: it is fulfilled."),
    (409, "cancellation-too-late", "Cancellation too late", "Please ask the reception: the time to cancel is over."),
    (409, "order-not-approvable", "Order not approvable", "This order needs no approval."),
    (409, "approved-otherwise", "Approved otherwise", "This order was approved already, as a whole."),
    (409, "line-taken-out", "Line taken out", "Line 1 was taken out of this order: its guest has not paid for it."),
    (409, "order-not-fulfillable", "Order not fulfillable", "Only a confirmed order can be fulfilled; it is expired."),
    (409, "order-not-refundable", "Order not refundable", "There is nothing to refund for this order."),
    (409, "refund-not-failed", "Refund not failed", "This order has no failed refund ref_x that is still open."),
    (409, "order-not-in-review", "Order not in review", "This order is not under review; it is confirmed."),
    (409, "extra-exists", "Extra exists", "An extra with this id exists: ids are unique over all properties."),
    (409, "extra-retired", "Extra retired", "This extra is retired: define it again to offer it."),
    (409, "too-many-pictures", "Too many pictures", "This property has 5000 pictures, the most it may have."),
    (409, "mail-off", "Mail off", "This hotel sends no e-mail about orders."),
    (409, "property-exists", "Property exists", "This property is defined already: change it."),
    (409, "version-outdated", "Version outdated", "This was changed by owner-hilde meanwhile: it is at version 3."),
    (413, "body-too-large", "Body too large", "The body of a request may have 65536 bytes."),
    (422, "invalid-request", "Invalid request", "/body/lines: Field required"),
    (422, "no-lines", "No lines", "An order needs at least one extra."),
    (422, "extra-unknown", "Extra unknown", "There is no extra 'alm-unicorn'."),
    (422, "extra-inactive", "Extra inactive", "Sleigh ride is not offered at the moment."),
    (422, "extra-of-another-property", "Extra of another property", "Late check-out is not offered at your hotel."),
    (422, "quantity-not-positive", "Quantity not positive", "The quantity of Breakfast must be at least 1."),
    (422, "quantity-over-limit", "Quantity over limit", "At most 6 of Breakfast can be ordered."),
    (422, "day-outside-stay", "Day outside stay", "Choose a day of your stay for Breakfast."),
    (422, "day-gone-by", "Day gone by", "2027-02-03 is over at your hotel; choose another day for Breakfast."),
    (422, "slot-unknown", "Slot unknown", "Choose a time for Massage: 10:00, 15:00."),
    (
        422,
        "lead-time-passed",
        "Lead time passed",
        "Massage on 2027-02-03 could be ordered until 02 February 2027 18:00.",
    ),
    (422, "weekday-closed", "Weekday closed", "Massage is offered on Monday, Friday; 2027-02-03 is a Wednesday."),
    (422, "day-blacked-out", "Day blacked out", "Massage is not offered on 2027-02-03; choose another day."),
    (422, "out-of-season", "Out of season", "Sleigh ride is offered until 2027-03-15."),
    (422, "extra-invalid", "Extra invalid", "The extra has 2 mistakes; nothing was changed."),
    (
        422,
        "picture-invalid",
        "Picture invalid",
        "This file is not a JPEG, PNG or WebP picture.",
    ),
    (422, "property-invalid", "Property invalid", "The property has 1 mistake; nothing was changed."),
    (422, "total-not-payable", "Total not payable", "This order comes to more than can be paid at once."),
    (422, "mixed-currencies", "Mixed currencies", "One order is paid in one currency; these extras use CHF and EUR."),
    (422, "out-of-stock", "Out of stock", "Massage on 2027-02-03: 1 left. Choose another day or fewer."),
    (422, "guest-limit-reached", "Guest limit reached", "One guest can have at most 4 of Massage on 2027-02-03."),
    (422, "idempotency-key-reused", "Idempotency key reused", "This Idempotency-Key belongs to another order."),
    (422, "refund-exceeds-paid", "Refund exceeds paid", "At most €24.00 can be refunded."),
    (422, "no-line-left", "No line left", "An order without lines cannot be approved: decline it instead."),
    (422, "line-unknown", "Line unknown", "This order has the lines 0 to 2."),
    (
        422,
        "closing-too-large",
        "Closing too large",
        "The account has more than 3000 transactions around this day: use `bellhop closing`.",
    ),
    (422, "cursor-invalid", "Cursor invalid", "This cursor is of no page of this list: begin at the first page."),
    (422, "amount-not-settleable", "Amount not settleable", "At most €48.00 can have been settled outside."),
    (429, "too-many-requests", "Too many requests", "This is more than 300 per 1 minute. Please try again in 20 s."),
    (429, "too-many-live-streams", "Too many live streams", "You have 8 live views open already."),
    (431, "headers-too-large", "Headers too large", "The address and the headers of a request are too large."),
    (500, "internal-error", "Internal error", "Something went wrong on our side. It has been recorded."),
    (502, "payment-session-failed", "Payment session failed", "The payment could not be opened. Please try again."),
    (503, "too-many-orders-waiting", "Too many orders waiting", "Many orders are waiting to be handled."),
    (503, "unavailable", "Temporarily unavailable", "This cannot be done right now; repeating it is safe."),
)
