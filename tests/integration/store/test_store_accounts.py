"""`bellhop store` on a store that demands a login: the services work with users of their own, which may do no more.

Only MongoDB itself keeps a role to its collections; the embedded store checks its actions in the whole database. So
what each service sends is compared with its rights in every test that runs a system (tests/support/store_rights.py).
"""

import asyncio
import os
from collections.abc import Iterator

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from typer.testing import CliRunner

from chassis.errors import StoreUnavailableError
from chassis.runtime.metrics import Metrics
from chassis.storage.store import Store
from contracts import services
from deploy.local.broker import Broker
from deploy.local.ports import HOST, free_port
from deploy.local.process import Process
from deploy.local.store import can_ping, secantus_command
from deploy.store_accounts import APALEO, OPERATOR, STORE_ACCOUNTS
from ops.cli.account_passwords import password_variable
from ops.cli.main import app
from ops.cli.store import SERVER
from payment_service.collections import SessionHolder
from tests.support.guest import body
from tests.support.system import EXTRAS, NOTIFICATIONS, PAYMENTS, WEBHOOKS, System, setup_on

DATABASE = "hotel"
PASSWORDS = {account.name: f"word-of-{account.name}" for account in STORE_ACCOUNTS if account.name != APALEO}
PARTS = {
    EXTRAS: services.EXTRAS,
    PAYMENTS: services.PAYMENTS,
    NOTIFICATIONS: services.NOTIFICATIONS,
    WEBHOOKS: services.WEBHOOKS,
}


class Guarded:
    """An embedded store that demands a login, with an administrator and no other user."""

    def __init__(self, port: int) -> None:
        self.port = port

    def address(self, name: str, password: str, source: str = DATABASE) -> str:
        return f"mongodb://{name}:{password}@{HOST}:{self.port}/?directConnection=true&retryWrites=false&authSource={source}"

    @property
    def admin(self) -> str:
        return self.address("root", "root-word", "admin")

    def of(self, account: str) -> str:
        return self.address(account, PASSWORDS[account])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    if os.environ.get("BELLHOP_MONGODB_URL"):
        pytest.skip("BELLHOP_MONGODB_URL is set: users are not ours to create there")
    folder, port = tmp_path_factory.mktemp("guarded"), free_port()
    (folder / "data").mkdir()
    command, open_url = secantus_command(folder / "data", port), f"mongodb://{HOST}:{port}/?directConnection=true"

    def process(*options: str) -> Process:
        missing = lambda: None if can_ping(open_url) else "it does not answer a ping yet"  # noqa: E731
        return Process("store", [*command, *options], log=folder / "store.log", missing=missing)

    # It has no user yet, so the first is made while it demands no login.
    unguarded = process()
    unguarded.start()
    with MongoClient[dict[str, object]](open_url) as client:
        client.admin.command("createUser", "root", pwd="root-word", roles=[{"role": "root", "db": "admin"}])
    unguarded.stop()
    server = process("--auth")
    server.start()
    yield Guarded(port)
    server.stop()


@pytest.fixture
def environment(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> Guarded:
    """As an operator names it."""
    monkeypatch.setenv("BELLHOP_MONGODB_ADMIN_URL", guarded.admin)
    monkeypatch.setenv("BELLHOP_MONGODB_DATABASE", DATABASE)
    for account, password in PASSWORDS.items():
        monkeypatch.setenv(password_variable(SERVER, account), password)
    return guarded


async def prepared(*, code: int = 0) -> str:
    done = await asyncio.to_thread(CliRunner().invoke, app, ["store"])
    assert done.exit_code == code, done.output
    return done.output


async def test_an_order_is_paid_and_refunded_with_users_of_its_own(environment: Guarded, broker: Broker) -> None:
    for _ in range(2):
        assert ", ".join(PASSWORDS) in await prepared()

    own = {part: environment.of(account) for part, account in PARTS.items()}
    async with setup_on(
        broker, FixedStore(environment.of(OPERATOR)), "guarded", database=DATABASE, store_urls=own
    ) as setup:
        system = System(setup)
        try:
            await system.start()
            guest = system.guest()
            order_id = (await guest.order())["order_id"]
            body(await system.pay(await guest.session(order_id)), 200)
            await guest.sees(order_id, status="confirmed", payment_status="paid")
        finally:
            await system.stop()


@pytest.mark.parametrize(
    "command", [{"dropDatabase": 1}, {"drop": "payments"}, {"delete": "payments", "deletes": [{"q": {}, "limit": 0}]}]
)
async def test_a_service_may_do_no_more_than_its_work(environment: Guarded, command: dict[str, object]) -> None:
    await prepared()

    with MongoClient[dict[str, object]](environment.of(services.PAYMENTS)) as client:
        with pytest.raises(OperationFailure) as refused:
            client[DATABASE].command(command)
        with pytest.raises(OperationFailure):
            client[DATABASE].command("createUser", "mallory", pwd="x", roles=[])

    assert refused.value.code == 13


async def test_a_refusal_names_the_command_that_grants_the_right(environment: Guarded) -> None:
    await prepared()
    store = Store(environment.of(services.PAYMENTS), DATABASE, Metrics("test"), timeout=5)

    with pytest.raises(StoreUnavailableError, match="run `bellhop store` of this version"):
        await store.records("payments", SessionHolder).remove(["one"])

    store.close()


async def test_a_new_password_replaces_the_old_one(environment: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    await prepared()
    monkeypatch.setenv(password_variable(SERVER, services.WEBHOOKS), "another-word")
    await prepared()

    assert not logs_in(environment.of(services.WEBHOOKS))
    assert logs_in(environment.address(services.WEBHOOKS, "another-word"))


def logs_in(url: str) -> bool:
    with MongoClient[dict[str, object]](url) as client:
        try:
            client.admin.command("ping")
        except OperationFailure:
            return False
    return True


async def test_who_may_not_create_users_is_told_so(environment: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    await prepared()
    monkeypatch.setenv("BELLHOP_MONGODB_ADMIN_URL", environment.of(OPERATOR))
    assert "refuses to create users in the database hotel" in await prepared(code=2)

    monkeypatch.setenv("BELLHOP_MONGODB_ADMIN_URL", environment.address("root", "wrong", "admin"))
    said = await prepared(code=2)
    assert "refuses" in said
    assert "wrong" not in said


async def test_a_store_that_does_not_answer_is_named(environment: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = f"mongodb://root:root-word@{HOST}:{free_port()}/?directConnection=true&serverSelectionTimeoutMS=300"
    monkeypatch.setenv("BELLHOP_MONGODB_ADMIN_URL", nowhere)

    said = await prepared(code=2)

    assert "does not answer" in said
    assert "root-word" not in said


class FixedStore:
    """A store at one address, for `setup_on`."""

    kind, pid = "external", 0

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self) -> object: ...
    def stop(self) -> object: ...
    def kill(self) -> object: ...
