"""A receiver of webhooks on this machine: a real HTTP server that answers as tests say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from deploy.local.ports import HOST

HANG, CLOSE, TORN, ENDLESS, NO_HTTP = "hang", "close", "torn", "endless", "no http"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/inside\r\nContent-Length: 0\r\n\r\n"
Behaviour = int | str | bytes
"""A status, one of the words above, or a whole answer."""


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """What it says. Raises WebhookVerificationError."""
        return Webhook(secret).verify(self.body, self.headers)

    def is_signed_with(self, secret: str) -> bool:
        try:
            self.verified(secret)
        except WebhookVerificationError:
            return False
        return True


@dataclass
class Receiver:
    """What was received, and what is answered next: `behaviours` one after the other, then `then`."""

    port: int = 0
    behaviours: list[Behaviour] = field(default_factory=list)
    then: Behaviour = 200
    received: list[Received] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/hooks?key=k-1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.received.append(Received(first.split(" ")[1], headers, body))
        behaviour = self.behaviours.pop(0) if self.behaviours else self.then
        match behaviour:
            case bytes():
                writer.write(behaviour)
            case int():
                writer.write(f"HTTP/1.1 {behaviour} Word\r\nContent-Length: 0\r\n\r\n".encode())
            case "hang":
                await self.let_go.wait()
            case "torn":
                writer.write(b"HTTP/1.1 200 O")
            case "no http":
                writer.write(b"220 smtp.example ESMTP\r\n")
            case "endless":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while not self.let_go.is_set():
                    writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                    await writer.drain()
            case _:
                return
        await writer.drain()


@asynccontextmanager
async def webhook_receiver(**named: Any) -> AsyncIterator[Receiver]:
    """A running receiver on a free port."""
    receiver = Receiver(**named)
    server = await asyncio.start_server(receiver.serve, HOST, 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.let_go.set()
        server.close()
        await asyncio.sleep(0)
