"""An operator's session: the connections to broker and store, and the actions over them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chassis.runtime.metrics import Metrics
from chassis.storage.store import Store
from ops.core.dead_letters.letters import DeadLetters
from ops.core.message_log.stream import LogStream
from ops.core.replay.plans import Plans
from ops.core.replay.run import Runner
from ops.core.target import Target
from psp_adapter.accounts import Accounts


class OperatorSession:
    """The operator's actions over one pair of connections."""

    def __init__(self, target: Target, store: Store, connection: Any, psp: Accounts | None = None) -> None:
        """`psp` is for forecasts, if there is a key for it."""
        self.target = target
        self.store = store
        self.connection = connection
        self.psp = psp
        self.letters = DeadLetters(store, connection)
        self.plans = Plans(store, psp)
        self.runner = Runner(store, connection, psp)
        self.log = LogStream(connection)


@asynccontextmanager
async def session_with(data_dir: Path) -> AsyncIterator[OperatorSession]:
    """A session with the system that the environment names, else with the local stack; closed at the end.

    Raises what `Target.from_environment` raises, and connection errors of broker and store.
    """
    target = Target.from_environment(data_dir)
    store, psp = target.store(Metrics("bellhop")), target.psp()
    try:
        async with target.connection() as connection:
            yield OperatorSession(target, store, connection, psp)
    finally:
        store.close()
        await psp.close()
