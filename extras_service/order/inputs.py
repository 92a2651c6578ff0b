"""The inputs of an order's decisions."""

from dataclasses import dataclass
from datetime import timedelta

from chassis.decision import PendingReply, Refused
from chassis.errors import PermanentError, TransientError
from contracts.approvals import ApproveOrder, DeclineOrder
from contracts.erasure import EraseOrder
from contracts.ids import OrderId
from contracts.orders import (
    CancelOrder,
    FulfilLines,
    FulfilOrder,
    PlaceOrder,
    RefundOrder,
    ResolveReview,
    RetryRefund,
    SettleRefundOutside,
    StartPayment,
)
from contracts.payments import (
    PaymentAuthorised,
    PaymentDisputeClosed,
    PaymentDisputed,
    PaymentFailed,
    PaymentInstructionsIssued,
    PaymentMismatched,
    PaymentProcessing,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentSessionClosed,
    PaymentSessionCreated,
    PaymentSessionFailed,
    PaymentSucceeded,
    PaymentUnresolved,
)
from contracts.psp_accounts import DEFAULT_ACCOUNT
from extras_service.catalogue.extra import Catalogue
from extras_service.catalogue.quote import Quote


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """PlaceOrder with the data needed to decide on it."""

    command: PlaceOrder
    quoted: Quote | Refused
    """Its quote at current prices, or the refusal."""
    catalogue: Catalogue
    pay_within: timedelta
    cancel_until: timedelta = timedelta(hours=24)
    open_orders: int = 0
    """The number of the guest's open unpaid orders."""
    max_open_orders: int = 10
    needs_holds: bool = False
    """Whether places of limited extras must be confirmed before the order may be paid."""
    psp_account: str = DEFAULT_ACCOUNT
    """The account at the PSP that its property names now."""


@dataclass(frozen=True, slots=True)
class PaymentStart:
    """StartPayment with the address for its reply."""

    command: StartPayment
    pending_reply: PendingReply | None


@dataclass(frozen=True, slots=True)
class ReviewDecision:
    """ResolveReview with the data needed to decide on it."""

    command: ResolveReview
    review_no: int = 0
    """The review that was open when the order's places were held: `Order.reviews`."""
    no_places: Refused | None = None
    """The reason why the order's places cannot be held."""


@dataclass(frozen=True, slots=True)
class HoldsConfirmed:
    """All places the order needs are held, read after it was placed."""


@dataclass(frozen=True, slots=True)
class HoldsLost:
    """Places the order needs are not held, and another order has them."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The sweeper found that the order's deadline has passed."""


@dataclass(frozen=True, slots=True)
class RetentionPassed:
    """The sweeper found that the guest has left so long ago that the order has to forget them."""


StaffCommand = ApproveOrder | DeclineOrder | FulfilOrder | FulfilLines | RefundOrder | RetryRefund | SettleRefundOutside
PaymentEvent = (
    PaymentSessionCreated
    | PaymentSessionFailed
    | PaymentProcessing
    | PaymentInstructionsIssued
    | PaymentFailed
    | PaymentAuthorised
    | PaymentSucceeded
    | PaymentMismatched
    | PaymentSessionClosed
    | PaymentUnresolved
    | PaymentRefunded
    | PaymentRefundFailed
    | PaymentDisputed
    | PaymentDisputeClosed
)
OrderInput = (
    PlacementRequest
    | HoldsConfirmed
    | HoldsLost
    | PaymentStart
    | ReviewDecision
    | CancelOrder
    | StaffCommand
    | EraseOrder
    | RetentionPassed
    | DeadlinePassed
    | PaymentEvent
)


class HoldsUnconfirmedError(TransientError):
    """A payment was requested before the order's places were confirmed."""

    def __init__(self, order_id: OrderId) -> None:
        super().__init__(f"the places that {order_id} needs are not confirmed yet")


class AnotherReviewError(TransientError):
    """The review for which the order's places were held has been decided, and another one is open."""

    def __init__(self, order_id: OrderId) -> None:
        super().__init__(f"{order_id} has come under review again since its places were held")


class UnknownOrderError(PermanentError):
    """A payment event concerns an order that does not exist."""

    def __init__(self, event: PaymentEvent) -> None:
        super().__init__(f"{event.kind} for {event.order_id}, which this service has never taken")
