"""A message as the broker has it, and what it says of how it came."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Wire:
    """A published message: body, properties, and where it was sent."""

    body: bytes
    exchange: str
    routing_key: str
    type: str | None = None
    message_id: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    user_id: str | None = None
    app_id: str | None = None
    content_type: str | None = None
    timestamp: datetime | None = None
    expiration: float | None = None
    """Seconds to live."""
    headers: Mapping[str, Any] = field(default_factory=dict)

    def dead_lettered(self, exchange: str, routing_key: str, queue: str, reason: str, now: datetime) -> "Wire":
        """As the broker publishes it to a dead-letter exchange: without its time to live, with `x-death`."""
        deaths = [dict(death) for death in self.headers.get("x-death", ())]
        known = next((death for death in deaths if (death["queue"], death["reason"]) == (queue, reason)), None)
        if known is None:
            known = {
                "count": 0,
                "reason": reason,
                "queue": queue,
                "time": now,
                "exchange": self.exchange,
                "routing-keys": [self.routing_key],
            }
        else:
            deaths.remove(known)
        deaths.insert(0, known | {"count": known["count"] + 1})
        first = {"x-first-death-reason": reason, "x-first-death-queue": queue, "x-first-death-exchange": self.exchange}
        headers = {**first, **self.headers, "x-death": deaths}
        headers.pop("x-delivery-count", None)
        return replace(self, exchange=exchange, routing_key=routing_key, expiration=None, headers=headers)


@dataclass(slots=True)
class Held:
    """A message in a queue. `deliveries` counts those that ended without an acknowledgement."""

    wire: Wire
    number: int
    deliveries: int = 0
    expires_at: float | None = None

    def headers(self) -> dict[str, Any]:
        """What its consumer sees."""
        headers = dict(self.wire.headers)
        if self.deliveries:
            headers["x-delivery-count"] = self.deliveries
        return headers
