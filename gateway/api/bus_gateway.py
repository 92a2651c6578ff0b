"""Requests from the HTTP API to the services over the bus, and their replies as HTTP responses."""

import uuid
from contextlib import AbstractContextManager
from typing import TypeVar

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from chassis.messaging.envelope import Envelope
from chassis.messaging.requests import ReplyTimeoutError, RequestClient
from chassis.runtime.steps import Step, Steps
from chassis.web.problems import ProblemError, path_of
from chassis.web.request_trace import traceparent_for
from contracts.ids import OrderId
from contracts.message import Command, Message, OrderCommand
from contracts.orders import GetOrder, Guest, OrderReply, OrderView, Refusal, Staff
from contracts.trace_headers import http_request
from gateway.api.schemas import Accepted

ReplyT = TypeVar("ReplyT", bound=Message)

_SERVER_ERROR = 500


class BusGateway:
    """Sends commands and queries as requests on the bus, each with a time limit."""

    def __init__(self, requests: RequestClient, reply_timeout: float, steps: Steps | None = None) -> None:
        self._requests = requests
        self._reply_timeout = reply_timeout
        self._steps = steps or Steps()

    def lasting(self, step: Step) -> AbstractContextManager[None]:
        """While a guest waits for this step."""
        return self._steps.lasting(step, is_failure)

    async def ask(self, message: Message, request: Request) -> Message:
        """The reply, a refusal included. Raises ReplyTimeoutError and the other errors of `RequestClient.request`."""
        correlation_id = uuid.uuid4().hex
        order_id = getattr(message, "order_id", None)
        envelope = Envelope(
            message,
            f"http.{correlation_id}",
            correlation_id,
            traceparent=traceparent_for(request.scope, order_id if isinstance(message, Command) else None),
            trace_headers=http_request(request.method, path_of(request)),
        )
        return await self._requests.request(envelope, timeout=self._reply_timeout)

    async def order(self, viewer: Guest | Staff, order_id: str, request: Request) -> OrderView:
        """The order as this viewer may see it. Raises ProblemError 404 if they may not, or it does not exist."""
        guest_id = viewer.guest_id if isinstance(viewer, Guest) else None
        query = GetOrder(order_id=OrderId(order_id), guest_id=guest_id, property_id=viewer.property_id)
        return expected(await self.ask(query, request), OrderReply).order

    async def change(self, command: OrderCommand, request: Request) -> OrderView | Response:
        """The order after the command, or 202 if the reply is late."""
        try:
            return expected(await self.ask(command, request), OrderReply).order
        except ReplyTimeoutError:
            return accepted(command.order_id)


def is_failure(error: Exception) -> bool:
    """Whether an error is the system's, and not an answer that the request deserves."""
    return not isinstance(error, ProblemError) or error.status >= _SERVER_ERROR


def expected(reply: Message, reply_type: type[ReplyT]) -> ReplyT:
    """The reply, checked to be of `reply_type`. Raises ProblemError for a refusal."""
    if isinstance(reply, Refusal):
        raise ProblemError.of(reply)
    if not isinstance(reply, reply_type):
        raise TypeError(f"expected {reply_type.__name__}, got {reply.kind}")
    return reply


def location_header(order_id: OrderId) -> dict[str, str]:
    return {"Location": f"/v1/orders/{order_id}"}


def accepted(order_id: OrderId) -> JSONResponse:
    """202: the command is queued and will be carried out."""
    return JSONResponse(
        Accepted(order_id=order_id).model_dump(), 202, {**location_header(order_id), "Retry-After": "1"}
    )
