"""The payment service's messages: amounts, payments and sessions, independent of any PSP."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from contracts.ids import PaymentId, RefundId
from contracts.message import OrderCommand, OrderEvent
from contracts.money import Money
from contracts.psp_accounts import DEFAULT_ACCOUNT, PageAccount
from contracts.receipts import SealedReceiptEmail


class RefundStage(StrEnum):
    """The stage of a refund at the PSP."""

    REQUESTED = "requested"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


_OF_SESSION = (
    "the latest of the order's requests for this session: once it is closed, no later event of these requests counts; "
    "none from older versions"
)


# Commands


class CreatePaymentSession(OrderCommand):
    """Open a session in which the guest can pay this amount."""

    kind: Literal["payments.create-payment-session.v1"] = "payments.create-payment-session.v1"
    payment_id: PaymentId
    amount: Money
    request_no: int | None = Field(
        default=None,
        description="counts the order's requests: a closed session is opened again only by a later one",
    )
    asked_at: datetime | None = Field(
        default=None,
        description="when the order asked; for payment services that do not know `request_no`",
    )
    description: str | None = Field(
        default=None, max_length=500, description="describes the purchase, for staff at the PSP; none from older orders"
    )
    sealed_receipt_email: SealedReceiptEmail = None
    is_captured_later: bool = Field(
        default=False, description="the payment is only authorised, and captured by CapturePayment"
    )
    psp_account: str = Field(
        default=DEFAULT_ACCOUNT,
        description="the name of the account at the PSP: the payment keeps that of its first request",
    )


class CapturePayment(OrderCommand):
    """Capture an authorised payment; answered by PaymentSucceeded or PaymentSessionClosed."""

    kind: Literal["payments.capture-payment.v1"] = "payments.capture-payment.v1"
    payment_id: PaymentId
    amount: Money = Field(description="at most what is authorised; the rest is released")


class ClosePaymentSession(OrderCommand):
    """Close the session for payment; answered by PaymentSessionClosed or PaymentSucceeded."""

    kind: Literal["payments.close-payment-session.v1"] = "payments.close-payment-session.v1"
    payment_id: PaymentId


class RefundPayment(OrderCommand):
    """Refund a payment. Idempotent by the refund's id."""

    kind: Literal["payments.refund-payment.v1"] = "payments.refund-payment.v1"
    payment_id: PaymentId
    refund_id: RefundId
    amount: Money
    reason: str
    repeats: RefundId | None = Field(
        default=None, description="the failed refund that this one replaces, for the same charge"
    )


# Events


class PaymentSessionCreated(OrderEvent):
    """The guest can pay now."""

    kind: Literal["payments.payment-session-created.v1"] = "payments.payment-session-created.v1"
    payment_id: PaymentId
    amount: Money
    sealed_client_secret: str = Field(description="readable by PSP adapter and gateway only")
    page_account: PageAccount = PageAccount()
    request_no: int | None = Field(default=None, description=_OF_SESSION)


class PaymentSessionFailed(OrderEvent):
    """The PSP did not open a session; a later request may succeed."""

    kind: Literal["payments.payment-session-failed.v1"] = "payments.payment-session-failed.v1"
    payment_id: PaymentId
    detail: str


class PaymentProcessing(OrderEvent):
    """The guest has paid with a method that settles later."""

    kind: Literal["payments.payment-processing.v1"] = "payments.payment-processing.v1"
    payment_id: PaymentId
    request_no: int | None = Field(default=None, description=_OF_SESSION)


class PaymentInstructionsIssued(OrderEvent):
    """The guest has a voucher or a code, to be paid elsewhere until then."""

    kind: Literal["payments.payment-instructions-issued.v1"] = "payments.payment-instructions-issued.v1"
    payment_id: PaymentId
    payable_until: datetime
    request_no: int | None = Field(default=None, description=_OF_SESSION)


class PaymentFailed(OrderEvent):
    """One attempt failed; the session stays open for another card."""

    kind: Literal["payments.payment-failed.v1"] = "payments.payment-failed.v1"
    payment_id: PaymentId
    code: str = Field(description="the PSP's machine-readable reason, such as card_declined")
    detail: str = Field(description="a sentence a guest can read")
    request_no: int | None = Field(default=None, description=_OF_SESSION)


class PaymentAuthorised(OrderEvent):
    """The guest's bank has reserved the money. Nothing is charged before it is captured."""

    kind: Literal["payments.payment-authorised.v1"] = "payments.payment-authorised.v1"
    payment_id: PaymentId
    amount: Money
    capture_before: datetime = Field(description="then the authorisation lapses")
    request_no: int | None = Field(default=None, description=_OF_SESSION)


