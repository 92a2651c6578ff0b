"""Queues, the message log and the audit log."""

import asyncio
from collections import deque
from dataclasses import asdict
from time import monotonic
from typing import Annotated, Any

from fastapi import APIRouter, Query

from chassis.messaging.envelope import utc_now
from chassis.storage.audit_log import AuditLog
from ops.core.message_log.search import matching, offset_of
from ops.core.messages import RecordedMessage
from ops.core.queues import look_at
from ops.web.api.bodies import Text, Wanted
from ops.web.problems import unreadable
from ops.web.session import ReconnectingSession

_FRESH = 1.0
"""Seconds for which one reading of the queues is shared."""
_READ_WITHIN = 20.0
"""Seconds after which an incomplete reading of the log is shown."""
_MOST = 1000


class WantedOfLog(Wanted):
    begin: Text = "15m"
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 200


def routes(desk: ReconnectingSession) -> APIRouter:
    router = APIRouter()
    looking = asyncio.Lock()
    last: list[tuple[float, dict[str, Any]]] = []

    @router.get("/queues")
    async def queues() -> dict[str, Any]:
        async with looking:
            if not last or monotonic() - last[0][0] > _FRESH:
                states = await look_at(await desk())
                seen = {"at": utc_now(), "queues": [{**asdict(one), "problem": one.problem} for one in states]}
                last[:] = [(monotonic(), seen)]
            return last[0][1]

    @router.get("/log")
    async def log(wanted: Annotated[WantedOfLog, Query()]) -> dict[str, Any]:
        """The newest matching messages; `next` is the offset from which a client continues."""
        now = utc_now()
        try:
            offset = offset_of(wanted.since or wanted.begin, now)
        except ValueError as error:
            raise unreadable(error) from None
        messages: deque[RecordedMessage] = deque(maxlen=wanted.limit)
        found, is_whole, last_offset = 0, True, None
        try:
            async with asyncio.timeout(_READ_WITHIN):
                async for seen in matching((await desk()).log, offset, wanted.filter()):
                    messages.append(seen)
                    found += 1
                    last_offset = seen.offset
        except TimeoutError:
            is_whole = False
        after = last_offset + 1 if last_offset is not None else None
        shown = [message_view(seen) for seen in messages]
        return {"at": now, "found": found, "is_whole": is_whole, "next": after, "messages": shown}

    @router.get("/audit-log")
    async def audit_log(wanted: Annotated[Wanted, Query()]) -> dict[str, Any]:
        entries = await AuditLog((await desk()).store).entries(wanted.filter().since, _MOST)
        return {"entries": [entry.model_dump(mode="json") for entry in entries]}

    return router


def message_view(seen: RecordedMessage) -> dict[str, Any]:
    """A message in a list, with its body."""
    return {
        "offset": seen.offset,
        "sent_at": seen.sent_at,
        "kind": seen.kind,
        "sender": seen.sender,
        "order_id": seen.order_id,
        "message_id": seen.message_id,
        "correlation_id": seen.correlation_id,
        "queues": seen.queues,
        "error_type": seen.error_type,
        "error": seen.error,
        "body": seen.readable_body(),
    }
