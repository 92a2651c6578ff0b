"""The state of a payment."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from chassis.decision import State
from contracts.ids import OrderId, PaymentId, RefundId
from contracts.money import Money
from contracts.payments import RefundStage
from contracts.psp import (
    PspDisputeState,
)
from contracts.psp_accounts import DEFAULT_ACCOUNT, PageAccount


class PaymentStage(StrEnum):
    """The status of a payment at the PSP."""

    CREATED = "created"
    SESSION_OPEN = "session_open"
    ACTION_REQUIRED = "action_required"
    PROCESSING = "processing"
    AUTHORISED = "authorised"
    """The guest's bank has reserved the money, and the hotel has not approved the order yet."""
    CAPTURING = "capturing"
    SUCCEEDED = "succeeded"
    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    MISMATCHED = "mismatched"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class PspSession(_Value):
    """A session at the PSP."""

    psp_reference: str
    sealed_client_secret: str
    livemode: bool
    page_account: PageAccount = PageAccount()


class Attempt(_Value):
    """A failed attempt to pay."""

    at: datetime
    code: str
    detail: str


class Refund(_Value):
    """A refund, requested or made."""

    refund_id: RefundId
    psp_reference: str
    amount: Money
    stage: RefundStage
    detail: str = ""
    psp_refund_id: str = ""
    """The PSP's id, once known."""
    doubles: RefundId | None = None
    """The refund under whose id the PSP has made this one as well: money was refunded twice."""
    repeats: RefundId | None = None
    """The failed refund that this one replaces."""
    reason: str = ""
    asked_at: datetime | None = None
    """The time of the request, or of the first report; None in refunds of older versions."""
    unresolved: bool = False
    """Its stage has not changed for so long that the order was notified."""


class Dispute(_Value):
    """A dispute of a charge."""

    dispute_id: str
    amount: Money
    state: PspDisputeState
    status: str = ""
    """The PSP's term for the state."""
    psp_reference: str = ""
    """The session whose charge is disputed; empty in documents of older versions."""
    reported_at: datetime | None = None
    """By the PSP's clock; None in documents of older versions."""


class Payment(State):
    """The state of one payment."""

    payment_id: PaymentId
    order_id: OrderId
    amount: Money
    status: PaymentStage
    asked_at: datetime | None = None
    request_no: int = 0
    description: str | None = None
    """From the first request for a session; equal in repeated requests. None in older documents."""
    sealed_receipt_email: str | None = None
    """From the request that opened the current session; sealed for the PSP adapter."""
    psp_account: str = DEFAULT_ACCOUNT
    """The account at the PSP, from the first request: every later request to the PSP goes there."""
    is_captured_later: bool = False
    """Its sessions are only authorised, and captured once the hotel has approved the order."""
    capture_before: datetime | None = None
    """When the authorisation lapses."""
    to_capture: Money | None = None
    """What is captured of an authorised amount that is not captured in full."""
    session_no: int = 1
    session: PspSession | None = None
    earlier_sessions: tuple[str, ...] = ()
    received: Money | None = None
    paid_reference: str | None = None
    attempts: tuple[Attempt, ...] = ()
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    latest_fact_at: datetime | None = None
    fact_no: int = 0
    before_unknown: PaymentStage | None = None
    unknown_because: str = ""
    """The detail of the first unsuccessful poll."""
    is_refused: bool = False
    """The PSP answers but refuses to close or show the session, for example because it does not know its id."""
    polls: int = 0
    """Consecutive polls without an answer."""
    claimed: tuple[str, ...] = ()
    """Sessions not held by this payment that an event claimed to have paid it, and that were verified at the PSP."""
    erasure: str | None = None
    """The pseudonym of its guest, once the order has forgotten the guest, and with it this payment."""
    unclosed: tuple[str, ...] = ()
    """Sessions that no guest has received and that the PSP has not closed yet."""

    @property
    def needs_attention(self) -> bool:
        """A refund has not settled yet."""
        return any(refund.stage in (RefundStage.REQUESTED, RefundStage.PENDING) for refund in self.refunds)

    @property
    def summary(self) -> str:
        return str(self.status)

    @property
    def latest_request(self) -> int | None:
        """The order's latest request for the current session; None if it came from an older version."""
        return self.request_no or None

    @property
    def about_session(self) -> dict[str, Any]:
        """The fields of every event about the current session."""
        return {"order_id": self.order_id, "payment_id": self.payment_id, "request_no": self.latest_request}

    @property
    def expected(self) -> Money:
        """What the PSP is expected to receive."""
        return self.to_capture or self.amount

    @property
    def is_unpayable(self) -> bool:
        """The PSP has not named a session yet: no guest has a client secret, so the payment can be closed at once."""
        stage = self.before_unknown if self.status is PaymentStage.UNKNOWN else self.status
        return self.session is None and stage in (PaymentStage.CREATED, PaymentStage.CLOSING)

    def knows(self, psp_reference: str) -> bool:
        """Whether this is a current or earlier session of the payment."""
        current = self.session.psp_reference if self.session else None
        return psp_reference in (current, self.paid_reference, *self.earlier_sessions)

    def is_second_charge(self, psp_reference: str) -> bool:
        """Whether this session was paid although another one had paid for the order."""
        return self.paid_reference is not None and psp_reference not in (self.paid_reference, "")

    def refunded(self, *stages: RefundStage) -> Money:
        """The sum of the order's refunds in these stages."""
        currency = (self.received or self.amount).currency
        amounts = (
            refund.amount
            for refund in self.refunds
            if refund.stage in stages and refund.psp_reference == self.paid_reference
        )
        return sum(amounts, Money.zero(currency))

    @property
    def lost(self) -> Money:
        """The amount that the guest's bank has taken back, at most the payment.

        A dispute in another currency counts in full: its amount in ours is known only from the PSP's ledger.
        """
        received = self.received or Money.zero(self.amount.currency)
        amounts = (
            dispute.amount.in_hundredths if dispute.amount.currency == received.currency else received.in_hundredths
            for dispute in self.disputes
            if dispute.state is PspDisputeState.LOST and dispute.psp_reference in ("", self.paid_reference)
        )
        return Money.of_hundredths(min(received.in_hundredths, sum(amounts)), received.currency)

    @property
    def refundable(self) -> Money:
        """The amount that the PSP holds and that no refund has claimed."""
        if self.received is None:
            return Money.zero(self.amount.currency)
        asked = self.refunded(RefundStage.REQUESTED, RefundStage.PENDING, RefundStage.SUCCEEDED)
        left = self.received - asked - self.lost
        return left if left.in_hundredths > 0 else Money.zero(left.currency)
