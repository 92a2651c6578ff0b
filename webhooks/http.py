"""The only file that calls receivers. A name is resolved once per attempt, each of its addresses is checked, and the
connection goes to a checked address: a name that resolves otherwise a moment later leads nowhere else."""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpcore

from chassis.runtime import tracing
from chassis.runtime.startup import VERSION
from chassis.runtime.tracing import Kind, Span, Value
from chassis.text import cut
from webhooks.addresses import ForbiddenTargetError, Place, place_of, require_public
from webhooks.feed.inputs import Verdict

_LONGEST = 200
_GONE, _TOO_MANY, _UNAVAILABLE = 410, 429, 503
_LONGEST_WAIT = 10**6


@dataclass(frozen=True, slots=True)
class Said:
    """A receiver's answer. Its text is no more than the status: receivers repeat what they were sent."""

    verdict: Verdict
    text: str
    retry_after: timedelta | None = None


class Network(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses alone."""

    def __init__(self, *, anywhere: bool) -> None:
        self._anywhere = anywhere
        self._real = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the library's own interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._resolved(host, port)
        if not self._anywhere:
            # All of them: a name with one address inside the network is not one to trust with the others.
            for address in addresses:
                require_public(address)
        for address in addresses[:-1]:
            try:
                return await self._real.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._real.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def _resolved(self, host: str, port: int) -> list[str]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name cannot be resolved: {error}") from None
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        if not addresses:
            raise httpcore.ConnectError("the name has no address")
        return addresses


@dataclass(frozen=True, slots=True)
class Caller:
    """Sends webhooks over HTTP/1.1, each over a connection of its own. No redirect is followed."""

    timeout: float
    """Seconds for all of an attempt."""
    anywhere: bool = False
    """Also unencrypted, and to addresses inside the network."""
    ca_file: Path | None = None
    trust: ssl.SSLContext = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trust", ssl.create_default_context(cafile=self.ca_file))

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Said:
        """Send one webhook. Every failure is an answer."""
        try:
            place = place_of(url, anywhere=self.anywhere)
            with tracing.inside("POST", Kind.CLIENT, _attributes(place)) as span:
                async with asyncio.timeout(self.timeout):
                    return await self._posted(place, headers, body, span)
        except ForbiddenTargetError as error:
            return Said(Verdict.FAILED, f"not sent: {error}")
        except TimeoutError:
            return Said(Verdict.FAILED, f"no answer within {self.timeout:g} s")
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError, ValueError) as error:
            return Said(Verdict.FAILED, cut(f"no answer: {type(error).__name__}: {error}", _LONGEST))

    async def _posted(self, place: Place, headers: Mapping[str, str], body: bytes, span: Span | None) -> Said:
        sent = {
            "Host": place.authority,
            "User-Agent": f"Bellhop/{VERSION}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **headers,
        }
        url = httpcore.URL(
            scheme=b"https" if place.is_encrypted else b"http",
            host=place.host.encode(),
            port=place.port,
            target=place.target.encode(),
        )
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=self.trust, max_keepalive_connections=0, network_backend=Network(anywhere=self.anywhere)
            ) as pool,
            # The answer's body is not read: it could be of any length, and nothing in it counts.
            pool.stream("POST", url, headers=list(sent.items()), content=body) as answer,
        ):
            said = _said(answer.status, answer.headers)
            if span is not None:
                span.set("http.response.status_code", answer.status)
                if said.verdict is not Verdict.TAKEN:
                    span.fail(str(answer.status))
            return said


def _attributes(place: Place) -> dict[str, Value]:
    """Of the address only the host: what follows it may be a secret of the receiver's."""
    return {"http.request.method": "POST", "server.address": place.host, "server.port": place.port}


def _said(status: int, headers: Iterable[tuple[bytes, bytes]]) -> Said:
    text = f"answered {status}"
    if 200 <= status < 300:
        return Said(Verdict.TAKEN, text)
    if status == _GONE:
        return Said(Verdict.GONE, f"{text}: it is gone for good")
    if 300 <= status < 400:
        return Said(Verdict.FAILED, f"{text}: redirects are not followed, correct the address")
    return Said(Verdict.FAILED, text, _asked_pause(headers) if status in (_TOO_MANY, _UNAVAILABLE) else None)


def _asked_pause(headers: Iterable[tuple[bytes, bytes]]) -> timedelta | None:
    asked = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    seconds = asked.strip()
    return timedelta(seconds=min(int(seconds), _LONGEST_WAIT)) if 0 < len(seconds) < 10 and seconds.isdigit() else None
