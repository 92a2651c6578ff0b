"""Staff decide reviews of orders whose places may be gone."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chassis.decision import Applied, Refused
from chassis.storage.audit_log import AuditLog
from contracts.ids import RefundId
from contracts.message import Message
from contracts.order_actions import ReviewResolution
from contracts.orders import OrderCancelled, OrderStatus, PaymentStatus, Reason
from contracts.payments import PaymentRefundFailed, RefundPayment
from extras_service.order.inputs import AnotherReviewError
from extras_service.order.state import Order
from tests.component.test_placement import Hotel, ordering
from tests.support import orders as given


class Desk(Hotel):
    """The hotel, with its staff: what they ask goes through the extras service's own handlers."""

    def __init__(self) -> None:
        super().__init__()
        self.audit = AuditLog(self.fake.as_store())
        self.before_next_day: Callable[[], Awaitable[object]] | None = None
        days = self.fake.of["stock"]
        self._write_day, days.write = days.write, self._write_day_after_what_comes_before

    async def _write_day_after_what_comes_before(self, *new: Any, **times: Any) -> bool:
        before, self.before_next_day = self.before_next_day, None
        if before is not None:
            await before()
        written: bool = await self._write_day(*new, **times)
        return written

    async def takes(self, message: Message) -> object:
        """At an instance of its own."""
        tables = self.instance().tables.values()
        handle = next(table[type(message)] for table in tables if type(message) in table)
        return await handle(message, self.delivery())

    async def reviewed(self, *, is_released: bool = True) -> Order:
        """Anna's order was paid and cancelled, and its refund has failed; its places are released before that."""
        order_id = ordering().order_id
        await self.place(ordering())
        about = {"order_id": order_id, "payment_id": (await self.order()).payment_id}
        await self.takes(given.starting().command.model_copy(update={"order_id": order_id}))
        await self.takes(given.session_created().model_copy(update=about))
        await self.takes(given.succeeded((await self.order()).total).model_copy(update=about))
        await self.takes(given.cancelling_by_staff().model_copy(update={"order_id": order_id}))
        if is_released:
            await self.takes(self.closed())
        [refund] = [e.message for e in self.published if isinstance(e.message, RefundPayment)]
        failed = given.refund_failed(refund_id=RefundId(refund.refund_id)).model_copy(update=about)
        assert isinstance(failed, PaymentRefundFailed)
        await self.takes(failed)
        return await self.order()

    async def resolve(self, resolution: ReviewResolution, **fields: object) -> object:
        command = given.resolving(resolution).command
        return await self.takes(command.model_copy(update={"order_id": ordering().order_id, **fields}))

    def closed(self) -> OrderCancelled:
        return next(e.message for e in self.published if isinstance(e.message, OrderCancelled))


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.opened()
    return desk


async def test_an_accepted_review_takes_the_places_of_a_cancelled_order_again(desk: Desk) -> None:
    reviewed = await desk.reviewed()
    assert reviewed.status is OrderStatus.NEEDS_REVIEW
    assert await desk.held() == {}

    accepted = await desk.resolve(ReviewResolution.ACCEPT)

    assert isinstance(accepted, Applied)
    assert (await desk.order()).status is OrderStatus.CONFIRMED
    assert await desk.held() == {"ord_a": 2}


async def test_a_review_is_not_accepted_when_its_places_are_sold_meanwhile(desk: Desk) -> None:
    await desk.reviewed()
    await desk.place(ordering("guest-bert", key="b"))

    refused = await desk.resolve(ReviewResolution.ACCEPT)

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.OUT_OF_STOCK
    assert (await desk.order()).status is OrderStatus.NEEDS_REVIEW
    assert await desk.held() == {"ord_b": 2}


