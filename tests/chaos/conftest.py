"""One run of chaos, judged by several tests, and its figures at the end of the session."""

import os
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.broker import Broker
from tests.chaos.aftermath import Aftermath, come_to_rest
from tests.chaos.damage import Saboteur
from tests.chaos.duty import operator_on_duty
from tests.chaos.figures import Figures
from tests.chaos.guests import Crowd
from tests.chaos.processes import ProcessSystem, processes_on
from tests.support.fixtures import _no_proxy_between_the_parts
from tests.support.outages import broker_to_kill, store_to_kill, until_streams_survive_a_kill

__all__ = ["_no_proxy_between_the_parts"]

IS_LONG = os.environ.get("BELLHOP_CHAOS") == "long"
ROUNDS, GUESTS = (10, 20) if IS_LONG else (1, 6)
SEED = int(os.environ.get("BELLHOP_CHAOS_SEED", random.randrange(10**6) if IS_LONG else 20270203))  # noqa: S311

FIGURES = pytest.StashKey[list[Figures]]()


@dataclass(frozen=True)
class Chaos:
    """A run that is over, and its system, which still runs."""

    system: ProcessSystem
    broker: Broker
    saboteur: Saboteur
    aftermath: Aftermath
    figures: Figures


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Callable[[Figures], None]:
    """Have figures printed at the end of the session."""
    return request.config.stash.setdefault(FIGURES, []).append


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for figures in config.stash.get(FIGURES, []):
        terminalreporter.section("chaos")
        for line in figures.lines():
            terminalreporter.write_line(line)


IMPATIENT: Mapping[str, Any] = {
    "poll_interval_factor": 0.005,
    "psp_sweep_every": timedelta(seconds=15),
    "reply_timeout": 2.0,
    "publish_timeout": 3.0,
    "store_timeout": 1.0,
    "stripe_retries": 0,
}
"""Settings with which a system notices within seconds that a part is gone."""


@pytest.fixture(scope="module")
async def chaos(
    tmp_path_factory: pytest.TempPathFactory, in_containers: bool, report: Callable[[Figures], None]
) -> AsyncIterator[Chaos]:
    """Guests come and go while everything is broken once; then all comes to rest."""
    folder = tmp_path_factory.mktemp("chaos")
    print(f"chaos: BELLHOP_CHAOS_SEED={SEED}, logs in {folder}")  # noqa: T201 - to try a red run again
    with (
        broker_to_kill(folder, in_containers=in_containers) as broker,
        store_to_kill(folder, in_containers=in_containers) as store,
    ):
        settings = {**IMPATIENT, "pay_within": timedelta(seconds=12)}
        async with processes_on(broker, store, folder / "services", **settings) as system:
            await until_streams_survive_a_kill(broker, folder)
            chance = random.Random(SEED)  # noqa: S311 - chance for a test, not for a secret
            crowd = Crowd(system, chance)
            saboteur = Saboteur(system, crowd, chance)
            try:
                async with operator_on_duty(system, saboteur.done):
                    await saboteur.rampage(ROUNDS, GUESTS)
                    aftermath = await come_to_rest(system, broker, crowd)
            finally:
                await crowd.send_away()
            figures = figures_of(saboteur, aftermath)
            report(figures)
            yield Chaos(system, broker, saboteur, aftermath, figures)


def figures_of(saboteur: Saboteur, aftermath: Aftermath) -> Figures:
    said = saboteur.system.said()
    return Figures(
        f"one broker, one store, four services; seed {SEED}",
        {
            "orders acknowledged": len(aftermath.acknowledged),
            **dict(sorted(saboteur.done.items())),
            "messages relayed from a backlog": len(saboteur.backlog),
            "messages in the log": len(aftermath.log),
            "messages sent again": aftermath.sent_again,
            "duplicates dropped": said["message.handled duplicate"],
            "messages retried": said["message.retried"],
            "messages requeued": said["message.requeued"],
            "messages parked": len(aftermath.parked),
            "orders lost": len(aftermath.lost),
            "effects doubled": len(aftermath.doubled),
        },
    )
