"""Headers and trailers without end are cut off; what a browser or a proxy sends is not."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from chassis.http_head import MAX_HEAD, BoundedHead

SENT_AT_MOST = 16 * 1024 * 1024


async def echo_length(scope: Scope, receive: Receive, send: Send) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
    await send({"type": "http.response.body", "body": b"%08d" % size})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(echo_length, http=BoundedHead, lifespan="off", log_config=None, access_log=False)
    )
    task = asyncio.create_task(server._serve([listener]))
    yield int(listener.getsockname()[1])
    server.should_exit = True
    await task


async def said(port: int, *parts: bytes, again_and_again: bytes = b"") -> tuple[bytes, int]:
    """What came back, and how much was sent until it did."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    answer = asyncio.create_task(reader.read(4096))
    with suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            sent += len(part)
        while again_and_again and not answer.done() and sent < SENT_AT_MOST:
            writer.write(again_and_again)
            await writer.drain()
            sent += len(again_and_again)
    try:
        return await asyncio.wait_for(answer, 10), sent
    except ConnectionError:
        return b"", sent
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("begin", "endless"),
    [
        (b"GET / HTTP/1.1\r\nX: ", b"a" * 4096),
        (b"GET / HTTP/1.1\r\n", b"X-Y: " + b"a" * 1000 + b"\r\n"),
        (b"GET /", b"a" * 4096),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", b"X-Y: " + b"a" * 1000 + b"\r\n"),
    ],
    ids=["one header", "many headers", "the path", "trailers"],
)
async def test_what_never_ends_is_cut_off(port: int, begin: bytes, endless: bytes) -> None:
    answer, sent = await said(port, begin, again_and_again=endless)

    assert answer[:12] in {b"HTTP/1.1 431", b""}  # nothing when the refusal was overtaken by the hanging up
    assert sent < SENT_AT_MOST


async def test_a_large_head_within_the_limit_is_taken(port: int) -> None:
    head = b"GET / HTTP/1.1\r\nConnection: close\r\nX: " + b"a" * (MAX_HEAD - 1024) + b"\r\n\r\n"

    answer, _ = await said(port, head)

    assert answer.startswith(b"HTTP/1.1 200")


async def test_a_large_body_is_no_head(port: int) -> None:
    size = 4 * MAX_HEAD
    body = b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size

    answer, _ = await said(port, body)

    assert answer.endswith(b"%08d" % size)


async def test_many_requests_on_one_connection_are_counted_one_by_one(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    for _ in range(20):
        writer.write(b"GET / HTTP/1.1\r\nX: " + b"a" * (MAX_HEAD // 8) + b"\r\n\r\n")
        answer = await asyncio.wait_for(reader.readuntil(b"00000000"), 10)
        assert answer.startswith(b"HTTP/1.1 200")
    writer.close()
