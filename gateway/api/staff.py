"""Routes for staff: approve or decline an order, fulfil it, refund it, decide its review."""

from collections.abc import AsyncIterator
from datetime import date
from functools import partial
from io import StringIO
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from chassis.closing.day import Closing
from chassis.closing.rows import COLUMNS, rows_of
from chassis.csv_rows import write_csv
from chassis.web.staff_roles import StaffMember
from contracts.answers import ClosingRow, DayClosing, StaffSession
from contracts.approvals import ApproveOrder, DeclineOrder
from contracts.deliveries import ListPropertyWebhooks, PropertyWebhooks, PropertyWebhooksReply
from contracts.desk import (
    DaySheet,
    DaySheetReply,
    GetDaySheet,
    ListPropertyOrders,
    OrderFilter,
    PropertyOrders,
    PropertyOrdersReply,
)
from contracts.ids import OrderId, RefundId
from contracts.orders import (
    FulfilLines,
    FulfilOrder,
    OrderView,
    RefundOrder,
    ResolveReview,
    RetryRefund,
    SettleRefundOutside,
    Staff,
)
from contracts.staff_roles import StaffAction
from gateway.api import examples
from gateway.api.auth import Auth
from gateway.api.bus_gateway import BusGateway, expected
from gateway.api.closing import ClosingReader
from gateway.api.idempotency import IdempotencyKey, checked, refund_id_of
from gateway.api.responses import (
    ACCEPTED,
    OF_AN_ORDER,
    OF_ANY_REQUEST,
    WITH_A_BODY,
    WITH_A_KEY,
    Responses,
    answers,
    event_stream,
    problems,
)
from gateway.api.schemas import (
    ApproveRequest,
    DeclineRequest,
    FulfilRequest,
    OrderIdPath,
    OrderSearch,
    RefundIdPath,
    RefundRequest,
    RetryRequest,
    ReviewRequest,
    SettledOutsideRequest,
    WebhookSearch,
)
from gateway.live import LiveFeed, PropertyUpdate
from gateway.rate_limits import StreamLimit


class _Csv(Response):
    media_type = "text/csv; charset=utf-8"


_Day = Annotated[date, Query(description="at the property", ge=date(2000, 1, 1), le=date(2999, 12, 31))]
_OF_A_CLOSING = problems(*OF_ANY_REQUEST, "invalid-request", "closing-too-large")
_CSV: Responses = {
    200: {
        "description": "The rows, with a header.",
        "content": {_Csv.media_type: {"schema": {"type": "string"}, "example": examples.CLOSING_CSV}},
    }
}


