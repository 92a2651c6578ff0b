"""Over a real socket: headers and trailers without end are cut off, what a browser or a proxy sends is not."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr, ValidationError
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from chassis.runtime.log_throttle import LogThrottle
from chassis.runtime.settings import ServiceSettings
from chassis.web import http_server
from chassis.web.http_server import config_of
from deploy.local.patience import patient
from tests.support.waiting import until

MAX_HEAD = 16384
SENT_AT_MOST = 16 * 1024 * 1024


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how long the body was, who asked and over what."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"%08d from %s over %s" % (size, scope["client"][0].encode(), scope["scheme"].encode())
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(**changes: Any) -> AsyncIterator[int]:
    """A server as every service has it; its port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    settings = ServiceSettings(amqp_url=SecretStr("amqp://localhost"), **changes)
    server = uvicorn.Server(config_of(echo, settings))
    task = asyncio.create_task(server._serve([listener]))
    await until(lambda: server.started, "the server has started")
    yield int(listener.getsockname()[1])
    server.should_exit = True
    await task


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serving() as port:
        yield port


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


def problem(answer: bytes) -> str:
    """The type of the problem document an answer is."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    document = json.loads(body)
    assert str(document["status"]).encode() in head.split(b"\r\n")[0]
    return str(document["type"]).removeprefix("urn:bellhop:problem:")


@pytest.mark.parametrize(
    ("begin", "endless"),
    [
        (b"GET / HTTP/1.1\r\nX: ", b"a" * 4096),
        (b"GET / HTTP/1.1\r\n", b"X-Y: " + b"a" * 1000 + b"\r\n"),
        (b"GET /", b"a" * 4096),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 500),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", b"X-Y: " + b"a" * 1000 + b"\r\n"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ", b"a" * 4096),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * 4096),
    ],
    ids=["one header", "many headers", "the path", "tiny headers", "trailers", "one trailer", "the size of a chunk"],
)
async def test_what_never_ends_is_cut_off(port: int, begin: bytes, endless: bytes) -> None:
    answer, sent = await said(port, begin, again_and_again=endless)

    assert answer[:12] in {b"HTTP/1.1 431", b""}  # nothing when the refusal was overtaken by the hanging up
    assert sent < SENT_AT_MOST


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * MAX_HEAD + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + (b"X: " + b"a" * 997 + b"\r\n") * 17 + b"\r\n",
        b"GET /" + b"a" * (MAX_HEAD // 2) + b" HTTP/1.1\r\nX: " + b"a" * (MAX_HEAD // 2) + b"\r\n\r\n",
    ],
    ids=["the path", "one header", "many headers", "path and header together"],
)
async def test_a_head_beyond_the_limit_is_431_and_says_so(port: int, head: bytes) -> None:
    answer, _ = await said(port, head)

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert problem(answer) == "headers-too-large"


async def test_a_large_head_within_the_limit_is_taken(port: int) -> None:
    head = b"GET / HTTP/1.1\r\nConnection: close\r\nX: " + b"a" * (MAX_HEAD - 1024) + b"\r\n\r\n"

    answer, _ = await said(port, head)

    assert answer.startswith(b"HTTP/1.1 200")


async def test_a_large_body_is_no_head(port: int) -> None:
    size = 16 * MAX_HEAD
    body = b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size

    answer, _ = await said(port, body)

    assert b"%08d from" % size in answer


async def test_many_requests_on_one_connection_are_counted_one_by_one(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    for _ in range(20):
        writer.write(b"GET / HTTP/1.1\r\nX: " + b"a" * (MAX_HEAD // 2) + b"\r\n\r\n")
        answer = await asyncio.wait_for(reader.readuntil(b"over http"), patient(10))
        assert answer.startswith(b"HTTP/1.1 200")
    writer.close()


async def test_what_is_no_http_is_a_problem_too(port: int) -> None:
    answer, _ = await said(port, b"HELO mail.example\r\n\r\n")

    assert problem(answer) == "malformed-request"


UPGRADE = b"GET / HTTP/1.1\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize("sent", [UPGRADE, b"\x16\x03\x01garbage\r\n\r\n"], ids=["upgrades", "garbage"])
async def test_refused_connections_are_logged_at_most_once_a_second_with_how_many_there_were(
    sent: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([0.0] * 20 + [1.0])
    monkeypatch.setattr(http_server, "LogThrottle", partial(LogThrottle, clock=lambda: next(seconds)))

    async with serving() as port:
        with capture_logs() as lines:
            for _ in range(21):
                await said(port, sent)

    assert [(line["event"], line["client"], line["more_before_it"]) for line in lines] == [
        ("connection.refused", "127.0.0.1", 0),
        ("connection.refused", "127.0.0.1", 19),
    ]
    # A broker's client of an earlier test may still be trying to connect.
    assert not [record for record in caplog.records if not record.name.startswith(("aiormq", "aio_pika"))]


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nX: a"], ids=["nothing", "half a head"])
async def test_headers_that_do_not_come_in_time_are_not_waited_for(sent: bytes) -> None:
    async with serving(header_timeout=0.2) as port:
        answer, _ = await said(port, sent)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert problem(answer) == "request-timeout"


async def test_the_second_request_of_a_connection_has_its_time_too() -> None:
    async with serving(header_timeout=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nX: a")
        answers = await asyncio.wait_for(reader.read(), patient(10))
        writer.close()

    assert answers.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in answers


async def test_an_idle_connection_stays_as_long_as_is_set_and_is_closed_without_a_word() -> None:
    async with serving(header_timeout=0.2, keep_alive_timeout=1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = asyncio.get_running_loop().time()
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        answers = await asyncio.wait_for(reader.read(), patient(10))
        lasted = asyncio.get_running_loop().time() - began
        writer.close()

    assert answers.startswith(b"HTTP/1.1 200")
    assert b"408" not in answers
    assert lasted >= 1


FORWARDED = b"GET / HTTP/1.1\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\r\n"


async def test_a_claim_about_the_asking_guest_is_not_trusted() -> None:
    async with serving() as port:
        answer, _ = await said(port, FORWARDED)

    assert b"from 127.0.0.1 over http" in answer


@pytest.mark.parametrize(
    ("proxies", "client"),
    [("127.0.0.1", b"203.0.113.7"), ("10.0.0.0/8, 127.0.0.0/8", b"203.0.113.7"), ("10.0.0.0/8", b"127.0.0.1")],
)
async def test_a_proxy_is_believed_when_it_is_named(proxies: str, client: bytes) -> None:
    async with serving(trusted_proxies=proxies) as port:
        answer, _ = await said(port, FORWARDED)

    assert b"from " + client + b" over" in answer


@pytest.mark.parametrize("proxies", ["*", "proxy.example", "10.0.0.0/33", "10.0.0.1, *"])
def test_a_proxy_is_named_by_its_address(proxies: str) -> None:
    with pytest.raises(ValidationError):
        ServiceSettings(amqp_url=SecretStr("amqp://localhost"), trusted_proxies=proxies)
