"""The supervisor, with a real broker and store below it and tiny fake services on top."""

import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import httpx
import jwt
import psutil
import pytest

from deploy.local import system_env
from deploy.local.broker import Broker
from deploy.local.patience import patient
from deploy.local.process import PartError
from deploy.local.processes import ROOT
from deploy.local.stack import LocalStack, StackInUseError
from deploy.local.store import Store
from tests.integration.local.fakes import fake
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def _on_the_sessions_servers(broker: Broker, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting the real ones has its own tests; here they are the session's, so that each test is quick."""
    monkeypatch.setenv("BELLHOP_AMQP_URL", broker.url)
    monkeypatch.setenv("BELLHOP_MONGODB_URL", store.url)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LocalStack]:
    services = [fake("gateway"), fake("psp_adapter")]
    env = {"BELLHOP_GREETING": "hello"}
    with LocalStack(tmp_path, quiet=True, services=services, sandbox=None, extra_env=env) as running:
        yield running


def test_a_started_stack_answers_at_every_address_with_the_environment_asked_for(stack: LocalStack) -> None:
    answers = {httpx.get(url).text for url in (stack.gateway_url, stack.adapter_url)}

    assert answers == {"hello"}
    assert set(stack.service_urls) == {"gateway", "psp_adapter"}


def test_leaving_the_stack_stops_everything_it_started_and_nothing_else(
    stack: LocalStack, broker: Broker, tmp_path: Path
) -> None:
    processes = [psutil.Process(stack.part(name).pid) for name in stack.service_urls]
    tethers = [child for process in processes for child in process.children()]

    stack.stop()

    assert tethers
    eventually(lambda: not any(each.is_running() for each in processes + tethers), what="all are gone")
    assert broker.start()


def test_a_part_that_dies_is_named_with_the_tail_of_its_log(stack: LocalStack) -> None:
    with suppress(httpx.HTTPError):
        httpx.get(f"{stack.gateway_url}/die")

    with pytest.raises(PartError, match="gateway: ended by itself with code 7") as died:
        stack.watch()

    assert "my last words" in died.value.tail


def test_a_part_killed_on_purpose_is_no_failure_and_starts_again_at_its_address(stack: LocalStack) -> None:
    part = stack.part("gateway")
    before = part.pid

    part.kill()
    stack.check()
    part.start()

    assert part.pid != before
    assert httpx.get(stack.gateway_url).text == "hello"


def test_a_part_that_cannot_start_stops_the_others_and_shows_why(tmp_path: Path) -> None:
    services = [fake("gateway"), fake("psp_adapter", FAKE_FAILS="1")]
    stack = LocalStack(tmp_path, quiet=True, services=services, sandbox=None)

    with pytest.raises(PartError, match="psp_adapter: ended with code 1 while starting") as failed, stack:
        pytest.fail("the stack came up")

    assert "this service fails on purpose" in failed.value.tail
    ours = [each for each in psutil.Process().children(recursive=True) if "fake_service" in " ".join(each.cmdline())]
    assert not ours


def test_two_stacks_do_not_share_a_folder(stack: LocalStack, tmp_path: Path) -> None:
    with pytest.raises(StackInUseError, match=re.escape(f"already runs on {tmp_path}")), LocalStack(tmp_path):
        pytest.fail("the second stack came up")

    assert httpx.get(stack.gateway_url).text == "hello"


def test_secrets_are_private_and_the_same_from_run_to_run(stack: LocalStack, tmp_path: Path) -> None:
    first = stack.secrets
    stack.stop()

    with LocalStack(tmp_path, quiet=True, services=[], sandbox=None) as again:
        assert again.secrets == first
        assert first.jwt_secret not in repr(again.secrets)
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_a_running_stack_writes_where_it_is_and_removes_that_when_it_stops(
    stack: LocalStack, broker: Broker, tmp_path: Path
) -> None:
    written = system_env.read(tmp_path)

    stack.stop()

    assert written["BELLHOP_GATEWAY_URL"] == stack.gateway_url
    assert written["BELLHOP_WEBHOOK_URL"] == f"{stack.adapter_url}/webhooks/stripe"
    assert system_env.digests(written)["BELLHOP_AMQP_URL"] == system_env.digest(broker.url)
    assert not (tmp_path / system_env.FILE).exists()
    assert system_env.read(tmp_path) == {}


def test_a_minted_token_says_who_it_is_for(stack: LocalStack) -> None:
    token = stack.mint_token("guest-1", "alpenhof", "R-1", date(2026, 1, 2), date(2026, 1, 9))

    key = stack.secrets.jwt_secret
    claims = jwt.decode(token, key, algorithms=["HS256"], audience="bellhop", issuer="bellhop-local")
    assert claims["sub"] == "guest-1"
    assert (claims["role"], claims["property"], claims["reservation"]) == ("guest", "alpenhof", "R-1")
    assert (claims["stay_from"], claims["stay_to"]) == ("2026-01-02", "2026-01-09")
    assert claims["exp"] > claims["iat"]


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_no_part_outlives_its_supervisor(tmp_path: Path, sent: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.integration.local.run_fake_stack", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as supervisor:
        assert supervisor.stdout is not None
        line = next(line for line in supervisor.stdout if line.startswith("pid "))
        part = psutil.Process(int(line.split()[1]))

        supervisor.send_signal(sent)
        supervisor.communicate(timeout=patient(20))

    eventually(lambda: not part.is_running(), what="the part is gone")
    if sent is signal.SIGKILL:
        with pytest.raises(system_env.StaleStackError):
            system_env.read(tmp_path)
    assert (tmp_path / system_env.FILE).exists() is (sent is signal.SIGKILL)
