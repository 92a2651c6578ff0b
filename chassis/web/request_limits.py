"""Limits on the size of a request's body and on the time until its response begins."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import assert_never

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.web.problems import ProblemError, unavailable
from chassis.web.request_bodies import BodyReaders, BodyRefusedError, Refused


class RequestLimits:
    """ASGI middleware: reads the whole body before a route handles the request, so that slow clients occupy no route.

    413 beyond `max_body` bytes, or those that `max_bodies` has for its path; 408 if the body has not arrived within
    `seconds`; 503 if it was dropped in favour of newer ones, or the response has not begun within `seconds`. A stream
    that has begun is not limited.
    """

    def __init__(
        self, app: ASGIApp, max_body: int, seconds: float, max_bodies: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self._app = app
        self._max_body = max_body
        self._max_bodies = max_bodies
        self._seconds = seconds
        self._readers = BodyReaders()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        max_body = self._max_bodies.get(scope["path"], self._max_body)
        until = asyncio.get_running_loop().time() + self._seconds
        try:
            body = await self._readers.read(scope, receive, max_body, until)
        except BodyRefusedError as refused:
            if refused.why is not Refused.HUNG_UP:
                await self._problem(refused.why, max_body).response(Request(scope))(scope, receive, send)
            return
        pending = [body]

        async def replayed() -> Message:
            if pending:
                return {"type": "http.request", "body": pending.pop(), "more_body": False}
            return await receive()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                deadline.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout_at(until) as deadline:
                await self._app(scope, replayed, watched)
        except TimeoutError:
            if not deadline.expired():
                raise
            late = unavailable("This took too long. Please try again in a moment; repeating it is safe.")
            await late.response(Request(scope))(scope, receive, send)

    def _problem(self, why: Refused, max_body: int) -> ProblemError:
        close = {"Connection": "close"}
        match why:
            case Refused.TOO_LARGE:
                detail = f"The body of a request may have {max_body} bytes."
                return ProblemError(413, "body-too-large", "Body too large", detail, headers=close)
            case Refused.CROWDED_OUT:
                crowded = unavailable("Too many request bodies were sent at once. Please repeat the request.")
                crowded.headers |= close
                return crowded
            case Refused.TOO_SLOW | Refused.HUNG_UP:
                detail = f"The body of the request did not arrive within {self._seconds:g} s."
                return ProblemError(408, "request-timeout", "Request too slow", detail, headers=close)
            case _:
                assert_never(why)
