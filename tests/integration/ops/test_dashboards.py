"""Every panel shows something, and KEDA's question has an answer: Prometheus scrapes a system with a paid order."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from chassis.runtime.metrics import AGE_BUCKETS
from deploy.local.ports import HOST, free_port
from deploy.local.processes import ROOT
from tests.support.guest import Guest
from tests.support.system import EXTRAS, GATEWAY, PAYMENTS, System
from tests.support.waiting import until
from tools.dashboards import DASHBOARDS
from tools.kubernetes_manifests import objects, rendered_file

BY_RABBITMQ_ALONE = "rabbitmq_"
"""The plugin is off in the tests' broker: of these queries only the names are checked."""
MAY_BE_EMPTY: dict[str, str] = {}
"""Queries without an answer, each with the reason."""
_EVERY = 0.5


def queries() -> dict[str, str]:
    """By dashboard, panel and legend."""
    return {
        f"{name} / {panel.title} / {legend}": query.replace("$__rate_interval", "10s").replace("$__range", "10s")
        for name, panels in DASHBOARDS.items()
        for panel in panels
        for legend, query in panel.queries.items()
    }


@contextmanager
def prometheus(folder: Path, targets: list[str]) -> Iterator[str]:
    """The address of a Prometheus that scrapes these; it ends with the block."""
    program = shutil.which("prometheus")
    if program is None and os.geteuid() != 0:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    assert program is not None, "prometheus is missing; `make test` installs it"
    config: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "observability" / "prometheus.yaml").read_text())
    [ours] = [job for job in config["scrape_configs"] if job["job_name"] == "bellhop"]
    often = {"scrape_interval": f"{_EVERY * 1000:.0f}ms", "scrape_timeout": f"{_EVERY * 1000:.0f}ms"}
    config |= {
        "global": {**often, "evaluation_interval": "1s"},
        "rule_files": [str(ROOT / "deploy" / Path(file).name) for file in config["rule_files"]],
        "alerting": {},
        "scrape_configs": [ours | {"static_configs": [{"targets": targets}]}],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    address = f"{HOST}:{free_port()}"
    command = [program, f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}"]
    with subprocess.Popen(
        [*command, f"--web.listen-address={address}", "--log.level=warn"], stdout=subprocess.DEVNULL
    ) as running:
        try:
            yield f"http://{address}"
        finally:
            running.kill()


async def has_scraped(prometheus: httpx.AsyncClient, targets: int) -> None:
    """Wait until Prometheus has scraped so many targets."""

    async def scraped() -> bool:
        try:
            answer = await prometheus.get("/api/v1/query", params={"query": "sum(up)"})
        except httpx.TransportError:
            return False
        found = answer.json()["data"]["result"] if answer.status_code == 200 else []
        return bool(found) and float(found[0]["value"][1]) == targets

    await until(scraped, "Prometheus has scraped every service")


async def paid(system: System, guest: Guest) -> None:
    """An order, from the guest's request to its confirmation."""
    order = await guest.order()
    await system.pay(await guest.session(order["order_id"]))
    await guest.sees(order["order_id"], status="confirmed")


async def test_every_panel_shows_something_of_a_system_with_a_paid_order(system: System, tmp_path: Path) -> None:
    guest = system.guest()
    targets = [part.url.removeprefix("http://") for part in system.parts.values()]
    with prometheus(tmp_path, targets) as address:
        async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=30) as asked:
            silent: set[str] = set()

            async def all_answer() -> set[str] | bool:
                nonlocal silent
                asks = {name: query for name, query in queries().items() if BY_RABBITMQ_ALONE not in query}
                answers = [await asked.get("/api/v1/query", params={"query": query}) for query in asks.values()]
                refused = [answer.text for answer in answers if answer.status_code != 200]
                assert not refused, refused
                found = [answer.json()["data"]["result"] for answer in answers]
                silent = {name for name, result in zip(asks, found, strict=True) if not result}
                return silent == MAY_BE_EMPTY.keys()

            await has_scraped(asked, len(targets))
            await paid(system, guest)
            for part, step in (
                (GATEWAY, "order_answered"),
                (GATEWAY, "session_opened"),
                (PAYMENTS, "payment_recorded"),
                (EXTRAS, "order_paid"),
            ):
                assert await system.counted(part, "bellhop_step_seconds_count", step=step, outcome="ok") >= 1
            try:
                await until(all_answer, "every query has an answer", within=20)
            except AssertionError:
                raise AssertionError(sorted(silent ^ MAY_BE_EMPTY.keys())) from None


async def test_the_age_that_keda_asks_for_is_one_number_that_grows_with_messages(
    system: System, tmp_path: Path
) -> None:
    production = objects(rendered_file("production").read_text(encoding="utf-8"))
    asks = {
        found["metadata"]["name"]: trigger["metadata"]["query"]
        for found in production
        if found["kind"] == "ScaledObject"
        for trigger in found["spec"]["triggers"]
        if trigger["type"] == "prometheus"
    }
    assert set(asks) == {"extras-service", "payment-service", "psp-adapter"}
    guest = system.guest()
    targets = [part.url.removeprefix("http://") for part in system.parts.values()]
    with prometheus(tmp_path, targets) as address:
        async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=30) as asked:
            await has_scraped(asked, len(targets))

            async def answers() -> dict[str, float]:
                said: dict[str, float] = {}
                for service, query in asks.items():
                    answer = await asked.get("/api/v1/query", params={"query": query})
                    [only] = answer.json()["data"]["result"]
                    assert only["metric"] == {}
                    said[service] = float(only["value"][1])
                return said

            assert await answers() == dict.fromkeys(asks, 0.0)

            await paid(system, guest)

            async def all_have_an_age() -> bool:
                return all(0 < age < max(AGE_BUCKETS) for age in (await answers()).values())

            await until(all_have_an_age, "each service has taken a message that Prometheus knows the age of")
