"""Dead-letters events of the PSP that cannot be translated, so that the others are not held up."""

import structlog

from chassis.messaging.bus import Bus
from chassis.messaging.dead_letter import failure_headers, origin_headers
from chassis.messaging.headers import ATTEMPT, known_headers
from chassis.messaging.message_log import Copy
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import VERSION
from contracts.ids import bounded_id
from contracts.psp import TranslatePspEvent
from contracts.psp_accounts import DEFAULT_ACCOUNT
from contracts.topology import COMMANDS, DEAD, FAILURES, PSP_COMMANDS
from psp_adapter.events import SnapshotEvent, ThinEvent

log = structlog.get_logger()

_REMEMBERED = 10_000


class EventParking:
    """Dead-letters an event as the command that fetches and translates it, so that a later replay can succeed.

    Only the event's id and type are kept: it may hold a client secret, and Stripe keeps it for 30 days.
    """

    def __init__(self, bus: Bus, metrics: Metrics) -> None:
        self._bus = bus
        self._metrics = metrics
        self._parked: dict[str, None] = {}

    async def park(self, event: SnapshotEvent | ThinEvent, error: Exception, account: str = DEFAULT_ACCOUNT) -> None:
        """Dead-letter an event once. Raises PublishFailedError if the broker does not confirm it."""
        if event.id in self._parked:
            return
        command = TranslatePspEvent(
            psp_account=account, event_id=event.id, event_type=event.type, is_thin=isinstance(event, ThinEvent)
        )
        message_id = bounded_id(f"translate.{event.id}")
        # All values derive from the event: after a restart, or from another instance, it is the same dead letter and is
        # stored once.
        happened_at = event.happened_at
        failure = failure_headers(
            error,
            first_failed_at=happened_at.isoformat(),
            failed_at=happened_at,
            version=VERSION,
            redact=self._bus.redact,
        )
        origin = origin_headers(PSP_COMMANDS.name, COMMANDS.name, command.kind)
        headers = {**known_headers({**failure, **origin}, self._bus.redact), ATTEMPT: 1}
        await self._bus.publish_raw(
            command.to_wire(),
            exchange=DEAD.name,
            routing_key=PSP_COMMANDS.dead_queue or "",
            kind=command.kind,
            must_arrive=True,
            must_be_routed=True,
            message_id=message_id,
            correlation_id=message_id,
            timestamp=happened_at,
            headers=headers,
        )
        self._remember(event.id)
        self._metrics.handled.labels(self._metrics.service, command.kind, "parked").inc()
        log.error("psp.event_parked", event_id=event.id, type=event.type, error=str(error), exc_info=error)
        copy = Copy(
            FAILURES,
            command.kind,
            command.to_wire(),
            message_id,
            message_id,
            {**headers, "ended": "parked"},
            self._bus.clock(),
        )
        self._bus.message_log.copy(copy)

    def _remember(self, event_id: str) -> None:
        self._parked[event_id] = None
        if len(self._parked) > _REMEMBERED:
            del self._parked[next(iter(self._parked))]
