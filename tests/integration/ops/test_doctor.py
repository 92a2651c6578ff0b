"""`bellhop doctor` examines a running installation, and each part although another one is away."""

from collections.abc import Callable
from typing import Any

import pytest
from pymongo import MongoClient

from chassis.messaging.broker_address import BrokerAddress
from contracts.accounts import ACCOUNTS
from deploy.local.broker import Broker
from deploy.management import Management, quoted
from ops.core.doctor import Finding, examine
from ops.core.target import Target
from tests.support.guest import Json
from tests.support.operator import Operator
from tests.support.system import API_KEY


@pytest.fixture
async def operator(own_system: Callable[..., Any], broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.setenv("BELLHOP_MANAGEMENT_URL", str(broker.management_url))
    return Operator(await own_system())


async def _examined(operator: Operator, *, code: int) -> list[Json]:
    found: list[Json] = await operator.json("doctor", code=code)
    return found


def _wrong(found: list[Json]) -> dict[str, Json]:
    return {each["what"]: each for each in found if not each["is_right"]}


async def test_an_installation_at_rest_needs_nothing(operator: Operator) -> None:
    found = await _examined(operator, code=0)

    assert _wrong(found) == {}
    assert {each["part"] for each in found} >= {"broker", "services", "store", "clocks", "psp", "keys"}
    seen = {each["what"]: each["found"] for each in found}
    assert seen["topology of this version"] == "declared"
    assert seen["indexes"] == "all there"
    assert {f"account {account.name}" for account in ACCOUNTS} <= seen.keys()
    assert "Nothing must be mended." in (await operator.runs("doctor")).said


async def test_an_index_a_binding_and_an_account_that_are_not_as_they_must_be_are_named(
    operator: Operator, broker: Broker
) -> None:
    setup = operator.system.setup
    with MongoClient[dict[str, Any]](setup.mongodb_url) as client:
        client[setup.database].orders.drop_index("due_at_sparse")
    management, vhost = Management(str(broker.management_url)), quoted(BrokerAddress(setup.amqp_url).vhost)
    name = ACCOUNTS[0].name
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    management.call("PUT", f"/api/permissions/{vhost}/{quoted(name)}", everything)
    bound = management.call("GET", f"/api/queues/{vhost}/extras.payments/bindings")
    one = next(each for each in bound if each["source"])
    where = f"/api/bindings/{vhost}/e/{quoted(one['source'])}/q/extras.payments"
    management.call("DELETE", f"{where}/{quoted(one['properties_key'])}")

    wrong = _wrong(await _examined(operator, code=1))

    assert set(wrong) == {"indexes", f"account {name}", "extras.payments"}
    assert wrong["indexes"]["found"] == "orders: due_at_sparse"
    assert "is missing" in wrong["extras.payments"]["found"]


async def test_what_does_not_answer_is_a_finding_and_the_rest_is_examined(operator: Operator) -> None:
    away = Target(
        amqp_url="amqp://guest:secret-word@127.0.0.1:1/",
        mongodb_url="mongodb://127.0.0.1:1/",
        stripe_api_key=API_KEY,
        stripe_api_base=operator.system.sandbox.url,
        store_timeout=0.5,
    )

    found: list[Finding] = await examine(away, {})

    wrong = {(each.part, each.what) for each in found if not each.is_right}
    assert wrong == {("broker", "connection"), ("store", "connection")}
    assert any(each.part == "psp" for each in found)
    assert "secret-word" not in str(found)
