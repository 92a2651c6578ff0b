"""The HTTP API: each route is one request on the bus and the translation of its reply."""

import base64
import hashlib
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

from chassis.envelope import Envelope
from chassis.requests import ReplyTimeoutError, RequestClient
from chassis.seal import Seal
from contracts.ids import OrderId, RefundId
from contracts.message import Message, OrderCommand
from contracts.money import Money
from contracts.orders import (
    CancelOrder,
    ExtrasReply,
    ExtraView,
    FulfilOrder,
    GetOrder,
    Guest,
    ListExtras,
    ListOrders,
    OrderReply,
    OrdersReply,
    OrderView,
    PaymentSessionReply,
    PlaceOrder,
    RefundOrder,
    Refusal,
    RequestedLine,
    ResolveReview,
    ReviewResolution,
    Staff,
    StartPayment,
)
from gateway.live import LiveFeed, LiveUpdate
from gateway.problems import ProblemError
from gateway.settings import GatewaySettings
from gateway.tokens import Tokens


class OrderRequest(BaseModel):
    """What a guest orders."""

    lines: tuple[RequestedLine, ...] = Field(max_length=100)


class Because(BaseModel):
    """Why somebody does it, for whoever reads it later."""

    reason: str = Field(default="", max_length=500)


class RefundRequest(BaseModel):
    """How much goes back, and why."""

    amount: Money | None = Field(default=None, description="none means all that is left")
    reason: str = Field(min_length=1, max_length=500)


class ReviewRequest(BaseModel):
    """What staff decide, and why."""

    resolution: ReviewResolution
    reason: str = Field(min_length=1, max_length=500)


class Extras(BaseModel):
    extras: tuple[ExtraView, ...]


class Orders(BaseModel):
    orders: tuple[OrderView, ...]


class Accepted(BaseModel):
    """The request is on its way; its result will be found at the Location."""

    order_id: OrderId
    status: str = "accepted"


class PaymentSession(BaseModel):
    """What a client page needs to let its guest pay the PSP directly."""

    order_id: OrderId
    payment_id: str
    amount: Money
    client_secret: str
    publishable_key: str
    script_url: str
    pay_until: datetime | None


ReplyT = TypeVar("ReplyT", bound=Message)


@dataclass(frozen=True, slots=True)
class Watched:
    """An order as it was read, and what happens to it from then on."""

    order: OrderView
    updates: AsyncIterator[LiveUpdate]


_KEY = re.compile(r"[\x21-\x7e]{1,255}")

OrderIdPath = Annotated[str, Path(pattern=r"^ord_[a-z2-7]{26}$")]


def order_id_of(guest: Guest, idempotency_key: str) -> OrderId:
    """The id of the order that this guest places with this key, whenever and however often it is sent."""
    return OrderId("ord_" + _digest(guest.property_id, guest.guest_id, idempotency_key))


def refund_id_of(order_id: str, idempotency_key: str) -> RefundId:
    """The id of the refund that is asked with this key, however often it is sent."""
    return RefundId("ref_" + _digest(order_id, idempotency_key))


def _digest(*parts: str) -> str:
    return base64.b32encode(hashlib.sha256("\0".join(parts).encode()).digest()).decode().lower()[:26]


