"""The whole of Bellhop as processes of their own, which may be killed, and the PSP's sandbox beside them."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from deploy.local.broker import Broker
from deploy.local.ports import HOST
from deploy.local.process import Process
from deploy.local.processes import ROOT, unreadiness
from deploy.local.store import Store
from tests.chaos.faulty import FUSES, Fuses
from tests.support.system import (
    API_KEY,
    PUBLISHABLE_KEY,
    SERVICES,
    WEBHOOK_SECRET,
    Setup,
    System,
    setup_on,
)

SANDBOX = "sandbox"


class ProcessSystem(System):
    """A system whose parts are operating-system processes; each service can be armed to die at a point."""

    def __init__(self, setup: Setup, folder: Path, broker: Broker, store: Store) -> None:
        super().__init__(setup)
        self.folder = folder
        self.broker = broker
        self.store = store
        self._read: Counter[int] = Counter()
        self._said: Counter[str] = Counter()
        fuses = folder / "fuses"
        fuses.mkdir(parents=True)
        self.fuses = {part: Fuses(fuses, part) for part in SERVICES}
        self.processes = {SANDBOX: self._sandbox_process(), **{part: self._service_process(part) for part in SERVICES}}

    async def start(self) -> None:
        await self.start_part(SANDBOX)
        await asyncio.gather(*(self.start_part(part) for part in SERVICES))

    async def stop(self) -> None:
        for part in (*SERVICES, SANDBOX):
            await asyncio.to_thread(self.processes[part].stop)
        await super().stop()

    async def start_part(self, part: str) -> None:
        """Start a part, for the first time or again; returns once it is ready."""
        await asyncio.to_thread(self.processes[part].start)

    async def kill_part(self, part: str) -> None:
        """SIGKILL."""
        await asyncio.to_thread(self.processes[part].kill)

    async def stop_part(self, part: str) -> None:
        await asyncio.to_thread(self.processes[part].stop)

    def _service_process(self, part: str) -> Process:
        env = self.environment(part) | {FUSES: str(self.folder / "fuses"), "BELLHOP_SWEEP_EVERY": "0.5"}
        env["BELLHOP_WEBHOOK_TIMEOUT"] = "3"
        return self._process(part, ["tests.chaos.faulty", part], self.parts[part].port, "/health/ready", env)

    def _sandbox_process(self) -> Process:
        module = ["stripe_sandbox", "--port", str(self.sandbox.port), "--settle-after", "1"]
        keys = ["--api-key", API_KEY, "--publishable-key", PUBLISHABLE_KEY]
        hooks = ["--webhook-url", self.webhook_url, "--webhook-secret", WEBHOOK_SECRET]
        data = ["--data", str(self.folder / "sandbox.json")]
        env = {"NO_PROXY": HOST, "no_proxy": HOST}
        return self._process(SANDBOX, [*module, *keys, *hooks, *data], self.sandbox.port, "/", env)

    def _process(
        self, name: str, module: list[str], port: int, ready: str, env: dict[str, str], *, cwd: Path = ROOT
    ) -> Process:
        return Process(
            name,
            [sys.executable, "-m", *module],
            log=self.folder / "logs" / f"{name}.log",
            missing=lambda: unreadiness(f"http://{HOST}:{port}{ready}"),
            env=env,
            cwd=cwd,
        )

    def said(self) -> Counter[str]:
        """How often each event stands in the services' logs, over all their lives. Reads what is new in them."""
        for log in self.logs():
            with log.open("rb") as file:
                file_id = os.fstat(file.fileno()).st_ino  # a log that has grown too long gets another name
                file.seek(self._read[file_id])
                lines, newline, _ = file.read().rpartition(b"\n")
            self._read[file_id] += len(lines + newline)
            for line in lines.splitlines():
                self._said.update(_events_of(line))
        return self._said

    def logs(self) -> list[Path]:
        """The services' logs."""
        return [log for part in SERVICES for log in (self.folder / "logs").glob(f"{part}.log*")]


def _events_of(line: bytes) -> list[str]:
    """`message.handled` counts once more under its outcome. A line cut off by a kill counts as nothing."""
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return []
    if not isinstance(entry, dict) or "event" not in entry:
        return []
    event = str(entry["event"])
    return [event, f"{event} {entry['outcome']}"] if event == "message.handled" else [event]


@asynccontextmanager
async def processes_on(broker: Broker, store: Store, folder: Path, **changes: Any) -> AsyncIterator[ProcessSystem]:
    """A running system of processes with a virtual host and a database of its own."""
    async with setup_on(broker, store, "chaos", **changes) as setup:
        system = ProcessSystem(setup, folder, broker, store)
        try:
            await system.start()
            yield system
        finally:
            await system.stop()