async def test_a_review_accepted_by_force_takes_a_place_that_is_not_there_and_the_audit_log_says_who_and_why(
    desk: Desk,
) -> None:
    await desk.reviewed()
    await desk.place(ordering("guest-bert", key="b"))

    await desk.resolve(ReviewResolution.ACCEPT, force=True)

    assert (await desk.order()).status is OrderStatus.CONFIRMED
    assert await desk.held() == {"ord_a": 2, "ord_b": 2}
    [action] = [each for each in (await desk.order()).actions if each.forced]
    assert (action.by, action.reason) == ("reception", "talked to the guest")
    [entry] = await desk.audit.entries()
    assert (entry.who, entry.why, entry.subjects) == ("reception (alpenhof)", "talked to the guest", ("ord_a",))
    assert entry.outcome == "applied"


async def test_a_release_that_comes_after_the_review_was_accepted_takes_no_place_away(desk: Desk) -> None:
    await desk.reviewed(is_released=False)
    await desk.resolve(ReviewResolution.ACCEPT)

    await desk.takes(desk.closed())

    assert await desk.held() == {"ord_a": 2}


async def test_a_release_that_began_before_the_review_was_accepted_takes_no_place_away(desk: Desk) -> None:
    order = await desk.reviewed(is_released=False)
    await desk.resolve(ReviewResolution.REFUND)
    [*_, refund] = [e.message for e in desk.published if isinstance(e.message, RefundPayment)]
    failed = given.refund_failed(fact_no=9, refund_id=refund.refund_id)

    async def reviewed_again_and_accepted() -> None:
        await desk.takes(failed.model_copy(update={"order_id": order.order_id, "payment_id": order.payment_id}))
        assert isinstance(await desk.resolve(ReviewResolution.ACCEPT), Applied)

    desk.before_next_day = reviewed_again_and_accepted  # the release has read the hold, and the order as cancelled
    await desk.takes(desk.closed())

    assert (await desk.order()).status is OrderStatus.CONFIRMED
    assert await desk.held() == {"ord_a": 2}


async def test_places_claimed_for_a_review_that_was_decided_meanwhile_confirm_no_later_one(desk: Desk) -> None:
    order = await desk.reviewed(is_released=False)

    async def decided_and_under_review_again() -> None:
        await desk.resolve(ReviewResolution.REFUND)
        await desk.takes(desk.closed())
        [*_, refund] = [e.message for e in desk.published if isinstance(e.message, RefundPayment)]
        failed = given.refund_failed(fact_no=9, refund_id=refund.refund_id)
        await desk.takes(failed.model_copy(update={"order_id": order.order_id, "payment_id": order.payment_id}))

    desk.before_next_order = decided_and_under_review_again

    with pytest.raises(AnotherReviewError):
        await desk.resolve(ReviewResolution.ACCEPT)
    assert (await desk.order()).status is OrderStatus.NEEDS_REVIEW
    assert await desk.held() == {}
    assert isinstance(await desk.resolve(ReviewResolution.ACCEPT), Applied), "when it is delivered again"
    assert await desk.held() == {"ord_a": 2}


async def test_a_review_settled_outside_leaves_the_order_cancelled_and_its_places_free(desk: Desk) -> None:
    await desk.reviewed()

    await desk.resolve(ReviewResolution.SETTLED_OUTSIDE)

    order = await desk.order()
    assert (order.status, order.payment_status) == (OrderStatus.CANCELLED, PaymentStatus.REFUNDED)
    [settled] = order.settled_outside
    assert (settled.amount, settled.by, settled.reason, settled.at) == (
        order.received,
        "reception",
        "talked to the guest",
        given.NOW,
    )
    assert await desk.held() == {}


async def test_a_review_of_an_order_that_is_not_cancelled_keeps_its_places_until_it_is_decided(desk: Desk) -> None:
    await desk.reviewed(is_released=False)
    await desk.takes(desk.closed())
    assert await desk.held() == {"ord_a": 2}

    await desk.resolve(ReviewResolution.REFUND)
    await desk.takes(desk.closed())

    assert await desk.held() == {}