class Edge:
    """The routes, over a request client, a live feed and the token check."""

    def __init__(self, requests: RequestClient, live: LiveFeed, settings: GatewaySettings) -> None:
        self._requests = requests
        self._live = live
        self._tokens = Tokens(settings)
        self._seal = Seal(settings.seal_keys)
        self._settings = settings

    def routes(self) -> APIRouter:
        async def guest(authorization: Annotated[str | None, Header()] = None) -> Guest:
            return self._tokens.guest(authorization)

        asking = Annotated[Guest, Depends(guest)]

        async def guest_or_staff(authorization: Annotated[str | None, Header()] = None) -> Guest | Staff:
            return self._tokens.guest_or_staff(authorization)

        looking = Annotated[Guest | Staff, Depends(guest_or_staff)]

        async def order_of(order_id: OrderIdPath, who: looking) -> OrderView:
            return await self._order(who, OrderId(order_id))

        router = APIRouter(prefix="/v1")

        @router.get("/extras")
        async def list_extras(guest: asking, request: Request) -> Extras:
            """The extras on offer at the guest's hotel."""
            reply = await self._ask(ListExtras(property_id=guest.property_id), request)
            return Extras(extras=_expect(reply, ExtrasReply).extras)

        @router.post("/orders", status_code=201, response_model=OrderView, responses={202: {"model": Accepted}})
        async def place_order(
            body: OrderRequest,
            guest: asking,
            request: Request,
            response: Response,
            idempotency_key: Annotated[str | None, Header()] = None,
        ) -> OrderView | Response:
            """Place an order. Safe to repeat with the same Idempotency-Key."""
            order_id = order_id_of(guest, _checked_key(idempotency_key))
            location = {"Location": f"/v1/orders/{order_id}"}
            command = PlaceOrder(order_id=order_id, guest=guest, lines=body.lines)
            try:
                reply = await self._ask(command, request)
            except ReplyTimeoutError:
                return _accepted(order_id, location)
            response.headers.update(location)
            return _expect(reply, OrderReply).order

        @router.get("/orders")
        async def list_orders(guest: asking, request: Request) -> Orders:
            """The guest's orders, newest first."""
            query = ListOrders(guest_id=guest.guest_id, property_id=guest.property_id)
            reply = await self._ask(query, request)
            return Orders(orders=_expect(reply, OrdersReply).orders)

        @router.get("/orders/{order_id}")
        async def get_order(order: Annotated[OrderView, Depends(order_of)]) -> OrderView:
            """One order of the guest's."""
            return order

        @router.post(
            "/orders/{order_id}/payment-session",
            status_code=201,
            response_model=PaymentSession,
            responses={202: {"model": Accepted}},
        )
        async def start_payment(order_id: OrderIdPath, guest: asking, request: Request) -> PaymentSession | Response:
            """Open the payment of an order, or return the one that is open. Safe to repeat."""
            command = StartPayment(order_id=OrderId(order_id), guest_id=guest.guest_id, property_id=guest.property_id)
            try:
                reply = await self._ask(command, request)
            except ReplyTimeoutError:
                return _accepted(command.order_id, {"Location": f"/v1/orders/{order_id}"})
            return self._session(_expect(reply, PaymentSessionReply))

        @router.post("/orders/{order_id}/cancel", response_model=OrderView, responses={202: {"model": Accepted}})
        async def cancel(
            order_id: OrderIdPath, who: looking, request: Request, body: Because | None = None
        ) -> OrderView | Response:
            """Cancel an order; what was paid goes back. Guests until the cut-off, staff at any time. Safe to repeat."""
            guest_id = who.guest_id if isinstance(who, Guest) else None
            command = CancelOrder(
                order_id=OrderId(order_id),
                property_id=who.property_id,
                guest_id=guest_id,
                staff=who if isinstance(who, Staff) else None,
                reason=body.reason if body else "",
            )
            return await self._change(command, request)

        async def watched(order_id: OrderIdPath, who: looking) -> AsyncIterator[Watched]:
            # Watch first, read then: whatever happens in between is in the stream.
            with self._live.watching(order_id) as updates:
                yield Watched(await self._order(who, OrderId(order_id)), updates)

        @router.get("/orders/{order_id}/live", response_class=EventSourceResponse)
        async def live(watched: Annotated[Watched, Depends(watched)]) -> AsyncIterator[ServerSentEvent]:
            """What happens to an order, as it happens. Starts with where it stands."""
            order = watched.order
            yield _sse(
                LiveUpdate(
                    event="orders.order-state",
                    order_id=order.order_id,
                    status=order.status,
                    payment_status=order.payment_status,
                    detail=order.payment_failure,
                )
            )
            async for update in watched.updates:
                yield _sse(update)

        self._add_staff_routes(router)
        return router

    def _add_staff_routes(self, router: APIRouter) -> None:
        async def staff(authorization: Annotated[str | None, Header()] = None) -> Staff:
            return self._tokens.staff(authorization)

        acting = Annotated[Staff, Depends(staff)]
        accepted: dict[int | str, dict[str, Any]] = {202: {"model": Accepted}}

        @router.post("/orders/{order_id}/fulfil", response_model=OrderView, responses=accepted)
        async def fulfil(order_id: OrderIdPath, staff: acting, request: Request) -> OrderView | Response:
            """Staff: the guest has what was ordered. Safe to repeat."""
            return await self._change(FulfilOrder(order_id=OrderId(order_id), staff=staff), request)

        @router.post("/orders/{order_id}/refunds", response_model=OrderView, responses=accepted)
        async def refund(
            order_id: OrderIdPath,
            body: RefundRequest,
            staff: acting,
            request: Request,
            idempotency_key: Annotated[str | None, Header()] = None,
        ) -> OrderView | Response:
            """Staff: give money back, all that is left or a part. Safe to repeat with the same Idempotency-Key."""
            command = RefundOrder(
                order_id=OrderId(order_id),
                staff=staff,
                refund_id=refund_id_of(order_id, _checked_key(idempotency_key)),
                amount=body.amount,
                reason=body.reason,
            )
            return await self._change(command, request)

        @router.post("/orders/{order_id}/review", response_model=OrderView, responses=accepted)
        async def review(
            order_id: OrderIdPath, body: ReviewRequest, staff: acting, request: Request
        ) -> OrderView | Response:
            """Staff: decide about an order whose money does not match."""
            command = ResolveReview(
                order_id=OrderId(order_id), staff=staff, resolution=body.resolution, reason=body.reason
            )
            return await self._change(command, request)

    async def _change(self, command: OrderCommand, request: Request) -> OrderView | Response:
        try:
            return _expect(await self._ask(command, request), OrderReply).order
        except ReplyTimeoutError:
            return _accepted(command.order_id, {"Location": f"/v1/orders/{command.order_id}"})

    async def _order(self, who: Guest | Staff, order_id: OrderId) -> OrderView:
        guest_id = who.guest_id if isinstance(who, Guest) else None
        query = GetOrder(order_id=order_id, guest_id=guest_id, property_id=who.property_id)
        return _expect(await self._ask(query, None), OrderReply).order

    async def _ask(self, message: Message, request: Request | None) -> Message:
        correlation_id = uuid.uuid4().hex
        traceparent = request.headers.get("traceparent") if request else None
        envelope = Envelope(message, f"http.{correlation_id}", correlation_id, traceparent=traceparent)
        return await self._requests.request(envelope, timeout=self._settings.reply_timeout)

    def _session(self, reply: PaymentSessionReply) -> PaymentSession:
        return PaymentSession(
            order_id=reply.order_id,
            payment_id=reply.payment_id,
            amount=reply.amount,
            client_secret=self._seal.open(reply.sealed_client_secret),
            publishable_key=self._settings.stripe_publishable_key,
            script_url=self._settings.stripe_js_url,
            pay_until=reply.pay_until,
        )


def _checked_key(key: str | None) -> str:
    if key is None:
        detail = "Send an Idempotency-Key header: any unique text, the same again when you repeat the request."
        raise ProblemError(400, "idempotency-key-missing", "Idempotency-Key missing", detail)
    if not _KEY.fullmatch(key):
        detail = "An Idempotency-Key has 1 to 255 visible ASCII characters."
        raise ProblemError(400, "idempotency-key-invalid", "Idempotency-Key invalid", detail)
    return key


def _accepted(order_id: OrderId, headers: dict[str, str]) -> JSONResponse:
    return JSONResponse(Accepted(order_id=order_id).model_dump(), 202, {**headers, "Retry-After": "1"})


def _expect(reply: Message, reply_type: type[ReplyT]) -> ReplyT:
    if isinstance(reply, Refusal):
        raise ProblemError.of(reply)
    if not isinstance(reply, reply_type):
        raise TypeError(f"expected {reply_type.__name__}, got {reply.kind}")
    return reply


def _sse(update: LiveUpdate) -> ServerSentEvent:
    return ServerSentEvent(event=update.event, data=update.model_dump(mode="json", exclude_none=True))
