"""How often one address and one guest may ask, and how many live streams a guest may have at once.

Counted in this process only: with n instances behind a balancer, up to n times as much.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from time import time

import structlog
from fastapi import Request
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.keys import joined
from chassis.runtime.log_throttle import LogThrottle
from chassis.web.client_addresses import network_of
from contracts.orders import Guest, Staff
from gateway.problems import ProblemError
from gateway.settings import GatewaySettings
from gateway.tokens import Operator

log = structlog.get_logger()

_UNLIMITED = ("/health/", "/metrics")
_STREAM_RETRY_AFTER = 5

MOST_COUNTS = 200_000
"""Of one rate: some 50 MB. Beyond it the oldest are forgotten, and their addresses begin again."""


class Counts(MemoryStorage):
    """Counts of one rate. The library's own storage walks over all of them at each count: 5 ms at 50,000 addresses.

    All counts of one rate are kept equally long, so the oldest come first and are forgotten from there.
    """

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = time()
        while self.expirations and (self._oldest_ends() <= now or len(self.expirations) >= MOST_COUNTS):
            await self.clear(next(iter(self.expirations)))
        self.expirations.setdefault(key, now + expiry)
        self.storage[key] += amount
        return self.storage[key]

    async def decr(self, key: str, amount: int = 1) -> int:
        self.storage[key] -= amount
        return self.storage[key]

    def _oldest_ends(self) -> float:
        return next(iter(self.expirations.values()))


class RateLimits:
    """Requests per time, by address and by whoever a token names."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._addresses = SlidingWindowCounterRateLimiter(Counts())
        self._bearers = SlidingWindowCounterRateLimiter(Counts())
        self._of_address = parse(settings.address_rate)
        self._of_guest = parse(settings.guest_rate)

    async def address(self, client: str) -> None:
        """Count a request of an address. Raises ProblemError 429."""
        await _count(self._addresses, self._of_address, network_of(client))

    async def bearer(self, who: Guest | Staff | Operator) -> None:
        """Count a request of a guest, a member of staff or an operator. Raises ProblemError 429."""
        await _count(self._bearers, self._of_guest, joined(*key_of(who)))


async def _count(limiter: SlidingWindowCounterRateLimiter, rate: RateLimitItem, key: str) -> None:
    if not await limiter.hit(rate, key):
        window = await limiter.get_window_stats(rate, key)
        seconds = max(1, ceil(window.reset_time - time()))
        detail = f"This is more than {rate}. Please try again in {seconds} s."
        headers = {"Retry-After": str(seconds)}
        raise ProblemError(429, "too-many-requests", "Too many requests", detail, headers=headers)


class AddressRate:
    """ASGI middleware: counts each request by its client's address, whatever its token. Health and metrics are free.

    Refuses before the request is logged, and tells of it once a second: a flood fills no disk.
    """

    def __init__(self, app: ASGIApp, rates: RateLimits) -> None:
        self._app = app
        self._rates = rates
        self._told = LogThrottle(every=1.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(_UNLIMITED):
            client = scope.get("client")
            try:
                await self._rates.address(client[0] if client else "")
            except ProblemError as problem:
                if (held_back := self._told.admit()) is not None:
                    log.warning("http.too_many", client=client and client[0], held_back=held_back)
                await problem.response(Request(scope))(scope, receive, send)
                return
        await self._app(scope, receive, send)


class StreamLimit:
    """How many live streams each guest has open."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._open: Counter[tuple[str, ...]] = Counter()

    @contextmanager
    def slot(self, who: Guest | Staff) -> Iterator[None]:
        """Count a stream while it is open. Raises ProblemError 429."""
        key = key_of(who)
        if self._open[key] >= self._at_once:
            detail = f"You have {self._at_once} live views open already. Please close one first."
            headers = {"Retry-After": str(_STREAM_RETRY_AFTER)}
            raise ProblemError(429, "too-many-live-streams", "Too many live streams", detail, headers=headers)
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]


def key_of(who: Guest | Staff | Operator) -> tuple[str, ...]:
    """What tells one bearer from another."""
    match who:
        case Guest():
            return "guest", who.property_id, who.guest_id
        case Staff():
            return "staff", who.property_id, who.staff_id
        case Operator():
            return "operator", who.operator_id
