"""The state of an order."""

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import computed_field, model_validator

from chassis.decision import PendingReply, State
from chassis.keys import joined
from contracts.ids import OrderId, PaymentId, RefundId
from contracts.money import Money
from contracts.order_actions import Direction, FulfilledLine, OrderAction, SettledOutside
from contracts.orders import (
    DisputeStage,
    Guest,
    OrderLine,
    OrderStatus,
    OrderView,
    PaymentSessionReply,
    PaymentStatus,
    RequestedLine,
    TakenOut,
)
from contracts.psp_accounts import DEFAULT_ACCOUNT, PageAccount
from extras_service.order.disputes import Dispute, lost_of, with_records
from extras_service.order.refund import RequestedRefund, asked_of, given_outside, with_failed_stages


class HoldsStage(StrEnum):
    """Whether the places that an order needs of limited extras are known to be held."""

    UNCONFIRMED = "unconfirmed"
    CONFIRMED = "confirmed"
    """Held again after the order was placed, or the order needs none."""
    LOST = "lost"
    """They had lapsed before the order was placed, and another order has them."""


MOST_DAYS_LISTED = 92
"""Days of a stay in `Order.awaited_on`."""


class Order(State):
    """The state of one order."""

    order_id: OrderId
    guest: Guest
    guest_key: str
    requested: tuple[RequestedLine, ...]
    lines: tuple[OrderLine, ...]
    """As ordered; `taken_out` names those that staff took out."""
    total: Money
    """Of the lines that were not taken out: what the guest owes."""
    taken_out: TakenOut | None = None
    status: OrderStatus
    payment_status: PaymentStatus
    created_at: datetime
    pay_within: timedelta
    cancel_before: datetime | None = None
    time_zone: str = "UTC"
    """Of its property, for the times its guest reads."""
    payment_id: PaymentId
    psp_account: str = DEFAULT_ACCOUNT
    """The account at the PSP that its property named when it was placed."""
    session: str | None = None
    page_account: PageAccount = PageAccount()
    """What the guest's page needs beside the session."""
    session_asked_at: datetime | None = None
    session_requests: int = 0
    session_request_no: int = 0
    """The latest request that the open session answers. 0: none is open, or an older payment service opened it."""
    closed_request_no: int = 0
    """The latest request whose session the PSP has closed."""
    waiting: tuple[PendingReply, ...] = ()
    payment_failure: str | None = None
    received: Money | None = None
    accepted: bool = False
    refunded: Money | None = None
    refunds: tuple[RequestedRefund, ...] = ()
    failed_refunds: tuple[RefundId, ...] = ()
    doubled_refunds: tuple[RefundId, ...] = ()
    latest_fact_no: int = 0
    disputes: tuple[Dispute, ...] = ()
    open_disputes: tuple[str, ...] = ()
    lost_disputes: tuple[str, ...] = ()
    disputed: str | None = None
    """`disputes.UNDECIDED` while one of its disputes is open."""
    review: str | None = None
    back_to: OrderStatus | None = None
    """The status to return to when the refund that alone brought it under review is settled."""
    reviews: int = 0
    """The number of reviews of the order so far; a decision concerns one of them."""
    reviewed_from: OrderStatus | None = None
    """The status that the open review interrupted. None: no review is open, or an earlier version opened it."""
    settled_outside: tuple[SettledOutside, ...] = ()
    """Settlements outside the PSP made when a review ended; for failed refunds see `RequestedRefund`."""
    actions: tuple[OrderAction, ...] = ()
    """Who cancelled it, gave its extras to the guest or ended a review, the oldest first; see `refunds` for those."""
    fulfilled_lines: tuple[FulfilledLine, ...] = ()
    """The lines that the guest has received, where staff recorded them one by one."""
    approve_by: datetime | None = None
    """When an order that awaits approval is declined by itself."""
    declined_because: str | None = None
    """Why the hotel does not take the order: once it is closed, it is declined."""
    unapproved: bool = False
    """Charged before the hotel approved it, which brought it under review: approval of what was charged ends that."""
    closed_by: str | None = None
    """The person who closed it, from versions before `actions`: `id: reason`."""
    erasure: str | None = None
    """The pseudonym of its guest, once the order was asked to forget the guest; `erased_at`: it has."""
    erased_at: datetime | None = None
    holds: HoldsStage = HoldsStage.CONFIRMED
    open_of: str | None = None
    """The guest's key while the order is open and unpaid: an index finds these among all orders of a guest."""

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, values: Any) -> Any:
        return with_failed_stages(with_records(values)) if isinstance(values, Mapping) else values

    @property
    def about(self) -> dict[str, Any]:
        """The fields of every event about the order."""
        guest = self.guest
        return {"order_id": self.order_id, "guest_id": guest.guest_id, "property_id": guest.property_id}

    @property
    def lines_digest(self) -> str:
        """Digest of the order's lines, which its holds carry."""
        return digest_of(self.requested)

    def has_closed(self, request_no: int | None) -> bool:
        """Whether the session of this request is known to be closed. None: an event of an older payment service."""
        return request_no is not None and request_no <= self.closed_request_no

    @property
    def needs_approval(self) -> bool:
        """Whether the hotel approves it before the guest is charged: one of its extras is enough."""
        return any(line.needs_approval for line in self.lines)

    @property
    def ordered_total(self) -> Money:
        """The total of all lines as they were ordered, which the guest's bank is asked to pay or to reserve."""
        return self.total if self.taken_out is None else self.total + self.taken_out.amount

    @property
    def owed(self) -> Mapping[int, OrderLine]:
        """The lines that were not taken out, by their numbers: the guest pays and gets these."""
        gone = self.taken_out.lines if self.taken_out else ()
        return {number: line for number, line in enumerate(self.lines) if number not in gone}

    @computed_field  # type: ignore[prop-decorator]  # of a property, as pydantic documents it
    @property
    def awaited_on(self) -> tuple[date, ...] | None:
        """The days on which its guest may still receive lines without a day: those of the stay of a confirmed order, or
        none if no such line is left. Stored, so that an index finds the orders of a day sheet.

        None: look and see. So it is unless the order is confirmed, for a version that does not know this field may
        confirm it and keep what is stored; and for a stay of more days than are listed.
        """
        days = (self.guest.stay_to - self.guest.stay_from).days + 1
        if self.status is not OrderStatus.CONFIRMED or days > MOST_DAYS_LISTED:
            return None
        received = {each.line for each in self.fulfilled_lines}
        if all(line.day for number, line in self.owed.items() if number not in received):
            return ()
        return tuple(self.guest.stay_from + timedelta(days=day) for day in range(days))

    @property
    def needs_attention(self) -> bool:
        """Staff must decide on it, or handle a failed refund."""
        waits = (OrderStatus.NEEDS_REVIEW, OrderStatus.AWAITING_APPROVAL)
        return self.status in waits or bool(self.troubled_refunds)

    @property
    def summary(self) -> str:
        troubled = len(self.troubled_refunds)
        return f"{self.status} / {self.payment_status}" + (f", {troubled} refund failed" if troubled else "")

    def view(self) -> OrderView:
        """The order for its guest."""
        return OrderView(
            order_id=self.order_id,
            property_id=self.guest.property_id,
            reservation_id=self.guest.reservation_id,
            guest_id=self.guest.guest_id,
            status=self.status,
            payment_status=self.payment_status,
            lines=self.lines,
            total=self.total,
            taken_out=self.taken_out,
            created_at=self.created_at,
            pay_until=self.due_at if self.status is OrderStatus.PENDING_PAYMENT else None,
            payment_failure=self.payment_failure,
            needs_approval=self.needs_approval,
            approve_by=self.approve_by if self.status is OrderStatus.AWAITING_APPROVAL else None,
            declined_because=self.declined_because if self.status is OrderStatus.DECLINED else None,
            refunded=self.refunded,
        )

    def refund(self, refund_id: RefundId) -> RequestedRefund | None:
        """The refund with this id, requested here or reported by the PSP."""
        return next((refund for refund in self.refunds if refund.refund_id == refund_id), None)

    def staff_view(self) -> OrderView:
        """The order for the hotel's staff."""
        troubled = self.troubled_refunds
        refunds = tuple(refund.view(needs_attention=refund in troubled) for refund in self.refunds)
        disputes = tuple(dispute.view() for dispute in self.disputes)
        return self.view().model_copy(update={"refunds": refunds, "disputes": disputes})

    @property
    def refundable(self) -> Money:
        """The amount that the PSP holds for this order and no refund has claimed, without lost disputes.

        Amounts that staff paid outside the PSP are subtracted, too.
        """
        if self.received is None:
            return Money.zero(self.total.currency)
        reported = self.refunded.in_hundredths if self.refunded else 0
        left = self.received.in_hundredths - max(reported, asked_of(self.refunds)) - self.lost.in_hundredths
        return Money.of_hundredths(max(0, left - self.given_outside), self.received.currency)

    @property
    def given_outside(self) -> int:
        """The amount that staff paid outside the PSP of the order's own money, in hundredths of a minor unit."""
        return given_outside(self.refunds) + self.settled(Direction.TO_GUEST).in_hundredths

    def settled(self, direction: Direction) -> Money:
        """The sum of settlements outside the PSP in this direction when reviews were ended."""
        amounts = [each.amount for each in self.settled_outside if each.direction is direction]
        return sum(amounts, start=Money.zero((*amounts, self.received or self.total)[0].currency))

    @property
    def lost(self) -> Money:
        """The amount that the guest's bank has taken back."""
        return lost_of(self.disputes, self.received or Money.zero(self.total.currency))

    @property
    def is_contested(self) -> bool:
        """Whether the bank is deciding on a dispute, as opposed to an inquiry."""
        return any(dispute.stage is DisputeStage.OPEN for dispute in self.disputes)

    @property
    def returned(self) -> int:
        """The amount returned to the guest, by refunds or the bank, in hundredths of a minor unit."""
        return self.lost.in_hundredths + (self.refunded.in_hundredths if self.refunded else 0)

    @property
    def troubled_refunds(self) -> tuple[RequestedRefund, ...]:
        """Refunds that failed or have no outcome, and whose money was not returned in any other way."""
        all_is_back = self.received is not None and self.returned >= self.received.in_hundredths
        repeated = {refund.repeats for refund in self.refunds}
        return tuple(
            refund
            for refund in self.refunds
            if refund.is_troubled and refund.refund_id not in repeated and (refund.is_second_charge or not all_is_back)
        )

    def first_view(self) -> OrderView:
        """The order as it was placed: the reply to a repeated request."""
        return self.view().model_copy(
            update={
                "status": OrderStatus.PENDING_PAYMENT,
                "payment_status": PaymentStatus.UNPAID,
                "total": self.ordered_total,
                "taken_out": None,
                "pay_until": self.created_at + self.pay_within,
                "payment_failure": None,
                "approve_by": None,
                "declined_because": None,
                "refunded": None,
            }
        )

    def session_reply(self) -> PaymentSessionReply | None:
        """The payment session for the guest, once it is open."""
        if self.session is None or self.status is not OrderStatus.PENDING_PAYMENT:
            return None
        return PaymentSessionReply(
            order_id=self.order_id,
            payment_id=self.payment_id,
            amount=self.total,
            sealed_client_secret=self.session,
            page_account=self.page_account,
            pay_until=self.due_at,
        )


def guest_key(guest_id: str, property_id: str) -> str:
    """The order's guest as a single indexed field."""
    return joined(property_id, guest_id)


def digest_of(lines: tuple[RequestedLine, ...]) -> str:
    """Digest of a command's lines. It depends on their sequence, as does the order itself."""
    text = json.dumps([line.model_dump(mode="json") for line in lines], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
