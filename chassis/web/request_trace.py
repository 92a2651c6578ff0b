"""The span of an HTTP request, which begins as soon as it is known which trace it belongs to.

A request from outside names no parent: a stranger's traceparent would decide what is recorded. It becomes a link.
"""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.runtime import tracing
from chassis.runtime.tracing import Kind, Span

UNTRACED = ("/health/", "/metrics")
_SERVER_ERROR = 500
_KEY = "bellhop.request_trace"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class StatusSender:
    """Sends a response on, and remembers its status: 500 until it begins."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = _SERVER_ERROR

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


class RequestTrace:
    """ASGI middleware: one span per request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not tracing.is_on() or scope["type"] != "http" or scope["path"].startswith(UNTRACED):
            await self._app(scope, receive, send)
            return
        pending = scope[_KEY] = _Pending(scope)
        sender = StatusSender(send)
        try:
            await self._app(scope, receive, sender)
        finally:
            pending.end(sender.status)


class _Pending:
    """The span of a request, from its first need on."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._began = tracing.now_ns()
        self._span: Span | None = None

    def begin(self, order_id: str | None = None) -> Span:
        if self._span is None:
            self._span = tracing.begin(
                self._method,
                Kind.SERVER,
                order_id=order_id,
                links=(traceparent_of(self._scope),),
                attributes={"http.request.method": self._method},
                began=self._began,
            )
        return self._span

    def end(self, status: int) -> None:
        span = self.begin()
        route = _route_of(self._scope)
        if route is not None:
            span.rename(f"{self._method} {route}")
            span.set("http.route", route)
        span.set("http.response.status_code", status)
        if status >= _SERVER_ERROR:
            span.fail(str(status))
        span.end()

    @property
    def _method(self) -> str:
        method = self._scope["method"]
        return method if method in _METHODS else "_OTHER"


def _route_of(scope: Scope) -> str | None:
    """The path of the route that answers, with the names of its parameters."""
    included = scope.get("fastapi", {}).get("effective_route_context")  # with the prefix of its router
    path = getattr(included, "path", None) or getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else None


def traceparent_for(scope: Scope, order_id: str | None = None) -> str | None:
    """The traceparent for what follows from a request; `order_id` names the trace in which its span begins.

    Without tracing, that of the request.
    """
    pending = scope.get(_KEY)
    traceparent = pending.begin(order_id).traceparent if pending else traceparent_of(scope)
    trace_id = tracing.trace_id_of(traceparent)
    if trace_id:
        structlog.contextvars.bind_contextvars(trace_id=trace_id)
    return traceparent


def trace_id_for(scope: Scope) -> dict[str, str]:
    """The member `trace_id` of a log line or problem about a request; empty if it has no trace."""
    pending = scope.get(_KEY)
    trace_id = tracing.trace_id_of(pending.begin().traceparent if pending else traceparent_of(scope))
    return {"trace_id": trace_id} if trace_id else {}


def traceparent_of(scope: Scope) -> str | None:
    """The traceparent that a request carries, if it is one."""
    said = next((value for name, value in scope["headers"] if name == b"traceparent"), b"").decode("latin-1")
    return said if tracing.trace_id_of(said) else None
