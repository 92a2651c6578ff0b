"""The sandbox's memory: plain JSON values, kept in one file when asked to."""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from itertools import count
from pathlib import Path
from threading import Lock

import structlog

from stripe_sandbox.errors import Json, no_such

log = structlog.get_logger("stripe_sandbox")


@dataclass(slots=True)
class State:
    """Stripe objects by id in order of creation, and the sandbox's own data."""

    payment_intents: dict[str, Json] = field(default_factory=dict)
    payment_methods: dict[str, Json] = field(default_factory=dict)
    charges: dict[str, Json] = field(default_factory=dict)
    refunds: dict[str, Json] = field(default_factory=dict)
    disputes: dict[str, Json] = field(default_factory=dict)
    events: dict[str, Json] = field(default_factory=dict)
    balance_transactions: dict[str, Json] = field(default_factory=dict)
    payouts: dict[str, Json] = field(default_factory=dict)
    payment_method_domains: dict[str, Json] = field(default_factory=dict)
    # Which payout contains a balance transaction.
    paid_out: dict[str, str] = field(default_factory=dict)
    # Which behaviour a payment method stands for; card numbers are never kept.
    behaviours: dict[str, str] = field(default_factory=dict)
    return_urls: dict[str, str] = field(default_factory=dict)
    idempotency: dict[str, Json] = field(default_factory=dict)
    timers: dict[str, Json] = field(default_factory=dict)
    # When each dispute went its latest step, in Unix seconds.
    dispute_steps: dict[str, int] = field(default_factory=dict)
    deliveries: dict[str, Json] = field(default_factory=dict)
    webhook_counts: dict[str, int] = field(default_factory=dict)
    webhook_endpoint: Json | None = None
    # Seconds by which the account's clock was set forward, all in all.
    clock_ahead_s: float = 0.0


KINDS = {
    "pi": ("payment_intents", "payment_intent"),
    "pm": ("payment_methods", "PaymentMethod"),
    "ch": ("charges", "charge"),
    "re": ("refunds", "refund"),
    "dp": ("disputes", "dispute"),
    "evt": ("events", "event"),
    "txn": ("balance_transactions", "balance transaction"),
    "po": ("payouts", "payout"),
    "pmd": ("payment_method_domains", "payment method domain"),
}


class Store:
    """Holds the state; `changed()` after every change makes the snapshot follow within moments."""

    def __init__(self, path: Path | None, *, save_every: float) -> None:
        self.path = path
        self.state = State()
        self._save_every = save_every
        self._dirty = asyncio.Event()
        self._writing = Lock()
        self._numbers = count(1)
        self._written = 0

    def get(self, object_id: str, prefix: str, *, param: str | None = None) -> Json:
        """The object of that id, or Stripe's *No such …* refusal."""
        bucket, name = KINDS[prefix]
        found: Json | None = getattr(self.state, bucket).get(object_id)
        if found is None:
            raise no_such(name, object_id, param=param)
        return found

    def find(self, object_id: str) -> Json | None:
        """Any object by its id, whose prefix names the kind."""
        kind = KINDS.get(object_id.partition("_")[0])
        return getattr(self.state, kind[0]).get(object_id) if kind else None

    def put(self, obj: Json) -> Json:
        bucket, _ = KINDS[obj["id"].partition("_")[0]]
        getattr(self.state, bucket)[obj["id"]] = obj
        return obj

    def newest(self, prefix: str) -> Iterator[Json]:
        bucket: dict[str, Json] = getattr(self.state, KINDS[prefix][0])
        return reversed(bucket.values())

    def set_livemode(self, livemode: bool) -> None:
        """On every object that states its mode, except events: they are history."""
        for bucket, _ in KINDS.values():
            for obj in getattr(self.state, bucket).values() if bucket != "events" else ():
                if "livemode" in obj:
                    obj["livemode"] = livemode
        self.changed()

    def count_webhook(self, what: str) -> None:
        self.state.webhook_counts[what] = self.state.webhook_counts.get(what, 0) + 1
        self.changed()

    def changed(self) -> None:
        self._dirty.set()

    def clear(self) -> None:
        """Forget everything except the webhook endpoint and the clock."""
        self.state = State(webhook_endpoint=self.state.webhook_endpoint, clock_ahead_s=self.state.clock_ahead_s)
        self.changed()

    def load(self) -> None:
        if self.path is None or not self.path.exists():
            return
        known = {item.name for item in fields(State)}
        try:
            snapshot = json.loads(self.path.read_text())
            self.state = State(**{name: value for name, value in snapshot.items() if name in known})
        except (ValueError, AttributeError) as error:
            raise RuntimeError(f"{self.path} is not a sandbox snapshot. Move it away to start empty.") from error
        log.info("sandbox.loaded", file=str(self.path), payment_intents=len(self.state.payment_intents))

    async def keep_saving(self) -> None:
        """Write the snapshot soon after each change, never more often than the disk can bear."""
        if self.path is None:
            return
        pause = self._save_every
        while True:
            await self._dirty.wait()
            await asyncio.sleep(pause)
            self._dirty.clear()
            begun = time.monotonic()
            # At shutdown the wait is cancelled, and the thread goes on beside the last save.
            await asyncio.to_thread(self._write, *self._snapshot())
            # The snapshot grows with its history: spend at most a twentieth of the time on it.
            pause = max(self._save_every, 20 * (time.monotonic() - begun))

    def save(self) -> None:
        if self.path is not None:
            self._write(*self._snapshot())

    def _snapshot(self) -> tuple[int, str]:
        """The state as it is, and a number that is higher than those of earlier states."""
        return next(self._numbers), json.dumps({item.name: getattr(self.state, item.name) for item in fields(State)})

    def _write(self, number: int, snapshot: str) -> None:
        """Replace the file, unless a newer snapshot has done so. Called in several threads."""
        assert self.path is not None
        with self._writing:
            if number < self._written:
                return
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self.path.with_name(f"{self.path.name}.new")
            try:
                with draft.open("w") as file:
                    file.write(snapshot)
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(self.path)
                self._written = number
            finally:
                with contextlib.suppress(FileNotFoundError):
                    draft.unlink()
