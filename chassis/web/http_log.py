"""One log line per HTTP request."""

from time import perf_counter

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.text import cut
from chassis.web.request_trace import UNTRACED, StatusSender, trace_id_for

log = structlog.get_logger()

LONGEST_PATH = 200
"""Characters. No route has a longer one."""


class HttpLog:
    """ASGI middleware: logs method, path (cut), status and milliseconds. Never headers or bodies."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(UNTRACED):
            await self._app(scope, receive, send)
            return
        structlog.contextvars.clear_contextvars()
        started = perf_counter()
        sender = StatusSender(send)
        try:
            await self._app(scope, receive, sender)
        finally:
            ms = round((perf_counter() - started) * 1000, 1)
            path = cut(scope["path"], LONGEST_PATH)
            log.info(
                "http.handled", method=scope["method"], path=path, status=sender.status, ms=ms, **trace_id_for(scope)
            )
