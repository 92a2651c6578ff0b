"""The previous version's services beside today's: on one broker and one store, while guests come and pay."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.broker import Broker
from deploy.local.ports import free_port
from deploy.local.process import Process
from deploy.local.processes import ROOT
from deploy.local.store import Store
from tests.chaos.guests import Crowd
from tests.chaos.processes import ProcessSystem
from tests.support.system import ADAPTER, EXTRAS, GATEWAY, PAYMENTS, SERVICES, Setup

PREVIOUS = Path(__file__).with_name("previous_version.txt")
"""The commit that today's version can follow and give way to; each release moves it (docs/updating.md)."""

RECEIVERS = (EXTRAS, PAYMENTS, ADAPTER)

_TRIES, _TIMED_OUT = 3, 124
_DECLARE = (
    "import asyncio, sys; from deploy.accounts import declare_topology; asyncio.run(declare_topology(sys.argv[1]))"
)


def unpack_previous(folder: Path) -> Path:
    """The previous version's source. Fails where the history lacks it, and skips where there is no history at all."""
    commit = PREVIOUS.read_text(encoding="utf-8").split()[0]
    if not (ROOT / ".git").exists():
        pytest.skip(f"no history here, so the previous version ({commit}) cannot run beside today's")
    archived = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if archived.returncode:
        pytest.fail(
            f"the previous version ({commit}, named in {PREVIOUS.name}) is not in this clone: fetch the whole history "
            f"(`git fetch --unshallow`). git says: {archived.stderr.decode(errors='replace').strip()}"
        )
    folder.mkdir()
    subprocess.run(["tar", "--extract", "--directory", folder], input=archived.stdout, check=True)
    return folder


class TwoVersions(ProcessSystem):
    """A system that runs from one source tree and is moved to another, part by part, without a pause."""

    def __init__(self, setup: Setup, folder: Path, broker: Broker, store: Store, *, old: Path, new: Path) -> None:
        self._trees = {"old": old, "new": new}
        super().__init__(setup, folder, broker, store)

    def _service_process(self, part: str) -> Process:
        return self._process_of("old", part, self.parts[part].port)

    def _process_of(self, age: str, part: str, port: int) -> Process:
        tree = self._trees[age]
        if not (tree / part).is_dir():  # a service that only the other version has
            age, tree = next((name, other) for name, other in self._trees.items() if (other / part).is_dir())
        env = self.environment(part) | {"BELLHOP_HTTP_PORT": str(port), "BELLHOP_SWEEP_EVERY": "0.5"}
        env["BELLHOP_CATALOGUE_FILE"] = str(tree / "deploy" / "local" / "catalogue.yaml")
        return self._process(f"{part}-{age}", [part], port, "/health/ready", env, cwd=tree)

    async def declare_both(self) -> None:
        """As an update begins: what each version's topology needs is there before the services are."""
        for tree in self._trees.values():
            command = [sys.executable, "-c", _DECLARE, self.setup.amqp_url]
            # The previous version may hang at its end, with everything declared: `asyncio.wait_for` of Python 3.11 had
            # its message log forget that it was cancelled. Declaring again is harmless.
            command = ["timeout", "60", *command]
            for _ in range(_TRIES):
                declared = await asyncio.to_thread(subprocess.run, command, cwd=tree, capture_output=True, check=False)
                if declared.returncode != _TIMED_OUT:
                    break
            assert declared.returncode == 0, declared.stderr.decode(errors="replace")

    async def move(self, crowd: Crowd, guests: int) -> None:
        """From the old tree to the new one, receivers first, with guests at every stage."""
        beside = [self._process_of("new", part, free_port()) for part in RECEIVERS]
        try:
            await asyncio.gather(*(asyncio.to_thread(process.start) for process in beside))
            crowd.let_in(guests)
            await crowd.gets_on(guests)  # by both versions
            for part in (*RECEIVERS, GATEWAY):
                crowd.let_in(2)
                await asyncio.to_thread(self.processes[part].stop)
                self.processes[part] = self._process_of("new", part, self.parts[part].port)
                await self.start_part(part)
            crowd.let_in(guests)
            await crowd.gets_on(guests)
        finally:
            for process in beside:
                await asyncio.to_thread(process.stop)

    def handled_by(self, age: str) -> int:
        """How many messages a version has handled."""
        logs = [log for part in SERVICES for log in (self.folder / "logs").glob(f"{part}-{age}.log*")]
        return sum(log.read_text(errors="replace").count('"message.handled"') for log in logs)
