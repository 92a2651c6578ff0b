"""The sandbox as a process and a site: its pages, its file, its start and stop."""

import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path

import httpx
import pytest

from deploy.local.patience import patient
from tests.integration.sandbox.conftest import Bench, Inbox, bench_of, client_for, eventually

PAGES = ("/", "/v3/", "/v3/card", "/v3/card.js", "/v3/authenticate.js", "/v3/sandbox.css", "/health/live")


@pytest.mark.parametrize("path", PAGES)
async def test_every_answer_says_that_it_is_a_sandbox(bench: Bench, path: str) -> None:
    answer = await bench.http.get(path)

    assert answer.status_code == 200
    assert "no real money" in answer.headers["x-stripe-sandbox"]


async def test_the_front_page_lists_the_test_cards_and_runs_no_inline_script(bench: Bench) -> None:
    page = await bench.http.get("/")

    assert "4000002500003155" in page.text
    assert "pm_card_processing" in page.text
    assert "<script>" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]


async def test_the_script_evaluates_no_text_and_writes_no_markup(bench: Bench) -> None:
    for path in ("/v3/", "/v3/card.js", "/v3/authenticate.js"):
        script = (await bench.http.get(path)).text
        assert not [word for word in ("eval(", "new Function", "innerHTML", "document.write") if word in script]


async def test_a_call_the_sandbox_does_not_know_is_a_404_in_stripes_shape(bench: Bench) -> None:
    answer = await bench.http.get("/v1/balance", headers={"Authorization": "Bearer sk_test_sandbox"})

    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_a_reset_forgets_everything_but_the_webhook_endpoint(bench: Bench) -> None:
    await bench.paid()
    await bench.inbox.gets("payment_intent.succeeded")

    await bench.switch("reset")

    state = await bench.state()
    assert (state["payment_intents"], state["captured"], state["events"]) == ({}, {}, 0)
    bench.inbox.received.clear()
    await bench.intent()
    await bench.inbox.gets("payment_intent.created")


async def test_a_restart_remembers_payments_keys_timers_and_undelivered_webhooks(inbox: Inbox, tmp_path: Path) -> None:
    file = tmp_path / "sandbox.json"
    keyed = {"idempotency_key": "create:1"}
    unreachable = "http://127.0.0.1:9/unused"
    async with bench_of(inbox, data=file, webhook_url=unreachable, settle_after=0.5) as before:
        paid = await before.paid()
        slow = await before.paid(method="pm_card_processing")
        first = await before.sdk.v1.payment_intents.create_async({"amount": 1, "currency": "eur"}, keyed)  # type: ignore[arg-type]

    async with bench_of(inbox, data=file) as after:
        again = await after.sdk.v1.payment_intents.create_async({"amount": 1, "currency": "eur"}, keyed)  # type: ignore[arg-type]

        assert again.id == first.id
        assert (await after.sdk.v1.payment_intents.retrieve_async(paid.id)).status == "succeeded"
        await inbox.gets("payment_intent.created", "payment_intent.processing", "payment_intent.succeeded")

        async def settled() -> bool:
            return (await after.sdk.v1.payment_intents.retrieve_async(slow.id)).status == "succeeded"

        await eventually(settled)


async def test_the_file_follows_changes_while_the_sandbox_runs(inbox: Inbox, tmp_path: Path) -> None:
    file = tmp_path / "sandbox.json"

    async with bench_of(inbox, data=file) as bench:
        intent = await bench.intent()

        await eventually(lambda: file.exists() and intent.id in file.read_text())

    assert os.listdir(tmp_path) == ["sandbox.json"]


async def test_the_process_stops_cleanly_and_soon_with_webhooks_pending_and_calls_open() -> None:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = ["--port", str(port), "--webhook-url", "http://127.0.0.1:9/unused", "--webhook-secret", "whsec_x"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stripe_sandbox", *arguments, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http, client_for(url) as sdk:
            await eventually(lambda: _is_ready(http), within=20)
            await sdk.v1.payment_intents.create_async({"amount": 100, "currency": "eur"})
            state = (await http.get("/_sandbox/state")).json()
            await http.put("/_sandbox/faults", json={"api": {"latency_ms": 60_000}})
            twins = {asyncio.create_task(_create(http)) for _ in range(2)}
            # Once one of them receives the conflict, the other is at work.
            _, working = await asyncio.wait(twins, return_when=asyncio.FIRST_COMPLETED)
            begun = time.monotonic()

            process.send_signal(signal.SIGTERM)
            _, log = await asyncio.wait_for(process.communicate(), patient(15))

            # Under two seconds on a machine of its own; one that is busy with other tests gets twice that.
            assert time.monotonic() - begun < 4
            assert state["webhooks"]["pending"] == 1
            assert len(working) == 1
            assert process.returncode == 0
            assert b"no real money" in log
            await asyncio.gather(*working, return_exceptions=True)
    finally:
        if process.returncode is None:
            process.kill()


async def _create(http: httpx.AsyncClient) -> httpx.Response:
    headers = {"Authorization": "Bearer sk_test_sandbox", "Idempotency-Key": "create:1"}
    return await http.post("/v1/payment_intents", data={"amount": "1", "currency": "eur"}, headers=headers, timeout=60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _is_ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def test_a_live_key_is_refused_with_a_sentence() -> None:
    command = (sys.executable, "-m", "stripe_sandbox", "--api-key", "sk_live_made_up")

    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, error = await asyncio.wait_for(process.communicate(), patient(30))

    assert process.returncode == 2
    assert b"live key" in error


async def test_a_live_sandbox_has_keys_of_its_own_making() -> None:
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stripe_sandbox", "--livemode", "--port", str(port)
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            await eventually(lambda: _is_ready(http), within=20)

        async with client_for(f"http://127.0.0.1:{port}", key="sk_live_sandbox") as sdk:
            intent = await sdk.v1.payment_intents.create_async({"amount": 100, "currency": "eur"})

        assert intent.livemode
    finally:
        process.terminate()
        await process.wait()
