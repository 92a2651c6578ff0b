"""Other systems of the hotels that hear of orders: they take, refuse and lose webhooks, and go down.

They stand below `webhooks/http.py`, for httpcore and the network; how an answer is judged is the service's own code.
"""

import hashlib
import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any

import httpcore
from standardwebhooks import Webhook

import webhooks.http
from chassis.decision import Applied
from chassis.seal import Seal
from chassis.storage.stored_document import Stored, document_of
from contracts.ids import PropertyId, SubscriberId
from contracts.webhooks import OF_ORDERS
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Latency, Outside
from tests.simulation.staff import PROPERTY, SEASIDE
from webhooks.addresses import Place
from webhooks.http import Said
from webhooks.subscriber.decide import decide
from webhooks.subscriber.inputs import AddSubscriber
from webhooks.wiring import Terms

RECEIVERS: ContextVar["Receivers"] = ContextVar("the simulated receivers of webhooks")
"""What the webhook services of a simulation call."""

_SECRET = "whsec_c2ltdWxhdGVkLXNlY3JldC1vZi0zMi1ieXRlcyEh"
HOSTS: Mapping[str, PropertyId] = {"pms.alpenhof.example": PROPERTY, "pms.seaside.example": SEASIDE}
_ANSWERS: tuple[tuple[int, Mapping[str, str]], ...] = ((500, {}), (404, {}), (429, {"retry-after": "20"}), (503, {}))
"""What is said instead of taking a webhook: status and headers."""
_TOO_OLD = 300.0
"""Seconds: as the library of Standard Webhooks has it."""

Subject = tuple[str, str, int | None]
"""What a webhook is about: its order, its type, and the place of its receipt."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A request as it arrived, whether or not its sender has learned of it."""

    webhook_id: str
    property_id: PropertyId
    """Whose receiver it came to."""
    digest: str
    """Of its body."""
    body: Mapping[str, Any]
    is_genuine: bool

    @property
    def order_id(self) -> str:
        return str(self.body["data"]["order_id"])

    @property
    def version(self) -> int:
        return int(self.body["data"]["order_version"])

    @property
    def receipt(self) -> int | None:
        """The place among the order's receipts of the one that it is about."""
        receipt = self.body["data"]["receipt"]
        return int(receipt["sequence"]) if receipt else None

    @property
    def subject(self) -> Subject:
        return self.order_id, str(self.body["type"]), self.receipt


class Receivers(Outside):
    """One at each hotel."""

    def __init__(self, loop: SimulatedLoop, random: Random) -> None:
        super().__init__(loop, random, Latency(usual=0.05, worst=15.0))
        self.refused = 0.0
        """How often a webhook is answered without being taken."""
        self.unanswered = 0.0
        """How often a connection ends without an answer: half of these webhooks were taken."""
        self.heard: list[Heard] = []
        """What was taken, in the order in which it came."""

    async def answer(self, place: Place, headers: Mapping[str, str], body: bytes) -> Said:
        """Raises what httpcore raises where no answer comes."""
        if not self.is_up:
            await self.wire.fail(2.0, httpcore.ConnectError("the receiver is down"))
        take, fate = partial(self._take, place.host, headers, body), self.random.random() * 2
        if fate < self.unanswered:
            await self.wire.fail(1.0, httpcore.ReadError("before it was taken"))
        if fate < self.unanswered * 2:
            await self.wire.ask(take)
            await self.wire.fail(1.0, httpcore.ReadError("the answer is lost"))
        is_refused = self.random.random() < self.refused
        status, said = await self.wire.ask(partial(self.random.choice, _ANSWERS) if is_refused else take)
        return webhooks.http._said(status, [(name.encode(), value.encode()) for name, value in said.items()])

    def _take(self, host: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str]]:
        digest = hashlib.sha256(body).hexdigest()
        genuine = self._is_genuine(headers, body)
        self.heard.append(Heard(headers["webhook-id"], HOSTS[host], digest, json.loads(body), genuine))
        return 204, {}

    def _is_genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        signed_at = int(headers["webhook-timestamp"])
        right = Webhook(_SECRET).sign(headers["webhook-id"], datetime.fromtimestamp(signed_at, UTC), body.decode())
        is_new = abs(self._loop.unix_time() - signed_at) < _TOO_OLD
        return is_new and right in headers["webhook-signature"].split()


def subscribers(seal: Seal, at: float) -> list[dict[str, Any]]:
    """The stored documents of both subscribers, as an operator has added them. `at`: a Unix time."""
    created_at = datetime.fromtimestamp(at, UTC)
    return [_document(host, property_id, seal, created_at) for host, property_id in HOSTS.items()]


def _document(host: str, property_id: PropertyId, seal: Seal, at: datetime) -> dict[str, Any]:
    subscriber_id = SubscriberId(f"whs_{property_id}")
    message = AddSubscriber(subscriber_id, property_id, f"https://{host}/hooks", OF_ORDERS, seal.close(_SECRET))
    added = decide(None, message, at, Terms().give_up_after)
    assert isinstance(added, Applied)
    return document_of(Stored(subscriber_id, 1, added.state), at, None)


async def posted(_caller: Any, place: Place, headers: Mapping[str, str], body: bytes, _span: Any) -> Said:
    """Stands for one attempt over the network."""
    return await RECEIVERS.get().answer(place, headers, body)


def trusted(_caller: Any) -> None:
    """Stands for the reading of the machine's certificates, which takes 60 ms at each start."""
