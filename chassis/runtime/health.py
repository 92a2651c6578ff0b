"""Readiness checks of a service's components."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from chassis.runtime.redaction import Redaction

Check = Callable[[], Awaitable[str | None]]
"""A readiness check: None if all is well, else a sentence that describes the problem."""

CHECK_TIMEOUT = 3.0


async def problems_of(checks: Mapping[str, Check]) -> dict[str, str]:
    """The problems by check name. A check that raises or times out is a problem as well."""
    results = await asyncio.gather(*(_run(check) for check in checks.values()))
    return {name: problem for name, problem in zip(checks, results, strict=True) if problem}


async def _run(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            return await check()
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT:g} s"
    except Exception as error:
        return Redaction()(repr(error))
