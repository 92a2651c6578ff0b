"""Webhooks: each event is posted to the endpoint, signed, until it is answered with 2xx or given up on."""

import asyncio
import hashlib
import hmac
import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import structlog

from stripe_sandbox import background, events
from stripe_sandbox.errors import Json
from stripe_sandbox.faults import Faults
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.settings import NOTICE

log = structlog.get_logger("stripe_sandbox")
AT_ONCE = 32


def sign(body: bytes, secret: str, at: int) -> str:
    """The `Stripe-Signature` header. See https://docs.stripe.com/webhooks#verify-manually."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def is_one_of(kind: str, endpoint: Json) -> bool:
    """Whether an endpoint gets events of this type."""
    enabled = endpoint.get("enabled_events", ["*"])
    return "*" in enabled or kind in enabled


@dataclass(slots=True)
class Lane:
    """The deliveries of one payment, in order; the first one blocks the others until it is through."""

    waiting: deque[str] = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Webhooks:
    """Delivers webhooks in the background. Pending deliveries are part of the store's state."""

    def __init__(self, sandbox: Sandbox, faults: Faults, platform: Sandbox | None = None) -> None:
        """`platform`: the account whose endpoint receives these events, if this one is connected to it."""
        self._sandbox = sandbox
        self._endpoint_of = platform or sandbox
        self._faults = faults
        self._lanes: dict[str, Lane] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._client: httpx.AsyncClient | None = None

    @property
    def endpoint(self) -> Json | None:
        return self._endpoint_of.state.webhook_endpoint

    def listen_at(self, url: str | None, secret: str | None, **how: Any) -> Json | None:
        """Send events to this address from now on; None stops sending. Without a secret, one is generated.

        `how`: `enabled_events`, `status`, `api_version` and `payload`, as they are set in the dashboard.
        """
        before = self.endpoint or {}
        secret = secret or before.get("secret") or self._sandbox.new_id("whsec")
        self._sandbox.state.webhook_endpoint = {"url": url, "secret": secret, **how} if url else None
        self._sandbox.store.changed()
        return self.endpoint

    def start(self) -> None:
        # A proxy from the environment must not stand between two processes of one machine.
        self._client = httpx.AsyncClient(timeout=self._sandbox.settings.webhook_timeout, trust_env=False)
        for delivery_id, delivery in self._sandbox.state.deliveries.items():
            self._append(delivery_id, delivery["lane"])

    async def stop(self) -> None:
        await self.forget()
        if self._client is not None:
            await self._client.aclose()

    async def forget(self) -> None:
        """Stop delivering what is pending now."""
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        self._lanes.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def enqueue(self, event: Json, lane: str) -> None:
        """Deliver this event after those already waiting in its lane. Without an endpoint nothing is sent."""
        endpoint = self.endpoint
        if endpoint is None or endpoint.get("status") == "disabled" or not is_one_of(event["type"], endpoint):
            return
        faults = self._faults.webhooks
        if self._faults.strikes(faults.drop, event["type"]):
            log.warning("sandbox.webhook_dropped", event_id=event["id"], type=event["type"])
            self._sandbox.store.count_webhook("dropped")
            return
        event["pending_webhooks"] = 1
        copies = 1
        if self._faults.strikes(faults.duplicate, event["type"]):
            self._sandbox.store.count_webhook("duplicated")
            copies = 2
        for _ in range(copies):
            self._send(event["id"], lane)

    def resend(self, event: Json) -> None:
        """Send an event once more, as Stripe's dashboard can."""
        self._send(event["id"], event["id"])

    def _send(self, event_id: str, lane: str) -> None:
        delivery_id = self._sandbox.new_id("whd")
        self._sandbox.state.deliveries[delivery_id] = {"event": event_id, "lane": lane, "attempts": 0}
        self._append(delivery_id, lane)
        self._sandbox.store.changed()

    def _append(self, delivery_id: str, name: str) -> None:
        lane = self._lanes.setdefault(name, Lane())
        lane.waiting.append(delivery_id)
        lane.arrived.set()
        if lane.task is None:
            lane.task = background.start(partial(self._drain, name, lane), f"webhooks of {name}")

    async def _drain(self, name: str, lane: Lane) -> None:
        while lane.waiting:
            await self._perhaps_reorder(lane)
            delivery_id = lane.waiting[0]
            await self._deliver(delivery_id)
            lane.waiting.popleft()
            self._sandbox.state.deliveries.pop(delivery_id, None)
            self._sandbox.store.changed()
        del self._lanes[name]

    async def _perhaps_reorder(self, lane: Lane) -> None:
        reorder = self._faults.webhooks.reorder
        if not self._faults.strikes(reorder, self._event(lane.waiting[0])["type"]):
            return
        if len(lane.waiting) == 1:
            lane.arrived.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(lane.arrived.wait(), reorder.seconds)
        if len(lane.waiting) > 1:
            first = lane.waiting.popleft()
            lane.waiting.insert(1, first)
            self._sandbox.store.count_webhook("reordered")

    async def _deliver(self, delivery_id: str) -> None:
        delivery, event = self._sandbox.state.deliveries[delivery_id], self._event(delivery_id)
        delay = self._faults.webhooks.delay
        if self._faults.strikes(delay, event["type"]):
            self._sandbox.store.count_webhook("delayed")
            await asyncio.sleep(delay.seconds)
        settings = self._sandbox.settings
        while delivery["attempts"] < settings.retry_attempts:
            delivery["attempts"] += 1
            if await self._post(event, delivery["attempts"]):
                event["pending_webhooks"] = 0
                self._sandbox.store.count_webhook("sent")
                return
            self._sandbox.store.count_webhook("retried" if delivery["attempts"] < settings.retry_attempts else "failed")
            if delivery["attempts"] < settings.retry_attempts:
                await self._sandbox.sleep(
                    min(settings.retry_longest, settings.retry_first * 2 ** (delivery["attempts"] - 1))
                )
        log.error("sandbox.webhook_given_up", event_id=event["id"], type=event["type"], attempts=delivery["attempts"])

    async def _post(self, event: Json, attempt: int) -> bool:
        """One attempt, newly timestamped and signed; True when it was answered with 2xx."""
        endpoint, settings = self.endpoint, self._sandbox.settings
        if endpoint is None or self._client is None:
            return False
        # The body is the same at every attempt, whatever has become of the event meanwhile.
        sent = events.thin(event) if endpoint.get("payload") == "thin" else event | {"pending_webhooks": 1}
        if settings.connected:
            sent = sent | {"context" if endpoint.get("payload") == "thin" else "account": settings.account}
        body = json.dumps(sent).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": sign(body, endpoint["secret"], self._sandbox.seconds()),
            "User-Agent": "Bellhop-Stripe-Sandbox/1.0",
            "X-Stripe-Sandbox": NOTICE,
        }
        try:
            async with self._slots:
                answer = await self._client.post(endpoint["url"], content=body, headers=headers)
        except Exception as error:
            # Any error that a receiver dying in the middle of a request causes in the client: the delivery has failed
            # and is retried. httpx lets errors of the layers below it through (anyio, ssl).
            outcome = type(error).__name__
        else:
            if answer.is_success:
                log.info("sandbox.webhook_sent", event_id=event["id"], type=event["type"], attempt=attempt)
                return True
            outcome = str(answer.status_code)
        log.warning("sandbox.webhook_refused", event_id=event["id"], type=event["type"], attempt=attempt, got=outcome)
        return False

    def _event(self, delivery_id: str) -> Json:
        return self._sandbox.store.get(self._sandbox.state.deliveries[delivery_id]["event"], "evt")