class PaymentSucceeded(OrderEvent):
    """The PSP has received the money."""

    kind: Literal["payments.payment-succeeded.v1"] = "payments.payment-succeeded.v1"
    payment_id: PaymentId
    amount: Money
    paid_at: datetime | None = Field(
        default=None, description="time at the PSP; none: it is said again, or by a version that did not say"
    )


class PaymentMismatched(OrderEvent):
    """The PSP's report does not match the request (amount, currency or livemode)."""

    kind: Literal["payments.payment-mismatched.v1"] = "payments.payment-mismatched.v1"
    payment_id: PaymentId
    detail: str
    received: Money | None = Field(default=None, description="what the PSP holds, if anything")


class PaymentUnresolved(OrderEvent):
    """The PSP has not answered, or contradicts the payment, for so long that a person must decide."""

    kind: Literal["payments.payment-unresolved.v1"] = "payments.payment-unresolved.v1"
    payment_id: PaymentId
    detail: str
    refund_id: RefundId | None = Field(
        default=None, description="the refund that has no outcome; none when it is about the payment itself"
    )
    amount: Money | None = Field(default=None, description="of that refund")
    is_second_charge: bool = Field(default=False, description="that refund is of a second charge: the guest paid twice")


class PaymentRefunded(OrderEvent):
    """The PSP refunded money, on request or in its dashboard. Totals, not differences: the newest event is complete."""

    kind: Literal["payments.payment-refunded.v1"] = "payments.payment-refunded.v1"
    payment_id: PaymentId
    fact_no: int = Field(description="counts the events of one payment: the newest is complete")
    refund_id: RefundId
    refunded: Money = Field(description="refunded so far, over all refunds")
    pending: Money = Field(description="requested and not yet settled")
    doubles: RefundId | None = Field(
        default=None, description="the refund that this one repeats at the PSP: a person must decide"
    )
    amount: Money | None = Field(default=None, description="of this refund; none from older payment services")
    stage: RefundStage | None = Field(default=None, description="of this refund; none from older payment services")
    is_second_charge: bool = Field(
        default=False, description="it is of a second charge (the guest paid twice), which the totals leave out"
    )


class PaymentRefundFailed(OrderEvent):
    """A refund failed, at once or after it had appeared settled; the PSP has the money again."""

    kind: Literal["payments.payment-refund-failed.v1"] = "payments.payment-refund-failed.v1"
    payment_id: PaymentId
    fact_no: int = Field(description="counts the events of one payment: the newest is complete")
    refund_id: RefundId
    refunded: Money
    pending: Money
    detail: str
    amount: Money | None = Field(default=None, description="of this refund; none from older payment services")
    is_second_charge: bool = Field(
        default=False, description="it is of a second charge (the guest paid twice), which the totals leave out"
    )


class PaymentDisputed(OrderEvent):
    """The guest's bank disputes the payment, for the first time or on appeal, or inquires about it."""

    kind: Literal["payments.payment-disputed.v1"] = "payments.payment-disputed.v1"
    payment_id: PaymentId
    fact_no: int = Field(description="counts the events of one payment: the newest is complete")
    dispute_id: str
    amount: Money = Field(description="the disputed amount, possibly a part of the payment")
    inquiry: bool
    status: str = Field(default="", description="the PSP's own word for the state; empty from older payment services")
    reported_at: datetime | None = Field(default=None, description="when the PSP reported it, by its clock")
    is_second_charge: bool = Field(
        default=False, description="about a charge that is refunded because the guest paid twice"
    )


class PaymentDisputeClosed(OrderEvent):
    """A dispute ended: won or lost. An appeal may reopen it."""

    kind: Literal["payments.payment-dispute-closed.v1"] = "payments.payment-dispute-closed.v1"
    payment_id: PaymentId
    fact_no: int = Field(description="counts the events of one payment: the newest is complete")
    dispute_id: str
    amount: Money = Field(description="the disputed amount, possibly a part of the payment")
    won: bool
    status: str = Field(default="", description="the PSP's own word for the state; empty from older payment services")
    reported_at: datetime | None = Field(default=None, description="when the PSP reported it, by its clock")
    is_second_charge: bool = Field(
        default=False, description="about a charge that is refunded because the guest paid twice"
    )


class PaymentSessionClosed(OrderEvent):
    """The PSP confirms that the payment is unpaid and can no longer be paid."""

    kind: Literal["payments.payment-session-closed.v1"] = "payments.payment-session-closed.v1"
    payment_id: PaymentId
    request_no: int | None = Field(default=None, description=_OF_SESSION)
