"""What counting one request costs a gateway that has counted so many addresses already.

python -m benchmarks.rates
"""

import asyncio
from ipaddress import IPv4Address
from time import process_time

from limits import parse
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from rich.console import Console

from gateway.rate_limits import Counts

ADDRESSES = (100, 1_000, 10_000, 50_000, 150_000)
_COUNTED = 1_000
_FIRST = int(IPv4Address("10.0.0.0"))
_RATE = parse("6000/minute")


async def microseconds(addresses: int) -> float:
    """Of processor time per request, after that many addresses have been counted."""
    limiter = SlidingWindowCounterRateLimiter(Counts())
    for number in range(addresses):
        await limiter.hit(_RATE, str(IPv4Address(_FIRST + number)))
    began = process_time()
    for number in range(_COUNTED):
        await limiter.hit(_RATE, str(IPv4Address(_FIRST + number % addresses)))
        await asyncio.sleep(0)  # what a storage does in the background is counted, too
    return (process_time() - began) / _COUNTED * 1e6


async def main() -> None:
    console = Console(highlight=False)
    for addresses in ADDRESSES:
        console.print(f"{addresses:>7} addresses: {await microseconds(addresses):5.1f} µs")


if __name__ == "__main__":
    asyncio.run(main())
