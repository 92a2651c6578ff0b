"""Which role each command needs; docs/security.md says the same of commands and of the page's routes."""

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from typer.testing import CliRunner

from chassis.web.tokens import OperatorRole
from deploy.local.credentials import AUDIENCE, ISSUER, Credentials
from ops.cli import main as cli
from ops.cli.console import needed_role
from ops.core.authorization import TOKEN
from ops.core.target import ADDRESSES, DETAILS, Target
from ops.web.api import PREFIX
from tests.support.local_stack import running_stack
from tests.unit.ops.test_help import COMMANDS
from tests.unit.ops.test_page_roles import OPERATORS, SECRET

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "security.md").read_text()
TABLE = PAGE.partition("## Operators' roles")[2].partition("\n## ")[0]
LOCAL = Path(__file__).resolve().parents[3] / "deploy" / "local" / "catalogue.yaml"
NO_ROLE = {"up", "demo", "token", "topology", "seal-key", "broker", "store"}
"""They work with files of this machine, or with the administrator's login at broker or store."""


def documented(column: int) -> dict[str, set[str]]:
    """What the table names for each role in a column."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines() if line[:3] == "| `"]
    return {row[0].strip("`"): set(re.findall(r"`([^`]+)`", row[column])) for row in rows}


def test_the_page_lists_the_commands_of_each_role() -> None:
    needed: dict[str, set[str]] = {role.value: set() for role in OperatorRole}
    for name, command in COMMANDS.items():
        role = needed_role(command.callback)
        assert (role is None) == (name in NO_ROLE), name
        if role:
            needed[role].add(name)

    assert documented(2) == needed
    assert set(re.findall(r"`([^`]+)`", TABLE.partition("need no token: ")[2].partition(".")[0])) == NO_ROLE


def test_the_page_lists_the_routes_of_each_role() -> None:
    needed: dict[str, set[str]] = {role.value: set() for role in OperatorRole}
    for (method, path), role in OPERATORS.items():
        needed[role].add(f"{method} {path.removeprefix(PREFIX)}")

    assert documented(3) == needed


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A system that the environment names, where nothing answers, and whose tokens are believed."""
    for name in (*ADDRESSES, *DETAILS, TOKEN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BELLHOP_AMQP_URL", "amqp://127.0.0.1:1/")
    monkeypatch.setenv("BELLHOP_MONGODB_URL", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50")
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_1")
    monkeypatch.setenv("BELLHOP_STRIPE_API_BASE", "http://127.0.0.1:1")
    monkeypatch.setattr("psp_adapter.stripe_reader._PAUSES", ())
    usual = Target.store
    monkeypatch.setattr(Target, "store", lambda target, metrics: usual(replace(target, store_timeout=0.05), metrics))
    monkeypatch.setenv("BELLHOP_JWT_SECRET", SECRET)
    monkeypatch.setenv("BELLHOP_JWT_ISSUER", "tests")
    return tmp_path


WORDS = {
    "catalogue diff": [str(LOCAL)],
    "catalogue import": [str(LOCAL), "--why", "w"],
    "dead edit": ["dl_1", "--why", "w"],
    "dead empty": ["--why", "w"],
    "dead discard": ["dl_1", "--why", "w"],
    "dead put-back": ["dl_1", "--why", "w"],
    "dead restore": ["dl_1", "--why", "w"],
    "dead show": ["dl_1"],
    "guest erase": ["guest-anna", "--property", "alpenhof", "--why", "w"],
    "guest erase-again": ["--why", "w"],
    "guest export": ["guest-anna", "--property", "alpenhof"],
    "log replay": ["--to", "extras.payments"],
    "mail send-again": ["mail_1", "--why", "w"],
    "mail settle": ["mail_1", "--why", "w"],
    "plans show": ["rp_1"],
    "plans run": ["rp_1", "--why", "w"],
    "plans pause": ["rp_1"],
    "review accept": ["ord_1", "--why", "w"],
    "review refund": ["ord_1", "--why", "w"],
    "review settled-outside": ["ord_1", "--why", "w"],
    "webhooks add": ["https://pms.example/", "--property", "alpenhof", "--why", "w"],
    "webhooks disable": ["whs_1", "--why", "w"],
    "webhooks enable": ["whs_1", "--why", "w"],
    "webhooks export": ["--property", "alpenhof"],
    "webhooks remove": ["whs_1", "--why", "w", "--yes"],
    "webhooks rotate-secret": ["whs_1", "--why", "w"],
    "webhooks send-again": ["msg_1", "--order", "ord_1", "--why", "w"],
    "webhooks settle": ["msg_1", "--order", "ord_1", "--why", "w"],
    "webhooks show": ["whs_1"],
    "webhooks test": ["whs_1"],
    "trace": ["ord_" + "a" * 26],
    "closing": ["2026-11-24"],
}


def run(name: str, token: str | None, *before: str) -> Any:
    return CliRunner().invoke(cli.app, [*before, *name.split(), *WORDS.get(name, [])], env={TOKEN: token})


def signed(role: str, **claims: Any) -> str:
    now = int(time.time())
    usual = {"iss": "tests", "aud": AUDIENCE, "iat": now, "exp": now + 600, "sub": "olaf", "role": role}
    return jwt.encode(usual | claims, SECRET, algorithm="HS256")


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - NO_ROLE))
def test_a_command_takes_a_token_of_its_role_and_refuses_every_other(name: str, elsewhere: Path) -> None:
    needed = needed_role(COMMANDS[name].callback)
    assert needed is not None
    refused = [role.value for role in OperatorRole if not role.allows(needed)]

    for token in (None, signed("guest"), signed("staff"), signed("editor", exp=1, iat=0), "nonsense"):
        said = run(name, token)
        assert (said.exit_code, "token" in said.output) == (2, True), said.output
        assert "127.0.0.1" not in said.output
    for role in refused:
        assert f"This needs the role {needed}; the token's role is {role}" in run(name, signed(role)).output
    assert "is unavailable" in run(name, signed(needed)).output
    assert "is unavailable" in run(name, None, "--token", signed(needed)).output


def test_without_a_key_to_check_tokens_with_the_missing_settings_are_named(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BELLHOP_JWT_SECRET")
    monkeypatch.delenv("BELLHOP_JWT_ISSUER")

    said = run("dead list", signed("reader"))

    assert said.exit_code == 2
    assert "BELLHOP_JWT_ISSUER, BELLHOP_JWT_SECRET missing or wrong" in said.output


def test_a_local_stack_needs_no_token_and_heeds_one_that_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*ADDRESSES, *DETAILS, TOKEN):
        monkeypatch.delenv(name, raising=False)
    keys = Credentials.kept_in(tmp_path / "secrets.json")
    reader = jwt.decode(signed("reader"), options={"verify_signature": False}) | {"iss": ISSUER}
    token = jwt.encode(reader, keys.jwt_secret, algorithm="HS256")
    edit = ["dead", "edit", "dl_1", "--why", "w", "--data-dir", str(tmp_path)]

    with running_stack(tmp_path):
        own, given = (CliRunner().invoke(cli.app, [*before, *edit]) for before in ([], ["--token", token]))

    assert "is unavailable" in own.output
    assert "This needs the role editor; the token's role is reader" in given.output
