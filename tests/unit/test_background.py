"""No background task may end unseen: there is one way to start one, and it logs what ends it."""

import ast
import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from chassis.runtime import background

_ROOT = Path(__file__).resolve().parents[2]
_SERVICES = ("gateway", "extras_service", "notifications", "payment_service", "psp_adapter", "webhooks")
_PRODUCT = ("chassis", "client", "connectors", "contracts", *_SERVICES, "ops", "deploy", "stripe_sandbox")
_STARTERS = {"create_task", "ensure_future", "TaskGroup"}
_ALLOWED = {
    Path("chassis/runtime/background.py"),
    Path("chassis/messaging/amqp.py"),  # calls to the broker, awaited behind a shield
    Path("stripe_sandbox/background.py"),
}


async def test_an_error_that_ends_background_work_is_logged_at_once() -> None:
    async def fails() -> None:
        raise ValueError("unforeseen")

    with capture_logs() as logged:
        task = background.start(fails(), "work")
        await asyncio.wait([task])

    assert [(line["event"], line["task"]) for line in logged] == [("background.failed", "work")]


async def test_background_work_that_is_cancelled_or_done_is_not_reported() -> None:
    with capture_logs() as logged:
        tasks = [background.start(asyncio.sleep(0), "done"), background.start(asyncio.sleep(60), "cancelled")]
        tasks[1].cancel()
        await asyncio.wait(tasks)

    assert logged == []


async def test_work_that_forgets_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_CANCEL_AGAIN_AFTER", 0.01)

    async def forgets_one() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    tasks = [background.start(forgets_one(), "forgetful"), background.start(asyncio.sleep(0), "done")]
    await asyncio.sleep(0)

    async with asyncio.timeout(30):
        await background.stop(*tasks)

    assert tasks[0].cancelled()


async def test_a_loop_goes_on_after_a_call_that_a_library_has_cancelled() -> None:
    rounds = 0
    went_on = asyncio.Event()

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise asyncio.CancelledError
        went_on.set()

    async with background.run_loops([background.Loop("one", 0.0, work)]):
        await asyncio.wait_for(went_on.wait(), timeout=60)

    assert rounds >= 2


def test_only_the_supervised_ways_start_tasks() -> None:
    found = {place for folder in _PRODUCT for place in _starts_in(_ROOT / folder)}

    assert {path for path, _ in found} <= _ALLOWED, sorted(found)


@pytest.mark.parametrize("code", ["asyncio.create_task(work())", "loop.create_task(work())", "ensure_future(work())"])
def test_the_rule_sees_a_task_that_is_started_elsewhere(tmp_path: Path, code: str) -> None:
    (tmp_path / "elsewhere.py").write_text(code)

    assert list(_starts_in(tmp_path))


def _starts_in(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            if name in _STARTERS:
                yield path.relative_to(_ROOT) if path.is_relative_to(_ROOT) else path, name
