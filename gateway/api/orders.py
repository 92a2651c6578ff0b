"""Routes of one order for its guest and the staff of its property: read, cancel and watch it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from contracts.ids import OrderId
from contracts.orders import CancelOrder, Guest, OrderView, Staff
from contracts.staff_roles import StaffAction
from gateway.api import examples
from gateway.api.auth import Auth
from gateway.api.bus_gateway import BusGateway
from gateway.api.responses import ACCEPTED, OF_AN_ORDER, WITH_A_BODY, answers, event_stream, problems
from gateway.api.schemas import CancelRequest, OrderIdPath
from gateway.live import LiveFeed, LiveUpdate
from gateway.rate_limits import StreamLimit


@dataclass(frozen=True, slots=True)
class Watched:
    """An order as it was read, and the updates from then on."""

    order: OrderView
    updates: AsyncIterator[LiveUpdate]


def routes(bus: BusGateway, auth: Auth, feed: LiveFeed, streams: StreamLimit) -> APIRouter:
    router = APIRouter(tags=["guests and staff"])
    viewer_of_token = Annotated[Guest | Staff, Depends(auth.guest_or_staff(StaffAction.SEE))]
    canceller_of_token = Annotated[Guest | Staff, Depends(auth.guest_or_staff(StaffAction.CANCEL))]

    async def order_of(order_id: OrderIdPath, viewer: viewer_of_token, request: Request) -> OrderView:
        return await bus.order(viewer, order_id, request)

    async def watched(order_id: OrderIdPath, viewer: viewer_of_token, request: Request) -> AsyncIterator[Watched]:
        # Watch first, then read: an update in between is in the stream.
        with streams.slot(viewer), feed.watching(order_id) as updates:
            yield Watched(await bus.order(viewer, order_id, request), updates)

    @router.get(
        "/orders/{order_id}",
        responses=answers(200, "The order.", examples.CONFIRMED) | problems(*OF_AN_ORDER),
    )
    async def get_order(order: Annotated[OrderView, Depends(order_of)]) -> OrderView:
        """One order: a guest's own, or any of the staff's property."""
        return order

    @router.post(
        "/orders/{order_id}/cancel",
        response_model=OrderView,
        responses=answers(200, "The order, on its way to be cancelled.", examples.CANCELLING)
        | ACCEPTED
        | problems(*OF_AN_ORDER, *WITH_A_BODY, "order-not-cancellable", "cancellation-too-late"),
    )
    async def cancel(
        order_id: OrderIdPath, viewer: canceller_of_token, request: Request, body: CancelRequest | None = None
    ) -> OrderView | Response:
        """Cancel an order; what was paid goes back. Guests until the cut-off, staff at any time. Safe to repeat."""
        command = CancelOrder(
            order_id=OrderId(order_id),
            property_id=viewer.property_id,
            guest_id=viewer.guest_id if isinstance(viewer, Guest) else None,
            staff=viewer if isinstance(viewer, Staff) else None,
            reason=body.reason if body else "",
        )
        return await bus.change(command, request)

    @router.get(
        "/orders/{order_id}/live",
        response_class=EventSourceResponse,
        responses=event_stream("First the order's state, then its events.", examples.STREAM)
        | problems(*OF_AN_ORDER, "too-many-live-streams"),
    )
    async def live(watched: Annotated[Watched, Depends(watched)]) -> AsyncIterator[ServerSentEvent]:
        """The events of an order as they happen, starting with its state."""
        order = watched.order
        yield _sse(
            LiveUpdate(
                event="orders.order-state",
                order_id=order.order_id,
                status=order.status,
                payment_status=order.payment_status,
                detail=order.payment_failure,
                declined_because=order.declined_because,
                total=order.total if order.taken_out else None,
                taken_out=order.taken_out,
            )
        )
        async for update in watched.updates:
            yield _sse(update)

    return router


def _sse(update: LiveUpdate) -> ServerSentEvent:
    return ServerSentEvent(event=update.event, data=update.model_dump(mode="json", exclude_none=True))
