"""Request and response bodies of the API, beyond the contracts' own views."""

from typing import Annotated, Any, Self

from fastapi import Path
from pydantic import BaseModel, ConfigDict, FailFast, Field, field_validator, model_validator

from chassis.web.receipt_emails import is_plausible
from contracts import deliveries
from contracts.desk import MOST_LISTED, OrderFilter
from contracts.ids import OrderId
from contracts.money import Money, unrefundable
from contracts.order_actions import ReviewResolution
from contracts.orders import RequestedLine
from gateway.api import examples

OrderIdPath = Annotated[str, Path(pattern=r"^ord_[a-z2-7]{26}$")]
RefundIdPath = Annotated[
    str, Path(pattern=r"^ref_[0-9A-Za-z_~]{1,251}$", description="as the order's `refunds` name it")
]


class OrderRequest(BaseModel):
    """The lines of an order to be placed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lines": [examples.LINE]}]})

    # The first wrong line is enough: a body of 64 KiB has room for 40,000.
    lines: Annotated[tuple[RequestedLine, ...], FailFast()] = Field(max_length=100)


class OrderSearch(OrderFilter):
    """The conditions and the page of a search, as query parameters."""

    model_config = ConfigDict(extra="forbid")

    after: str | None = Field(default=None, max_length=500, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=MOST_LISTED)

    @property
    def conditions(self) -> dict[str, Any]:
        return self.model_dump(exclude={"after", "limit"})

    @property
    def paging(self) -> dict[str, Any]:
        return self.model_dump(include={"after", "limit"})


class WebhookSearch(BaseModel):
    """What is listed of a property's webhooks, as query parameters."""

    model_config = ConfigDict(extra="forbid")

    order_id: str | None = Field(default=None, min_length=1, max_length=255, description="only those about this order")
    after: str | None = Field(default=None, max_length=500, description="`next` of the page before")
    limit: int = Field(default=25, ge=1, le=deliveries.MOST_LISTED, description="pairs of an order and a subscriber")


class ContactRequest(BaseModel):
    """Where e-mail about the guest's orders is to go."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CONTACT]})

    email: str = Field(max_length=254, description="one ASCII address, without a name")
    language: str | None = Field(
        default=None, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,2}$", description="none: the hotel's first"
    )

    @field_validator("email")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if not is_plausible(value):
            raise ValueError("must be one e-mail address, such as anna@example.org")
        return value


class CancelRequest(BaseModel):
    """The reason for the cancellation, kept with the order."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "We leave a day earlier."}]})

    reason: str = Field(default="", max_length=500)


class ApproveRequest(BaseModel):
    """Which lines the hotel takes out of the order, and why. The guest reads it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"without_lines": [1], "reason": "The spa is fully booked that day."}]}
    )

    without_lines: tuple[int, ...] = Field(min_length=1, max_length=100, description="their numbers, from 0")
    reason: str = Field(min_length=1, max_length=500)


class DeclineRequest(BaseModel):
    """Why the hotel does not take the order. The guest reads it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The room is needed at ten that day."}]})

    reason: str = Field(min_length=1, max_length=500)


class FulfilRequest(BaseModel):
    """The lines that the guest has received."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lines": [0]}]})

    lines: tuple[int, ...] = Field(min_length=1, max_length=100, description="their numbers in the order, from 0")


class RefundRequest(BaseModel):
    """The amount and reason of a refund."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"amount": {"amount": 2400, "currency": "EUR"}, "reason": "One breakfast was cold."},
                {"reason": "The kitchen was closed."},
            ]
        }
    )

    amount: Money | None = Field(default=None, description="none means all that is left; needed with `line`")
    line: int | None = Field(
        default=None, ge=0, description="the line of the order that it is for; at most the line's price is refunded"
    )
    reason: str = Field(min_length=1, max_length=500)

    @model_validator(mode="after")
    def _a_line_has_an_amount(self) -> Self:
        # A service that does not know lines yet would refund all that is left.
        if self.line is not None and self.amount is None:
            raise ValueError("a refund of a line needs its amount")
        return self

    @field_validator("amount")
    @classmethod
    def _can_be_refunded(cls, amount: Money | None) -> Money | None:
        problem = unrefundable(amount) if amount is not None else None
        if problem is not None:
            raise ValueError(problem)
        return amount


class RetryRequest(BaseModel):
    """The reason for repeating a failed refund."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The guest has another account now."}]})

    reason: str = Field(min_length=1, max_length=500)


class SettledOutsideRequest(BaseModel):
    """The amount that the guest received outside the system, and how."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"amount": {"amount": 2400, "currency": "EUR"}, "reason": "Given in cash at check-out."}]
        }
    )

    amount: Money = Field(description="at most the amount of the refund that failed")
    reason: str = Field(min_length=1, max_length=500)


class ReviewRequest(BaseModel):
    """The decision on an order under review, and its reason."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"resolution": "refund", "reason": "Charged less than the order's total."},
                {
                    "resolution": "settled-outside",
                    "amount": examples.TOTAL,
                    "reason": "The card was closed; paid back in cash, receipt 117.",
                },
            ]
        }
    )

    resolution: ReviewResolution = Field(
        description="`accept`: confirm the order, if its places can still be had; `refund`: cancel it and refund what "
        "the PSP holds; `settled-outside`: the money was paid or refunded outside the PSP, and the order stays "
        "closed, or confirmed, as it was before the review (cancelled, if it was open)"
    )
    reason: str = Field(min_length=1, max_length=500)
    amount: Money | None = Field(
        default=None,
        description="settled outside: what went back to the guest of a closed order (none: all that the PSP holds), "
        "or what the guest paid for a confirmed one; with `accept` what the guest paid outside",
    )
    force: bool = Field(
        default=False, description="with `accept`: confirm the order although no place is left; the audit log keeps it"
    )


class Accepted(BaseModel):
    """The request was accepted; its result will be at the Location."""

    order_id: OrderId
    status: str = "accepted"
