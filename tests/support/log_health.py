"""What is known of the message log: its gaps, the copies it missed, and what readiness says of it."""

from contracts.log import LogGap
from ops.core.message_log.stream import LogStream
from tests.support.system import EXTRAS, System


async def problems(system: System, part: str) -> dict[str, str]:
    said: dict[str, str] = (await system.operator(part, "/health/ready")).json()["problems"]
    return said


async def gaps(system: System) -> list[LogGap]:
    async with system.channel() as channel:
        seen = LogStream(channel._connection).up_to_now()  # type: ignore[attr-defined]
        return [LogGap.model_validate_json(one.body) async for one in seen if one.kind == LogGap.wire_kind()]


async def missed(system: System) -> int:
    return await system.counted(EXTRAS, "bellhop_log_copies", outcome="missed")


async def recovered(system: System, part: str) -> bool:
    return "log" not in await problems(system, part)
