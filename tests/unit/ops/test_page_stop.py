"""The operator's page stops while the last run it began ends at that very moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from deploy.local.patience import patient
from ops.core.replay.plans import PlanStage
from ops.core.replay.run import RunOptions
from ops.web.runs import Runs


class EndsTheRunWhenAsked:
    """A store whose answer to the page's pause arrives after the run has ended."""

    def __init__(self) -> None:
        self.broken = asyncio.Event()

    def records(self, *_: object, **__: object) -> "EndsTheRunWhenAsked":
        return self

    async def change(self, *_: object, **__: object) -> bool:
        self.broken.set()
        for _turn_of_the_loop in range(100):
            await asyncio.sleep(0)
        return True


async def test_stopping_waits_for_no_run_when_the_last_one_ends_meanwhile() -> None:
    store = EndsTheRunWhenAsked()

    @asynccontextmanager
    async def connection() -> AsyncIterator[None]:
        await store.broken.wait()
        raise OSError("the broker closed the connection")
        yield

    async def header(_plan_id: str) -> SimpleNamespace:
        return SimpleNamespace(stage=PlanStage.PLANNED)

    desk: Any = SimpleNamespace(store=store, places=SimpleNamespace(connection=connection))
    session: Any = SimpleNamespace(plans=SimpleNamespace(header=header))
    runs = Runs(desk)
    await runs.begin(session, "rp_1", RunOptions("opal", "a test"))

    await asyncio.wait_for(runs.stop(), patient(30))

    assert not runs.is_running("rp_1")
