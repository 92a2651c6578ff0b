"""The payment service's messages. They know amounts, payments and sessions, and no PSP."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from contracts.ids import PaymentId, RefundId
from contracts.message import OrderCommand, OrderEvent
from contracts.money import Money


class RefundStage(StrEnum):
    """Where a refund stands with the PSP."""

    REQUESTED = "requested"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


# Commands


class CreatePaymentSession(OrderCommand):
    """Open a session in which the guest can pay this amount."""

    kind: Literal["payments.create-payment-session.v1"] = "payments.create-payment-session.v1"
    payment_id: PaymentId
    amount: Money
    request_no: int | None = Field(
        default=None,
        description="counts the order's requests: a session that was closed is opened again only by a later one",
    )
    asked_at: datetime | None = Field(
        default=None,
        description="when the order asked; for payment services that do not know `request_no`",
    )
    description: str | None = Field(
        default=None, max_length=500, description="what is paid for, for staff at the PSP; none from older orders"
    )
    sealed_receipt_email: str | None = Field(
        default=None, max_length=1000, description="where the guest wants a receipt; only the PSP adapter can open it"
    )


class ClosePaymentSession(OrderCommand):
    """Make sure nobody can pay any more; answered by PaymentSessionClosed or PaymentSucceeded."""

    kind: Literal["payments.close-payment-session.v1"] = "payments.close-payment-session.v1"
    payment_id: PaymentId


class RefundPayment(OrderCommand):
    """Give money back. Asking twice with the same id refunds once."""

    kind: Literal["payments.refund-payment.v1"] = "payments.refund-payment.v1"
    payment_id: PaymentId
    refund_id: RefundId
    amount: Money
    reason: str
    repeats: RefundId | None = Field(
        default=None, description="the failed refund this one takes the place of: the same charge is refunded"
    )


# Events


class PaymentSessionCreated(OrderEvent):
    """The guest can pay now."""

    kind: Literal["payments.payment-session-created.v1"] = "payments.payment-session-created.v1"
    payment_id: PaymentId
    amount: Money
    sealed_client_secret: str = Field(description="readable by PSP adapter and gateway only")


class PaymentSessionFailed(OrderEvent):
    """The PSP will not open a session; asking again may help, paying will not."""

    kind: Literal["payments.payment-session-failed.v1"] = "payments.payment-session-failed.v1"
    payment_id: PaymentId
    detail: str


class PaymentProcessing(OrderEvent):
    """The guest has paid with a method that settles later."""

    kind: Literal["payments.payment-processing.v1"] = "payments.payment-processing.v1"
    payment_id: PaymentId


class PaymentInstructionsIssued(OrderEvent):
    """The guest has a voucher or a code that can be paid until then, elsewhere and later."""

    kind: Literal["payments.payment-instructions-issued.v1"] = "payments.payment-instructions-issued.v1"
    payment_id: PaymentId
    payable_until: datetime


class PaymentFailed(OrderEvent):
    """One attempt failed; the session stays open for another card."""

    kind: Literal["payments.payment-failed.v1"] = "payments.payment-failed.v1"
    payment_id: PaymentId
    code: str = Field(description="the PSP's machine-readable reason, such as card_declined")
    detail: str = Field(description="a sentence a guest can read")


class PaymentSucceeded(OrderEvent):
    """The PSP holds the money."""

    kind: Literal["payments.payment-succeeded.v1"] = "payments.payment-succeeded.v1"
    payment_id: PaymentId
    amount: Money


class PaymentMismatched(OrderEvent):
    """The PSP's facts do not match what was asked (amount, currency or livemode)."""

    kind: Literal["payments.payment-mismatched.v1"] = "payments.payment-mismatched.v1"
    payment_id: PaymentId
    detail: str
    received: Money | None = Field(default=None, description="what the PSP holds, if anything")


class PaymentUnresolved(OrderEvent):
    """The PSP could not be asked, or contradicts us, for so long that a person must look."""

    kind: Literal["payments.payment-unresolved.v1"] = "payments.payment-unresolved.v1"
    payment_id: PaymentId
    detail: str
    refund_id: RefundId | None = Field(
        default=None, description="the refund that has no outcome; none when it is about the payment itself"
    )
    amount: Money | None = Field(default=None, description="of that refund")
    is_second_charge: bool = Field(default=False, description="that refund is of a second charge: the guest paid twice")


class PaymentRefunded(OrderEvent):
    """The PSP gave money back, whoever asked for it. Totals, not differences: the newest event says all."""

    kind: Literal["payments.payment-refunded.v1"] = "payments.payment-refunded.v1"
    payment_id: PaymentId
    fact_no: int = Field(description="counts the facts of one payment: the newest says all")
    refund_id: RefundId
    refunded: Money = Field(description="given back so far, over all refunds")
    pending: Money = Field(description="asked for and not yet settled")
    doubles: RefundId | None = Field(
        default=None, description="the refund that this one repeats at the PSP: a person must look"
    )
    amount: Money | None = Field(default=None, description="of this refund; none from older payment services")
    stage: RefundStage | None = Field(default=None, description="of this refund; none from older payment services")
    is_second_charge: bool = Field(
        default=False, description="it is of a second charge (the guest paid twice), which the totals leave out"
    )


class PaymentRefundFailed(OrderEvent):
    """A refund failed, at once or after it had looked settled; the money is back with the PSP."""

    kind: Literal["payments.payment-refund-failed.v1"] = "payments.payment-refund-failed.v1"
    payment_id: PaymentId
    fact_no: int = Field(description="counts the facts of one payment: the newest says all")
    refund_id: RefundId
    refunded: Money
    pending: Money
    detail: str
    amount: Money | None = Field(default=None, description="of this refund; none from older payment services")
    is_second_charge: bool = Field(
        default=False, description="it is of a second charge (the guest paid twice), which the totals leave out"
    )


class PaymentDisputed(OrderEvent):
    """The guest's bank asks for the money back, for the first time or on appeal, or (an inquiry) why it was taken."""

    kind: Literal["payments.payment-disputed.v1"] = "payments.payment-disputed.v1"
    payment_id: PaymentId
    fact_no: int = Field(description="counts the facts of one payment: the newest says all")
    dispute_id: str
    amount: Money = Field(description="what is disputed, which may be a part of the payment")
    inquiry: bool
    status: str = Field(default="", description="the PSP's own word for the state; empty from older payment services")
    reported_at: datetime | None = Field(default=None, description="when the PSP reported it, by its clock")
    is_second_charge: bool = Field(
        default=False, description="about a charge that is refunded because the guest paid twice"
    )


class PaymentDisputeClosed(OrderEvent):
    """A dispute ended: won, or the money is gone. An appeal may open it again."""

    kind: Literal["payments.payment-dispute-closed.v1"] = "payments.payment-dispute-closed.v1"
    payment_id: PaymentId
    fact_no: int = Field(description="counts the facts of one payment: the newest says all")
    dispute_id: str
    amount: Money = Field(description="what was disputed, which may be a part of the payment")
    won: bool
    status: str = Field(default="", description="the PSP's own word for the state; empty from older payment services")
    reported_at: datetime | None = Field(default=None, description="when the PSP reported it, by its clock")
    is_second_charge: bool = Field(
        default=False, description="about a charge that is refunded because the guest paid twice"
    )


class PaymentSessionClosed(OrderEvent):
    """The PSP says: unpaid, and payable no more."""

    kind: Literal["payments.payment-session-closed.v1"] = "payments.payment-session-closed.v1"
    payment_id: PaymentId
