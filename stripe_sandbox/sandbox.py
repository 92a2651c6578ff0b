"""The core of the sandbox: memory, time, ids and events."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from stripe_sandbox.errors import Json
from stripe_sandbox.settings import API_VERSION, Settings
from stripe_sandbox.store import State, Store

log = structlog.get_logger("stripe_sandbox")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, decoded. `public` means it came with the publishable key, as a browser's does.

    A call without a `request_id` is internal: a timer, or the control API acting as the dashboard.
    """

    params: Json = field(default_factory=dict)
    path: dict[str, str] = field(default_factory=dict)
    public: bool = False
    request_id: str | None = None
    idempotency_key: str | None = None
    address: str = ""


INTERNAL_CALL = Call()


def copied(obj: Json) -> Json:
    """A deep copy through JSON, which is several times faster than deepcopy."""
    copy: Json = json.loads(json.dumps(obj))
    return copy


class Sandbox:
    """The account: its store, its clock, and the one place where events are made."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.data, save_every=settings.save_every)
        self.settle_after = settings.settle_after
        self.livemode = settings.livemode
        self.new_id = settings.new_id
        self._wall = settings.now
        self._set_forward = asyncio.Event()
        # Set by the composition root.
        self.deliver: Callable[[Json, str], None] = lambda event, lane: None
        self.wake_timers: Callable[[], None] = lambda: None
        self.followers: list[Sandbox] = []
        """The accounts that go by this one's clock."""

    @property
    def state(self) -> State:
        return self.store.state

    def now(self) -> float:
        """The account's time in Unix seconds: the wall clock's, set forward by `advance`."""
        return self._wall() + self.state.clock_ahead_s

    def advance(self, seconds: float) -> None:
        """Set the clock forward. It never goes back, as the events and answers of before are known to others."""
        self.state.clock_ahead_s += seconds
        self.store.changed()
        for each in (self, *self.followers):
            each._look_at_the_clock()

    def _look_at_the_clock(self) -> None:
        self._set_forward.set()
        self._set_forward = asyncio.Event()
        self.wake_timers()

    def go_past(self, second: int) -> None:
        """Set the clock forward to the end of a second, in Unix time, so that no object is dated in the future."""
        if self.seconds() <= second:
            self.advance(second + 1.001 - self.now())

    async def sleep(self, seconds: float) -> None:
        """Wait until the account's clock is this much later."""
        due_at = self.now() + seconds
        while (left := due_at - self.now()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._set_forward.wait(), left)

    def seconds(self) -> int:
        return int(self.now())

    def today(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)

    def switch_mode(self, livemode: bool) -> None:
        """Answer as an account of this mode: every object says so. Events stay as they were."""
        self.livemode = livemode
        self.store.set_livemode(livemode)

    def emit(self, call: Call, kind: str, obj: Json, *, before: Json | None = None) -> Json:
        """Record the event with a snapshot of the object as it is now, and hand it to the webhooks.

        Events of one payment share a lane, so that they arrive in order unless a fault reorders them.
        """
        data: Json = {"object": copied(obj)}
        if before is not None:
            data["previous_attributes"] = before
        event: Json = {
            "id": self.new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.seconds(),
            "data": data,
            "livemode": self.livemode,
            "pending_webhooks": 0,
            "request": {"id": call.request_id, "idempotency_key": call.idempotency_key},
            "type": kind,
        }
        self.store.put(event)
        about = obj.get("id", event["id"])
        log.info("sandbox.event", event_id=event["id"], type=kind, object_id=about)
        lane = about if obj.get("object") == "payment_intent" else obj.get("payment_intent") or about
        self.deliver(event, str(lane))
        self.store.changed()
        return event

    def later(self, kind: str, object_id: str) -> None:
        """Remember to settle the object after `settle_after`; without one, only a switch settles it."""
        if self.settle_after is not None:
            self.at(self.now() + self.settle_after, kind, object_id)

    def at(self, due_at: float, kind: str, object_id: str) -> None:
        """Remember what happens to the object at a time, by the account's clock; one thing for each object."""
        self.state.timers[object_id] = {"kind": kind, "due_at": due_at}
        self.wake_timers()
