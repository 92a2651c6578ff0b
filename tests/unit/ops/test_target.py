"""Which system the `bellhop` command speaks to: the one that the environment names whole, or the local stack."""

import json
from pathlib import Path

import pytest

from deploy.local import external
from deploy.local.credentials import Credentials
from deploy.management import named_management_url
from ops.core.target import ADDRESSES, DETAILS, MixedSystemError, NoSystemError, OtherPartError, Target

ELSEWHERE = {
    "BELLHOP_AMQP_URL": "amqp://op:secret@rabbit.example:5671/bellhop",
    "BELLHOP_MONGODB_URL": "mongodb://op:hush@mongo.example/",
    "STRIPE_API_KEY": "rk_live_1",
}

PORTS = ("broker.amqp", "broker.dist", "broker.management", "store", "sandbox")


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a local stack, and an environment that names nothing."""
    for name in (*ADDRESSES, *DETAILS):
        monkeypatch.delenv(name, raising=False)
    Credentials.kept_in(tmp_path / "secrets.json")
    (tmp_path / "ports.json").write_text(json.dumps(dict.fromkeys(PORTS, 1)))
    return tmp_path


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

    assert "127.0.0.1" in target.amqp_url
    assert "127.0.0.1" in target.mongodb_url
    assert target.stripe_api_base == "http://127.0.0.1:1"


def test_a_local_stack_with_a_broker_from_elsewhere_is_used_with_that_broker_only(
    stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BELLHOP_AMQP_URL", ELSEWHERE["BELLHOP_AMQP_URL"])
    external.record(stack, {"BELLHOP_AMQP_URL": ELSEWHERE["BELLHOP_AMQP_URL"]}, real_stripe=False)

    assert Target.from_environment(stack).amqp_url == ELSEWHERE["BELLHOP_AMQP_URL"]

    monkeypatch.setenv("BELLHOP_AMQP_URL", "amqp://another.example/")
    with pytest.raises(MixedSystemError):
        Target.from_environment(stack)
    monkeypatch.delenv("BELLHOP_AMQP_URL")
    with pytest.raises(OtherPartError, match="started with BELLHOP_AMQP_URL"):
        Target.from_environment(stack)
    assert "secret" not in (stack / external.FILE).read_text()


def test_no_stack_and_no_address_is_said(tmp_path: Path, stack: Path) -> None:
    with pytest.raises(NoSystemError, match="none of BELLHOP_AMQP_URL"):
        Target.from_environment(tmp_path / "empty")


def test_the_management_api_has_one_variable_and_its_old_name_still_works() -> None:
    amqp = "amqp://op:secret@rabbit.example/"

    old = named_management_url({"BELLHOP_RABBITMQ_MANAGEMENT_URL": "http://a:b@old:15672"}, amqp)
    new = named_management_url(
        {"BELLHOP_MANAGEMENT_URL": "http://new:15672", "BELLHOP_RABBITMQ_MANAGEMENT_URL": "http://old:15672"}, amqp
    )

    assert (old, new) == ("http://a:b@old:15672", "http://op:secret@new:15672")
    assert named_management_url({}, amqp) is None
