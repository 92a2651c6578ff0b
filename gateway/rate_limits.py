"""Rate limits per address and per guest, and the limit of live streams per guest.

Counted in this process only: with n instances behind a balancer, the limits are up to n times as high.
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
from chassis.web.problems import ProblemError
from chassis.web.tokens import Operator
from contracts.orders import Guest, Staff
from gateway.settings import GatewaySettings

log = structlog.get_logger()

_UNLIMITED = ("/health/", "/metrics")
_STREAM_RETRY_AFTER = 5

MOST_COUNTS = 200_000
"""Counts per rate, some 50 MB. Beyond it the oldest are forgotten, and their addresses start again."""


class Counts(MemoryStorage):
    """The counts of one rate. The library's own storage iterates over all of them at each count: 5 ms at 50,000.

    All counts of one rate expire after the same time, so they are ordered by age and dropped from the front.
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
    """Limits requests by address and by the bearer of a token."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._addresses = SlidingWindowCounterRateLimiter(Counts())
        self._bearers = SlidingWindowCounterRateLimiter(Counts())
        self._of_address = parse(settings.address_rate)
        self._uploaders = SlidingWindowCounterRateLimiter(Counts())
        self._of_guest = parse(settings.guest_rate)
        self._of_uploader = parse(settings.picture_rate)

    async def address(self, client: str) -> None:
        """Count a request of an address. Raises ProblemError 429."""
        await _count(self._addresses, self._of_address, network_of(client))

    async def bearer(self, who: Guest | Staff | Operator) -> None:
        """Count a request of a guest, a member of staff or an operator. Raises ProblemError 429."""
        await _count(self._bearers, self._of_guest, joined(*key_of(who)))

    async def uploader(self, who: Staff) -> None:
        """Count a picture that a member of staff uploads. Raises ProblemError 429."""
        await _count(self._uploaders, self._of_uploader, joined(*key_of(who)))


async def _count(limiter: SlidingWindowCounterRateLimiter, rate: RateLimitItem, key: str) -> None:
    if not await limiter.hit(rate, key):
        window = await limiter.get_window_stats(rate, key)
        seconds = max(1, ceil(window.reset_time - time()))
        detail = f"This is more than {rate}. Please try again in {seconds} s."
        headers = {"Retry-After": str(seconds)}
        raise ProblemError(429, "too-many-requests", "Too many requests", detail, headers=headers)


class AddressRate:
    """ASGI middleware: limits requests by client address, with or without a token, except health and metrics.

    It refuses before the request is logged, and logs refusals once a second: a flood cannot fill a disk.
    """

    def __init__(self, app: ASGIApp, rates: RateLimits) -> None:
        self._app = app
        self._rates = rates
        self._refusals_logged = LogThrottle(every=1.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(_UNLIMITED):
            client = scope.get("client")
            try:
                await self._rates.address(client[0] if client else "")
            except ProblemError as problem:
                if (suppressed := self._refusals_logged.admit()) is not None:
                    log.warning("http.too_many", client=client and client[0], suppressed=suppressed)
                await problem.response(Request(scope))(scope, receive, send)
                return
        await self._app(scope, receive, send)


class StreamLimit:
    """Limits the live streams of each guest."""

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
    """The key that identifies a bearer."""
    match who:
        case Guest():
            return "guest", who.property_id, who.guest_id
        case Staff():
            return "staff", who.property_id, who.staff_id
        case Operator():
            return "operator", who.operator_id
