"""How large a request's body may be, and how long a request may take until its answer begins."""

import asyncio

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.problems import ProblemError, unavailable

_DIGITS = 12
"""No body has a length of more digits, and Python is slow to read a number of thousands."""


class RequestLimits:
    """ASGI middleware: takes the whole body before anybody works on the request, so a slow client keeps nobody busy.

    413 beyond `max_body` bytes; 408 when the body has not come within `seconds`; 503 when the answer has not begun
    within them. A stream may go on for as long as it likes once it has begun.
    """

    def __init__(self, app: ASGIApp, max_body: int, seconds: float) -> None:
        self._app = app
        self._max_body = max_body
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_body = False
        try:
            async with asyncio.timeout(self._seconds) as deadline:
                body = await self._body(scope, receive)
                has_body = True
                if body is None:
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

                await self._app(scope, replayed, watched)
        except ProblemError as problem:
            await problem.response(Request(scope))(scope, receive, send)
        except TimeoutError:
            if not deadline.expired():
                raise
            late = unavailable("This took too long. Please try again in a moment; repeating it is safe.")
            why = late if has_body else _too_slow(self._seconds)
            await why.response(Request(scope))(scope, receive, send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; none when the client went away. Raises ProblemError 413."""
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if declared.isdigit() and (len(declared) > _DIGITS or int(declared) > self._max_body):
            raise _too_large(self._max_body)
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._max_body:
                raise _too_large(self._max_body)
            if not message.get("more_body", False):
                return bytes(body)


def _too_large(limit: int) -> ProblemError:
    detail = f"The body of a request may have {limit} bytes."
    return ProblemError(413, "body-too-large", "Body too large", detail, headers={"Connection": "close"})


def _too_slow(seconds: float) -> ProblemError:
    detail = f"The body of the request did not come within {seconds:g} s."
    return ProblemError(408, "request-timeout", "Request too slow", detail, headers={"Connection": "close"})
