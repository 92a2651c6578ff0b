"""Which system the `bellhop` command speaks to: the one that the environment names whole, or the local stack."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from deploy.local import system_env
from deploy.management import named_management_url
from ops.cli.console import explain_unreachable
from ops.core.target import ADDRESSES, DETAILS, MixedSystemError, NoSystemError, OtherPartError, Target
from tests.support import local_stack

ELSEWHERE = {
    "BELLHOP_AMQP_URL": "amqp://op:secret@rabbit.example:5671/bellhop",
    "BELLHOP_MONGODB_URL": "mongodb://op:hush@mongo.example/",
    "STRIPE_API_KEY": "rk_live_1",
}


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ADDRESSES, *DETAILS):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Path]:
    """The folder of a local stack that runs."""
    with local_stack.running_stack(tmp_path):
        yield tmp_path


@pytest.mark.parametrize("name", [*ADDRESSES, *DETAILS])
def test_a_part_of_a_system_in_the_environment_is_never_filled_up_from_the_local_stack(
    stack: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, ELSEWHERE.get(name, "http://elsewhere.example"))

    with pytest.raises(MixedSystemError) as refused:
        Target.from_environment(stack)

    said = str(refused.value)
    assert f"a part of a system: {name}." in said
    assert all(missing in said.partition("not set:")[2] for missing in ADDRESSES if missing != name)
    assert "secret" not in said
    assert "elsewhere.example" not in said


@pytest.mark.parametrize(
    ("variable", "address", "sentence"),
    [
        ("BELLHOP_AMQP_URL", "rabbit://op:secret@rabbit.example/", "the broker's address is not of the form amqp://"),
        (
            "BELLHOP_MONGODB_URL",
            "mongo://op:secret@mongo.example/",
            "the store's address is not of the form mongodb://",
        ),
    ],
)
def test_an_address_that_names_no_server_is_refused_with_a_sentence(
    stack: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    address: str,
    sentence: str,
) -> None:
    for name, value in (ELSEWHERE | {variable: address}).items():
        monkeypatch.setenv(name, value)

    with pytest.raises(typer.Exit) as ended, explain_unreachable():
        Target.from_environment(stack)

    said = capsys.readouterr().err
    assert ended.value.exit_code == 2
    assert said.startswith(sentence)
    assert "secret" not in said


def test_a_system_that_is_named_whole_is_used_as_it_is(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BELLHOP_MANAGEMENT_URL", "https://rabbit.example:15671")

    target = Target.from_environment(stack)

    assert (target.amqp_url, target.mongodb_url, target.stripe_api_key) == tuple(ELSEWHERE.values())
    assert target.stripe_api_base is None
    assert target.management_url == "https://op:secret@rabbit.example:15671"


def test_without_any_of_them_the_local_stack_is_used(stack: Path) -> None:
    target = Target.from_environment(stack)

    assert target.amqp_url == local_stack.ADDRESSES["BELLHOP_AMQP_URL"]
    assert target.mongodb_url == local_stack.ADDRESSES["BELLHOP_MONGODB_URL"]
    assert target.stripe_api_base == "http://127.0.0.1:1"
    assert target.webhook_url == "http://127.0.0.1:1/webhooks/stripe"


def test_what_a_stack_writes_is_private_and_read_by_a_shell_as_it_is_meant(stack: Path) -> None:
    file = stack / system_env.FILE

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"BELLHOP_MONGODB_URL='{local_stack.ADDRESSES['BELLHOP_MONGODB_URL']}'" in file.read_text().splitlines()


def test_a_local_stack_with_a_broker_from_elsewhere_is_used_with_that_broker_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    external = {"BELLHOP_AMQP_URL": ELSEWHERE["BELLHOP_AMQP_URL"]}
    recorded = system_env.from_elsewhere(external, real_stripe=False)
    monkeypatch.setenv("BELLHOP_AMQP_URL", ELSEWHERE["BELLHOP_AMQP_URL"])

    with local_stack.running_stack(tmp_path, BELLHOP_AMQP_URL=None, BELLHOP_MANAGEMENT_URL=None, **recorded):
        assert Target.from_environment(tmp_path).amqp_url == ELSEWHERE["BELLHOP_AMQP_URL"]

        monkeypatch.setenv("BELLHOP_AMQP_URL", "amqp://another.example/")
        with pytest.raises(MixedSystemError):
            Target.from_environment(tmp_path)
        monkeypatch.delenv("BELLHOP_AMQP_URL")
        with pytest.raises(OtherPartError, match="started with BELLHOP_AMQP_URL"):
            Target.from_environment(tmp_path)
        assert "rabbit.example" not in (tmp_path / system_env.FILE).read_text()


def test_no_stack_and_no_address_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoSystemError, match=r"no local stack runs in .* none of BELLHOP_AMQP_URL"):
        Target.from_environment(tmp_path / "empty")


def test_what_a_killed_stack_left_behind_is_recognised(tmp_path: Path) -> None:
    with local_stack.running_stack(tmp_path):
        pass

    with pytest.raises(system_env.StaleStackError, match=r"system\.env is stale.*bellhop up"):
        Target.from_environment(tmp_path)


def test_a_stack_that_stopped_has_no_addresses_any_more(stack: Path) -> None:
    system_env.remove(stack)

    with pytest.raises(NoSystemError):
        Target.from_environment(stack)


def test_the_management_api_has_one_variable_and_its_old_name_still_works() -> None:
    amqp = "amqp://op:secret@rabbit.example/"

    old = named_management_url({"BELLHOP_RABBITMQ_MANAGEMENT_URL": "http://a:b@old:15672"}, amqp)
    new = named_management_url(
        {"BELLHOP_MANAGEMENT_URL": "http://new:15672", "BELLHOP_RABBITMQ_MANAGEMENT_URL": "http://old:15672"}, amqp
    )

    assert (old, new) == ("http://a:b@old:15672", "http://op:secret@new:15672")
    assert named_management_url({}, amqp) is None
