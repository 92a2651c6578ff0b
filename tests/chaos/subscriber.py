"""Another system of the hotel that hears of its orders, in a process of its own that is killed like every other."""

import asyncio
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from deploy.local.ports import HOST, free_port
from deploy.local.process import Process
from deploy.local.processes import ROOT, unreadiness
from tests.chaos.pms import Fate, read
from tests.support.guest import Json
from tests.support.operator import Operator
from tests.support.system import System
from webhooks.signing import new_secret, signed

PROPERTY = "alpenhof"
_WHY = ("--why", "chaos")

Subject = tuple[str, str, int | None]
"""What a webhook is about: its order, its type, and the sequence of its receipt."""


@dataclass(frozen=True)
class Heard:
    """One request that was verified, as the other system wrote it down."""

    webhook_id: str
    fate: Fate
    body: Json

    @property
    def order_id(self) -> str:
        return str(self.body["data"].get("order_id", ""))

    @property
    def version(self) -> int:
        return int(self.body["data"]["order_version"])

    @property
    def subject(self) -> Subject:
        receipt = self.body["data"]["receipt"]
        return self.order_id, str(self.body["type"]), receipt["sequence"] if receipt else None


class Subscriber:
    """The other system, from the outside."""

    def __init__(self, folder: Path) -> None:
        self._secret, self._taken = folder / "secret", folder / "taken.jsonl"
        self.subscriber_id = ""
        port = free_port()
        self.url = f"http://{HOST}:{port}"
        command = ["-m", "tests.chaos.pms", "--port", str(port), "--secret", str(self._secret)]
        self.process = Process(
            "pms",
            [sys.executable, *command, "--taken", str(self._taken)],
            log=folder / "pms.log",
            missing=lambda: unreadiness(f"{self.url}/"),
            env={"NO_PROXY": HOST, "no_proxy": HOST},
            cwd=ROOT,
        )

    async def subscribe(self, system: System) -> None:
        """Start it, and have an operator add it; returns when the service knows it."""
        await self.start()
        operator = Operator(system)
        added = await operator.json("webhooks", "add", f"{self.url}/hooks", "--property", PROPERTY, *_WHY)
        self._secret.write_text(added["secret"])
        self.subscriber_id = added["subscriber_id"]
        tested = await operator.json("webhooks", "test", self.subscriber_id)
        assert tested["attempts"] > 0, "the service has sent a test"

    async def start(self) -> None:
        await asyncio.to_thread(self.process.start)

    async def kill(self) -> None:
        """SIGKILL."""
        await asyncio.to_thread(self.process.kill)

    async def stop(self) -> None:
        await asyncio.to_thread(self.process.stop)

    async def forge(self, body: Json) -> int:
        """Send it a webhook now, signed with another secret than its own; its answer."""
        said = json.dumps(body)
        headers = signed("msg_forged", datetime.now(UTC), said, new_secret())
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.post(f"{self.url}/hooks", content=said, headers=headers)).status_code

    def forged(self) -> list[str]:
        """Ids of the requests whose signature was wrong."""
        return [str(entry["id"]) for entry in read(self._taken) if entry["fate"] == Fate.FORGED]

    def heard(self) -> list[Heard]:
        """What was verified about orders, in the order in which it came."""
        entries = [entry for entry in read(self._taken) if entry["fate"] != Fate.FORGED]
        made = [Heard(str(each["id"]), Fate(str(each["fate"])), dict(each["body"])) for each in entries]  # type: ignore[call-overload]
        return [each for each in made if each.order_id]

    def kept(self) -> list[Heard]:
        """What it has stored, each webhook once: when it first had it."""
        first: dict[str, Heard] = {}
        for each in self.heard():
            if each.fate is not Fate.REFUSED:
                first.setdefault(each.webhook_id, each)
        return list(first.values())


async def undelivered(system: System) -> dict[str, str]:
    """Webhooks that are not delivered, by feed."""
    feeds = system.documents["webhook_feeds"].find({"state.next_at": {"$ne": None}})
    return {
        feed["_id"]: ", ".join(
            f"{each['type']} {each['status']} after {each['attempts']} attempts {each['said']}"
            for each in feed["state"]["entries"]
            if each["status"] != "delivered"
        )
        async for feed in feeds
    }


async def expected(system: System) -> set[Subject]:
    """What a subscriber must have heard, by the orders and receipts in the store: not by any event or webhook."""
    subjects: set[Subject] = set()
    async for filed in system.documents["receipts"].find({}):
        for receipt in filed["state"]["receipts"]:
            kind = "order.confirmed" if receipt["receipt_kind"] == "payment" else "order.refunded"
            subjects.add((filed["state"]["order_id"], kind, receipt["sequence"]))
    async for order in system.documents["orders"].find({"state.status": "cancelled"}):
        subjects.add((order["_id"], "order.cancelled", None))
    return subjects
