"""The PSP adapter's messages: requests to the PSP and its reports, without a vendor's name on the wire."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from contracts.ids import PaymentId, RefundId
from contracts.message import Command, Event, OrderCommand, OrderEvent
from contracts.money import Money
from contracts.psp_accounts import AtPspAccount, PageAccount
from contracts.receipts import SealedReceiptEmail

# Commands


class CreatePspSession(AtPspAccount, OrderCommand):
    kind: Literal["psp.create-psp-session.v1"] = "psp.create-psp-session.v1"
    payment_id: PaymentId
    session_no: int = Field(ge=1, description="counts the sessions of one payment; part of the idempotency key")
    amount: Money
    description: str | None = Field(
        default=None,
        max_length=500,
        description="describes the purchase, for staff at the PSP; equal in every request for this session",
    )
    sealed_receipt_email: SealedReceiptEmail = None
    is_captured_later: bool = Field(default=False, description="a payment is only authorised, not captured")


class CapturePspSession(AtPspAccount, OrderCommand):
    """Capture what the guest's bank has authorised, or a part of it, and report the session's state."""

    kind: Literal["psp.capture-psp-session.v1"] = "psp.capture-psp-session.v1"
    payment_id: PaymentId
    session_no: int = Field(ge=1)
    psp_reference: str
    amount: Money = Field(description="at most what is authorised; the PSP releases the rest")


class ClosePspSession(AtPspAccount, OrderCommand):
    """Cancel the session and report its state."""

    kind: Literal["psp.close-psp-session.v1"] = "psp.close-psp-session.v1"
    payment_id: PaymentId
    session_no: int = Field(ge=1)
    psp_reference: str


class RetrievePspSession(AtPspAccount, OrderCommand):
    """Read a session at the PSP and report its state, as an event of the PSP would."""

    kind: Literal["psp.retrieve-psp-session.v1"] = "psp.retrieve-psp-session.v1"
    payment_id: PaymentId
    psp_reference: str
    is_held: bool = Field(
        default=True,
        description="whether the payment holds this session; if not, an event claimed it, and it need not exist",
    )


class CreatePspRefund(AtPspAccount, OrderCommand):
    kind: Literal["psp.create-psp-refund.v1"] = "psp.create-psp-refund.v1"
    payment_id: PaymentId
    refund_id: RefundId
    psp_reference: str
    amount: Money
    look_first: bool = Field(
        default=True,
        description="read by older adapters only: today's always looks for an earlier refund first",
    )


class SweepPspEvents(AtPspAccount, Command):
    """Publish again all events that the PSP has recorded since then, for webhooks that never arrived."""

    kind: Literal["psp.sweep-psp-events.v1"] = "psp.sweep-psp-events.v1"
    since: datetime


class TranslatePspEvent(AtPspAccount, Command):
    """Fetch one event from the PSP and publish it: the dead letter of an event that could not be translated."""

    kind: Literal["psp.translate-psp-event.v1"] = "psp.translate-psp-event.v1"
    event_id: str
    event_type: str = Field(description="the PSP's own name for it")
    is_thin: bool = Field(default=False, description="whether the event only names the object that it is about")


PspCommand = (
    CreatePspSession
    | CapturePspSession
    | ClosePspSession
    | RetrievePspSession
    | CreatePspRefund
    | SweepPspEvents
    | TranslatePspEvent
)


# Events


class PspEventsSwept(AtPspAccount, Event):
    """All events that the PSP has recorded until then are on the bus."""

    kind: Literal["psp.psp-events-swept.v1"] = "psp.psp-events-swept.v1"
    until: datetime


class PspSessionCreated(AtPspAccount, OrderEvent):
    kind: Literal["psp.psp-session-created.v1"] = "psp.psp-session-created.v1"
    payment_id: PaymentId
    session_no: int
    psp_reference: str = Field(description="the PSP's own id of the session")
    amount: Money
    livemode: bool
    sealed_client_secret: str
    page_account: PageAccount = PageAccount()


class PspSessionFailed(AtPspAccount, OrderEvent):
    """The PSP refused to open a session; the same request would be refused again."""

    kind: Literal["psp.psp-session-failed.v1"] = "psp.psp-session-failed.v1"
    payment_id: PaymentId
    session_no: int
    code: str
    detail: str


class PspPaymentEvent(AtPspAccount, OrderEvent):
    """Common fields of reports about a payment.

    An answer is about the payment whose command it answers. An event of the PSP only claims one, by metadata that
    people can edit in its dashboard; `order_id` and `payment_id` are empty if it claims none. `psp_reference` decides.
    """

    payment_id: PaymentId
    psp_reference: str
    livemode: bool
    occurred_at: datetime = Field(description="time at the PSP; reports may overtake each other on the way")
    is_answer: bool = Field(
        default=False,
        description="answers a command, read from the PSP; otherwise an event that the PSP sent by itself",
    )


class PspSessionOpen(PspPaymentEvent):
    """The session is open and unpaid, as read from the PSP."""

    kind: Literal["psp.psp-session-open.v1"] = "psp.psp-session-open.v1"


class PspOutcomeUnknown(AtPspAccount, OrderEvent):
    """The PSP did not answer, so the outcome of the request is unknown."""

    kind: Literal["psp.psp-outcome-unknown.v1"] = "psp.psp-outcome-unknown.v1"
    payment_id: PaymentId
    asked: str = Field(description="the kind of the command that was not answered")
    detail: str
    is_refused: bool = Field(
        default=False,
        description="it did answer: the session is unknown there (another account or mode, deleted), or refused",
    )


class PspPaymentActionRequired(PspPaymentEvent):
    """The PSP waits for the guest to authenticate."""

    kind: Literal["psp.psp-payment-action-required.v1"] = "psp.psp-payment-action-required.v1"
    payable_until: datetime | None = Field(
        default=None, description="the expiry of the voucher or code that the guest was shown, if known"
    )


class PspPaymentHeld(PspPaymentEvent):
    """The PSP holds a part or an authorisation of the money, and waits for a decision that is not made here."""

    kind: Literal["psp.psp-payment-held.v1"] = "psp.psp-payment-held.v1"
    is_authorised_only: bool = Field(
        description="all of it is authorised and nothing captured; otherwise a part was paid"
    )
    detail: str = Field(description="a sentence for staff")
    authorised: Money | None = Field(default=None, description="what can be captured; none from older adapters")
    capture_before: datetime | None = Field(
        default=None, description="when the authorisation lapses, where the PSP names it"
    )


class PspPaymentProcessing(PspPaymentEvent):
    kind: Literal["psp.psp-payment-processing.v1"] = "psp.psp-payment-processing.v1"


class PspPaymentFailed(PspPaymentEvent):
    kind: Literal["psp.psp-payment-failed.v1"] = "psp.psp-payment-failed.v1"
    code: str
    detail: str


class PspPaymentSucceeded(PspPaymentEvent):
    kind: Literal["psp.psp-payment-succeeded.v1"] = "psp.psp-payment-succeeded.v1"
    amount_received: Money


class PspPaymentCanceled(PspPaymentEvent):
    kind: Literal["psp.psp-payment-canceled.v1"] = "psp.psp-payment-canceled.v1"


class PspRefundState(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class PspRefundUpdated(PspPaymentEvent):
    """The state of a refund, requested by this system or in the PSP's dashboard."""

    kind: Literal["psp.psp-refund-updated.v1"] = "psp.psp-refund-updated.v1"
    refund_id: RefundId = Field(
        description="the id it was requested under, or derived from the PSP's for refunds made in its dashboard"
    )
    psp_refund_id: str = Field(default="", description="the PSP's own id; empty from older adapters")
    amount: Money
    state: PspRefundState
    detail: str = ""


class PspRefundRefused(AtPspAccount, OrderEvent):
    """The PSP refused to refund; the same request would be refused again."""

    kind: Literal["psp.psp-refund-refused.v1"] = "psp.psp-refund-refused.v1"
    payment_id: PaymentId
    refund_id: RefundId
    detail: str


class PspDisputeState(StrEnum):
    INQUIRY = "inquiry"
    """An inquiry of the bank; no money has moved."""
    OPEN = "open"
    """The bank is deciding, for the first time or on appeal."""
    WON = "won"
    """The hotel keeps the money. Also after an inquiry that was closed."""
    LOST = "lost"
    """The guest keeps the money."""


class PspDisputeUpdated(PspPaymentEvent):
    """The state of a dispute. The newest report by `occurred_at` counts: an appeal reopens a won or lost dispute."""

    kind: Literal["psp.psp-dispute-updated.v1"] = "psp.psp-dispute-updated.v1"
    dispute_id: str
    amount: Money = Field(description="the disputed amount, possibly a part of the payment")
    state: PspDisputeState
    status: str = Field(default="", description="the PSP's own word for the state; empty from older adapters")
