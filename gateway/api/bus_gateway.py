"""Asking a service over the bus, and what becomes of its answer."""

import re
import uuid
from typing import TypeVar

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from chassis.messaging.envelope import Envelope
from chassis.messaging.requests import ReplyTimeoutError, RequestClient
from contracts.ids import OrderId
from contracts.message import Message, OrderCommand
from contracts.orders import GetOrder, Guest, OrderReply, OrderView, Refusal, Staff
from gateway.api.schemas import Accepted
from gateway.problems import ProblemError, path_of

ReplyT = TypeVar("ReplyT", bound=Message)

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class BusGateway:
    """One request on the bus per question, with a time limit."""

    def __init__(self, requests: RequestClient, reply_timeout: float) -> None:
        self._requests = requests
        self._reply_timeout = reply_timeout

    async def ask(self, message: Message, request: Request) -> Message:
        """The reply, a refusal included. Raises ReplyTimeoutError and the other errors of `RequestClient.request`."""
        correlation_id = uuid.uuid4().hex
        envelope = Envelope(
            message,
            f"http.{correlation_id}",
            correlation_id,
            traceparent=_traceparent_of(request),
            trace_headers={"http": f"{request.method} {path_of(request)}"},
        )
        return await self._requests.request(envelope, timeout=self._reply_timeout)

    async def order(self, who: Guest | Staff, order_id: str, request: Request) -> OrderView:
        """An order as whoever asks may see it. Raises ProblemError 404 when there is none for them."""
        guest_id = who.guest_id if isinstance(who, Guest) else None
        query = GetOrder(order_id=OrderId(order_id), guest_id=guest_id, property_id=who.property_id)
        return expected(await self.ask(query, request), OrderReply).order

    async def change(self, command: OrderCommand, request: Request) -> OrderView | Response:
        """The order after a command, or 202 when the reply is late."""
        try:
            return expected(await self.ask(command, request), OrderReply).order
        except ReplyTimeoutError:
            return accepted(command.order_id)


def expected(reply: Message, reply_type: type[ReplyT]) -> ReplyT:
    """The reply as what it must be. Raises ProblemError for a refusal."""
    if isinstance(reply, Refusal):
        raise ProblemError.of(reply)
    if not isinstance(reply, reply_type):
        raise TypeError(f"expected {reply_type.__name__}, got {reply.kind}")
    return reply


def location_header(order_id: OrderId) -> dict[str, str]:
    """The header that says where an order is."""
    return {"Location": f"/v1/orders/{order_id}"}


def accepted(order_id: OrderId) -> JSONResponse:
    """202: the command is in its queue and will be carried out."""
    return JSONResponse(
        Accepted(order_id=order_id).model_dump(), 202, {**location_header(order_id), "Retry-After": "1"}
    )


def _traceparent_of(request: Request) -> str | None:
    said = request.headers.get("traceparent", "")
    return said if _TRACEPARENT.fullmatch(said) else None