def routes(bus: BusGateway, auth: Auth, feed: LiveFeed, streams: StreamLimit) -> APIRouter:
    router = APIRouter(tags=["staff"])
    viewer_of_token = Annotated[Staff, Depends(auth.staff(StaffAction.SEE))]
    member_of_token = Annotated[StaffMember, Depends(auth.staff_member)]
    approver_of_token = Annotated[Staff, Depends(auth.staff(StaffAction.APPROVE))]
    closer_of_token = Annotated[Staff, Depends(auth.staff(StaffAction.CLOSING))]
    webhook_viewer_of_token = Annotated[Staff, Depends(auth.staff(StaffAction.WEBHOOKS))]
    fulfiller_of_token = Annotated[Staff, Depends(auth.staff(StaffAction.FULFIL))]
    refunder_of_token = Annotated[Staff, Depends(auth.staff(StaffAction.REFUND))]
    retrier_of_token = Annotated[Staff, Depends(auth.staff(StaffAction.RETRY_REFUND))]
    settler_of_token = Annotated[Staff, Depends(auth.staff(StaffAction.SETTLE_REFUND))]
    reviewer_of_token = Annotated[Staff, Depends(auth.staff(StaffAction.REVIEW))]

    @router.get(
        "/staff/session",
        responses=answers(200, "Their role, and what it allows.", examples.STAFF_SESSION) | problems(*OF_ANY_REQUEST),
    )
    async def staff_session(member: member_of_token) -> StaffSession:
        """Staff: who the token says they are, and what they may do."""
        return member.session

    async def watched(staff: viewer_of_token) -> AsyncIterator[AsyncIterator[PropertyUpdate]]:
        with streams.slot(staff), feed.watching_property(staff.property_id) as updates:
            yield updates

    @router.get(
        "/staff/live",
        response_class=EventSourceResponse,
        responses=event_stream("First `desk.connected`, then one event per change.", examples.DESK_STREAM)
        | problems(*OF_ANY_REQUEST, "too-many-live-streams"),
    )
    async def property_live(
        updates: Annotated[AsyncIterator[PropertyUpdate], Depends(watched)],
    ) -> AsyncIterator[ServerSentEvent]:
        """Staff: which orders of their property change, as it happens; to be read by their ids."""
        yield ServerSentEvent(event="desk.connected", data={"event": "desk.connected"})
        async for update in updates:
            yield ServerSentEvent(event=update.event, data=update.model_dump())

    @router.get(
        "/staff/orders",
        responses=answers(200, "A page of orders.", {"orders": [examples.REFUNDED], "next": None})
        | problems(*OF_ANY_REQUEST, "invalid-request", "cursor-invalid"),
    )
    async def list_property_orders(
        staff: viewer_of_token, request: Request, asked: Annotated[OrderSearch, Query()]
    ) -> PropertyOrders:
        """Staff: orders of their property, the newest first; those that need attention, the longest waiting first."""
        query = ListPropertyOrders(
            property_id=staff.property_id, only=OrderFilter.model_validate(asked.conditions), **asked.paging
        )
        return expected(await bus.ask(query, request), PropertyOrdersReply).page

    @router.get(
        "/staff/day-sheet",
        responses=answers(200, "What is due on the day.", examples.DAY_SHEET)
        | problems(*OF_ANY_REQUEST, "invalid-request"),
    )
    async def day_sheet(staff: viewer_of_token, request: Request, day: _Day) -> DaySheet:
        """Staff: what the property owes its guests on one day, by extra and time."""
        query = GetDaySheet(property_id=staff.property_id, day=day)
        return expected(await bus.ask(query, request), DaySheetReply).sheet

    async def closed(staff: Staff, day: date, request: Request) -> Closing:
        return await ClosingReader(partial(bus.ask, request=request), staff.property_id, day).read()

    @router.get(
        "/staff/closing",
        responses=answers(200, "The day's figures.", examples.CLOSING) | _OF_A_CLOSING,
    )
    async def closing(staff: closer_of_token, request: Request, day: _Day) -> DayClosing:
        """Manager: the property's day in orders and in the PSP's transactions, with totals and differences."""
        result = await closed(staff, day, request)
        rows = tuple(ClosingRow.model_validate(row) for row in rows_of(result))
        return DayClosing(property_id=staff.property_id, day=day, rows=rows, differences=result.differences)

    @router.get(
        "/staff/closing.csv",
        response_class=_Csv,
        responses=_CSV | _OF_A_CLOSING,
    )
    async def closing_csv(staff: closer_of_token, request: Request, day: _Day) -> Response:
        """Manager: the same rows for a spreadsheet."""
        text = StringIO()
        write_csv(text, COLUMNS, rows_of(await closed(staff, day, request)))
        named = {"Content-Disposition": f'attachment; filename="closing-{day}.csv"'}
        return _Csv(text.getvalue(), headers=named)

    @router.get(
        "/staff/webhooks",
        responses=answers(200, "The subscribers, and a page of what was sent to them.", examples.WEBHOOKS)
        | problems(*OF_ANY_REQUEST, "invalid-request", "cursor-invalid"),
    )
    async def list_property_webhooks(
        staff: webhook_viewer_of_token, request: Request, asked: Annotated[WebhookSearch, Query()]
    ) -> PropertyWebhooks:
        """Manager: which other systems get webhooks about the property's orders, and what became of each webhook."""
        query = ListPropertyWebhooks(property_id=staff.property_id, **dict(asked))
        return expected(await bus.ask(query, request), PropertyWebhooksReply).page

    @router.post(
        "/orders/{order_id}/approve",
        response_model=OrderView,
        responses=answers(200, "The order; its payment is being taken.", examples.CAPTURING)
        | ACCEPTED
        | problems(
            *OF_AN_ORDER,
            *WITH_A_BODY,
            "order-not-approvable",
            "approved-otherwise",
            "line-unknown",
            "no-line-left",
            "total-not-payable",
        ),
    )
    async def approve(
        order_id: OrderIdPath, staff: approver_of_token, request: Request, body: ApproveRequest | None = None
    ) -> OrderView | Response:
        """Staff: take an order that needs approval, or a part of it; only now its guest is charged. Safe to repeat."""
        without = dict(body) if body else {}
        return await bus.change(ApproveOrder(order_id=OrderId(order_id), staff=staff, **without), request)

    @router.post(
        "/orders/{order_id}/decline",
        response_model=OrderView,
        responses=answers(200, "The order, on its way to be declined.", examples.DECLINING)
        | ACCEPTED
        | problems(*OF_AN_ORDER, *WITH_A_BODY, "order-not-approvable"),
    )
    async def decline(
        order_id: OrderIdPath, body: DeclineRequest, staff: approver_of_token, request: Request
    ) -> OrderView | Response:
        """Staff: do not take an order that needs approval; its guest is not charged. Safe to repeat."""
        return await bus.change(DeclineOrder(order_id=OrderId(order_id), staff=staff, reason=body.reason), request)

    @router.post(
        "/orders/{order_id}/fulfil",
        response_model=OrderView,
        responses=answers(200, "The order, given to the guest.", examples.FULFILLED)
        | ACCEPTED
        | problems(*OF_AN_ORDER, *WITH_A_BODY, "order-not-fulfillable", "line-unknown", "line-taken-out"),
    )
    async def fulfil(
        order_id: OrderIdPath, staff: fulfiller_of_token, request: Request, body: FulfilRequest | None = None
    ) -> OrderView | Response:
        """Staff: record that the guest has received the order, or some of its lines. Safe to repeat."""
        known = OrderId(order_id)
        whole = FulfilOrder(order_id=known, staff=staff)
        return await bus.change(FulfilLines(order_id=known, staff=staff, lines=body.lines) if body else whole, request)

    @router.post(
        "/orders/{order_id}/refunds",
        response_model=OrderView,
        responses=answers(200, "The order; the refund shows once the PSP has made it.", examples.REFUNDED)
        | ACCEPTED
        | problems(
            *OF_AN_ORDER,
            *WITH_A_BODY,
            *WITH_A_KEY,
            "order-not-refundable",
            "refund-exceeds-paid",
            "line-unknown",
            "line-taken-out",
            "idempotency-key-reused",
        ),
    )
    async def refund(
        order_id: OrderIdPath,
        body: RefundRequest,
        staff: refunder_of_token,
        request: Request,
        idempotency_key: IdempotencyKey = None,
    ) -> OrderView | Response:
        """Staff: refund the order, all that is left or a part. Safe to repeat with the same Idempotency-Key."""
        command = RefundOrder(
            order_id=OrderId(order_id),
            staff=staff,
            refund_id=refund_id_of(order_id, checked(idempotency_key)),
            amount=body.amount,
            line=body.line,
            reason=body.reason,
        )
        return await bus.change(command, request)

    @router.post(
        "/orders/{order_id}/refunds/{refund_id}/retry",
        response_model=OrderView,
        responses=answers(200, "The order; the new refund is in its `refunds`.", examples.REFUND_AGAIN)
        | ACCEPTED
        | problems(*OF_AN_ORDER, *WITH_A_BODY, "refund-not-failed", "order-not-refundable", "refund-exceeds-paid"),
    )
    async def retry_refund(
        order_id: OrderIdPath, refund_id: RefundIdPath, body: RetryRequest, staff: retrier_of_token, request: Request
    ) -> OrderView | Response:
        """Staff: repeat a refund that failed or has no outcome. Safe to repeat."""
        command = RetryRefund(
            order_id=OrderId(order_id), staff=staff, refund_id=RefundId(refund_id), reason=body.reason
        )
        return await bus.change(command, request)

    @router.post(
        "/orders/{order_id}/refunds/{refund_id}/settled-outside",
        response_model=OrderView,
        responses=answers(200, "The order; the refund is settled.", examples.REFUND_SETTLED)
        | ACCEPTED
        | problems(*OF_AN_ORDER, *WITH_A_BODY, "refund-not-failed", "refund-exceeds-paid"),
    )
    async def settle_refund_outside(
        order_id: OrderIdPath,
        refund_id: RefundIdPath,
        body: SettledOutsideRequest,
        staff: settler_of_token,
        request: Request,
    ) -> OrderView | Response:
        """Staff: record that the guest has received a failed refund in another way, such as in cash. Safe to repeat."""
        command = SettleRefundOutside(
            order_id=OrderId(order_id),
            staff=staff,
            refund_id=RefundId(refund_id),
            amount=body.amount,
            reason=body.reason,
        )
        return await bus.change(command, request)

    @router.post(
        "/orders/{order_id}/review",
        response_model=OrderView,
        responses=answers(200, "The order as it was decided.", examples.CONFIRMED)
        | ACCEPTED
        | problems(*OF_AN_ORDER, *WITH_A_BODY, "order-not-in-review", "out-of-stock", "amount-not-settleable"),
    )
    async def review(
        order_id: OrderIdPath, body: ReviewRequest, staff: reviewer_of_token, request: Request
    ) -> OrderView | Response:
        """Staff: decide on an order under review."""
        command = ResolveReview(order_id=OrderId(order_id), staff=staff, **dict(body))
        return await bus.change(command, request)

    return router
