"""The payment service's messages. They know amounts, payments and sessions, and no PSP."""

from typing import Literal

from pydantic import Field

from contracts.ids import PaymentId
from contracts.message import Command, Event
from contracts.money import Money

# Commands


class CreatePaymentSession(Command):
    """Open a session in which the guest can pay this amount."""

    kind: Literal["payments.create-payment-session.v1"] = "payments.create-payment-session.v1"
    payment_id: PaymentId
    amount: Money
    description: str = Field(description="what the guest reads on the receipt")


class ClosePaymentSession(Command):
    """Make sure nobody can pay any more; answered by PaymentSessionClosed or PaymentSucceeded."""

    kind: Literal["payments.close-payment-session.v1"] = "payments.close-payment-session.v1"
    payment_id: PaymentId


# Events


class PaymentSessionCreated(Event):
    """The guest can pay now."""

    kind: Literal["payments.payment-session-created.v1"] = "payments.payment-session-created.v1"
    payment_id: PaymentId
    amount: Money
    sealed_client_secret: str = Field(description="readable by PSP adapter and gateway only")


class PaymentSessionFailed(Event):
    """The PSP will not open a session; asking again may help, paying will not."""

    kind: Literal["payments.payment-session-failed.v1"] = "payments.payment-session-failed.v1"
    payment_id: PaymentId
    detail: str


class PaymentProcessing(Event):
    """The guest has paid with a method that settles later."""

    kind: Literal["payments.payment-processing.v1"] = "payments.payment-processing.v1"
    payment_id: PaymentId


class PaymentFailed(Event):
    """One attempt failed; the session stays open for another card."""

    kind: Literal["payments.payment-failed.v1"] = "payments.payment-failed.v1"
    payment_id: PaymentId
    code: str = Field(description="the PSP's machine-readable reason, such as card_declined")
    detail: str = Field(description="a sentence a guest can read")


class PaymentSucceeded(Event):
    """The PSP holds the money."""

    kind: Literal["payments.payment-succeeded.v1"] = "payments.payment-succeeded.v1"
    payment_id: PaymentId
    amount: Money


class PaymentMismatched(Event):
    """The PSP's facts do not match what was asked (amount, currency or livemode)."""

    kind: Literal["payments.payment-mismatched.v1"] = "payments.payment-mismatched.v1"
    payment_id: PaymentId
    detail: str


class PaymentSessionClosed(Event):
    """The PSP says: unpaid, and payable no more."""

    kind: Literal["payments.payment-session-closed.v1"] = "payments.payment-session-closed.v1"
    payment_id: PaymentId
