"""A limit on headers and trailers.

uvicorn with httptools has none: a client that sends headers without end fills the process's memory (measured on
uvicorn 0.54: 50 MB sent, 50 MB more resident).
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers, or of trailers, a client may send. Browsers and proxies stay below 16 KiB."""

_REFUSAL = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHead(HttpToolsProtocol):
    """uvicorn's protocol, hung up on whoever sends too much that is no body."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._since_body = 0

    def data_received(self, data: bytes) -> None:
        self._since_body += len(data)
        super().data_received(data)
        if self._since_body > MAX_HEAD and not self.transport.is_closing():
            self.transport.write(_REFUSAL)
            self.transport.close()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._since_body = 0

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._since_body = 0

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._since_body = 0
