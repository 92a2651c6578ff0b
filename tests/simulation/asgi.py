"""HTTP without sockets: requests to an instance's own ASGI app, each of them a task of its process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from tests.simulation.instances import Instance

Headers = Iterable[tuple[bytes, bytes]]

ANSWER_WITHIN = 40.0
"""Seconds; the gateway answers within 30 by itself."""
IDLE_WITHIN = 60.0
"""Seconds without a byte of a stream: the gateway sends a comment every 15."""


class Exchange:
    """One request, and what the app sends back. Raises ConnectionError where nothing comes: the process is dead."""

    def __init__(
        self, instance: "Instance", method: str, path: str, headers: Headers, body: bytes, client: str
    ) -> None:
        """Raises ConnectionError when the process takes no requests."""
        if not instance.is_ready:
            raise ConnectionError("refused")
        self._body = body
        self._sent: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._gone = asyncio.Event()
        raw_path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": raw_path,
            "raw_path": raw_path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.lower(), value) for name, value in headers],
            "client": (client, 40_000),
            "server": ("gateway", 80),
            "state": {},
        }
        instance.loop.run_in(instance.process, self._serve(instance.app, scope), "request")

    async def _serve(self, app: Any, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception:
            return  # answered with 500 before, which is what a client sees of it
        finally:
            self._sent.put_nowait(None)

    async def _receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None  # type: ignore[assignment]
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        self._sent.put_nowait(message)

    async def _next(self, seconds: float) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(seconds):
                return await self._sent.get()
        except TimeoutError:
            raise ConnectionError("no answer") from None

    async def head(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Status and headers."""
        start = await self._next(ANSWER_WITHIN)
        if start is None:
            raise ConnectionError("closed without an answer")
        return start["status"], start["headers"]

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        more = True
        while more:
            message = await self._next(IDLE_WITHIN)
            if message is None:
                raise ConnectionError("the answer is cut short")
            more = message.get("more_body", False)
            yield message.get("body", b"")

    def hang_up(self) -> None:
        """The client is gone."""
        self._gone.set()


class Transport(httpx.AsyncBaseTransport):
    """What httpx sends with: to any instance that takes requests."""

    def __init__(
        self, instance: Callable[[], "Instance"], address: str, note: Callable[[httpx.Request, httpx.Response], None]
    ) -> None:
        """`instance` raises ConnectionError when there is none; `note` sees every answer before its client does."""
        self._instance = instance
        self._address = address
        self._note = note

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            path = request.url.raw_path.decode()
            exchange = Exchange(
                self._instance(), request.method, path, request.headers.raw, request.content, self._address
            )
            status, headers = await exchange.head()
        except ConnectionError as error:
            raise httpx.ReadError(str(error)) from error
        stream = _Stream(exchange)
        response = httpx.Response(status, headers=headers, stream=stream, request=request)
        if response.headers["content-type"].partition(";")[0] != "text/event-stream":
            await response.aread()
        self._note(request, response)
        return response


class _Stream(httpx.AsyncByteStream):
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._exchange.chunks():
                yield chunk
        except ConnectionError as error:
            raise httpx.ReadError(str(error)) from error

    async def aclose(self) -> None:
        self._exchange.hang_up()
