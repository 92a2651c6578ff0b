"""The HTTP server in front of a service: uvicorn on httptools, with the limits on headers that the two lack.

A client that sends headers without end fills the process's memory (measured on uvicorn 0.54: 50 MB sent, 50 MB more
resident), and one that sends none keeps its connection for ever (https://www.uvicorn.org/settings/#timeouts).
"""

import asyncio
import json
import logging
from typing import Any, cast

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from chassis.runtime.log_throttle import LogThrottle
from chassis.runtime.settings import ProcessSettings

log = structlog.get_logger()

_TITLES = {400: "Malformed request", 408: "Request too slow", 431: "Headers too large"}
_NAMES = {400: "malformed-request", 408: "request-timeout", 431: "headers-too-large"}
_DETAILS = {
    400: "The request is not valid HTTP.",
    408: "The headers of the request did not arrive in time.",
    431: "The address and the headers of the request together are too large.",
}


def config_of(app: ASGIApp, settings: ProcessSettings) -> uvicorn.Config:
    """The uvicorn configuration of a service. Client addresses come from a proxy only if it is trusted."""
    return uvicorn.Config(
        app,
        host=settings.http_host,
        port=settings.http_port,
        http=bounded_http(settings.max_header_bytes, settings.header_timeout),
        ws="none",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_keep_alive=settings.keep_alive_timeout,
        timeout_graceful_shutdown=max(1, int(settings.graceful_timeout)),
    )


_UVICORN = logging.getLogger("uvicorn.error.connections")
"""Suppresses uvicorn's warnings, which any client can cause at will. Its errors are still logged."""
_UVICORN.setLevel(logging.ERROR)


class _HeadersTooLargeError(Exception):
    """Aborts parsing; httptools wraps it in its own error."""


class _BoundedHttp(HttpToolsProtocol):
    max_header_bytes: int
    header_timeout: float
    refusals: LogThrottle

    _head_size = 0
    """Bytes of address and headers, trailers included, that the parser has reported."""
    _since_body = 0
    """Bytes since the end of the last body: the parser buffers an unfinished header without reporting it."""
    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.logger = _UVICORN

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._since_body += len(data)
        super().data_received(data)
        if self._since_body > self.max_header_bytes:
            self._refuse(431)

    def on_message_begin(self) -> None:
        self._head_size = self._since_body = 0
        self._start_clock()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)  # ": " and the end of the line
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._since_body = 0
        self._stop_clock()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._since_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._since_body = 0
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        # The request itself is answered as if it had not asked (RFC 9110, 7.8).
        self._log_refusal("upgrade")

    def send_400_response(self, msg: str) -> None:
        self._refuse(431 if self._head_size > self.max_header_bytes else 400)

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self.max_header_bytes:
            raise _HeadersTooLargeError

    def _start_clock(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.header_timeout, self._too_late)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Answer with the reason, unless another answer has begun, and close the connection."""
        self._stop_clock()
        if self.transport.is_closing():
            return
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if not is_answering:
            self.transport.write(_problem(status))
        self.transport.close()
        self._log_refusal(_NAMES[status])

    def _log_refusal(self, reason: str) -> None:
        held_back = self.refusals.admit()
        if held_back is not None:
            client = self.client and self.client[0]
            log.warning("connection.refused", reason=reason, client=client, more_before_it=held_back)


def bounded_http(max_header_bytes: int, header_timeout: float) -> type[asyncio.Protocol]:
    """uvicorn's HTTP, answering 431 to address and headers of more bytes, and 408 when they take longer (seconds).

    Refusals are logged at most once a second.
    """
    limits = {
        "max_header_bytes": max_header_bytes,
        "header_timeout": header_timeout,
        "refusals": LogThrottle(every=1.0),
    }
    return cast("type[asyncio.Protocol]", type("BoundedHttp", (_BoundedHttp,), limits))


def _problem(status: int) -> bytes:
    """A whole HTTP answer whose body is a problem document (RFC 9457)."""
    document = {
        "type": f"urn:bellhop:problem:{_NAMES[status]}",
        "title": _TITLES[status],
        "status": status,
        "detail": _DETAILS[status],
    }
    body = json.dumps(document).encode()
    head = f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return STATUS_LINE[status] + head.encode() + body
