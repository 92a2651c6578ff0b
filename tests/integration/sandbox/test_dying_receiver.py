"""A receiver that is killed at any moment of a request gets the webhook again, as from Stripe."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from socket import SO_LINGER, SOL_SOCKET, socket
from typing import Any

import anyio
import httpx
import pytest

from deploy.local.patience import patient
from stripe_sandbox import background
from tests.integration.sandbox.conftest import SECRET, Bench, Inbox, eventually

Moment = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _as_it_connects(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None: ...


async def _within_the_headers(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(20)


async def _within_the_body(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(1)


async def _before_the_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _within_the_body(reader, writer)
    await reader.readuntil(b"}}")


async def _within_the_status_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _before_the_answer(reader, writer)
    writer.write(b"HTTP/1.1 2")
    await writer.drain()


async def _within_the_answers_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _before_the_answer(reader, writer)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    await writer.drain()


async def _within_the_answers_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _before_the_answer(reader, writer)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    await writer.drain()


async def _with_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _before_the_answer(reader, writer)
    writer.write(b"\x00\xff" * 64 + b"\r\n\r\n")
    await writer.drain()


MOMENTS = (
    _as_it_connects,
    _within_the_headers,
    _within_the_body,
    _before_the_answer,
    _within_the_status_line,
    _within_the_answers_headers,
    _within_the_answers_body,
    _with_nonsense,
)


@pytest.mark.parametrize("resets", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__.strip("_"))
async def test_a_receiver_killed_in_a_request_gets_the_webhook_again(
    bench: Bench, inbox: Inbox, moment: Moment, resets: bool
) -> None:
    died = 0

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal died
        await moment(reader, writer)
        if resets:  # as the kernel does for a killed process with unread bytes
            connection: socket = writer.get_extra_info("socket")
            connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        died += 1

    server = await asyncio.start_server(die, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await bench.switch("webhook-endpoint", {"url": f"http://127.0.0.1:{port}/webhooks", "secret": SECRET})
    async with server:
        await bench.intent()
        await eventually(lambda: died > 1)

    await bench.switch("webhook-endpoint", {"url": inbox.url, "secret": SECRET})

    await inbox.gets("payment_intent.created")


async def test_an_error_that_no_client_library_announces_counts_as_a_refused_attempt(
    bench: Bench, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [RuntimeError("unforeseen"), anyio.ClosedResourceError()]
    post = httpx.AsyncClient.post

    async def breaks(client: httpx.AsyncClient, url: Any, **options: Any) -> httpx.Response:
        if url == inbox.url and errors:
            raise errors.pop()
        return await post(client, url, **options)

    monkeypatch.setattr(httpx.AsyncClient, "post", breaks)

    await bench.intent()

    await inbox.gets("payment_intent.created")
    assert not errors


async def test_an_unforeseen_error_ends_no_background_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_PAUSE", 0.0)
    errors = [RuntimeError("unforeseen"), KeyError("a lost delivery")]
    done = asyncio.Event()

    async def work() -> None:
        if errors:
            raise errors.pop()
        done.set()

    task = background.start(work, "work")

    await asyncio.wait_for(done.wait(), patient(5))
    await task
