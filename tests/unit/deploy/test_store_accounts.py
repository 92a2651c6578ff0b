"""Users at the store: each service's rights cover what it opens, and nothing beyond."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from chassis.storage.audit_log import AuditLog
from chassis.storage.documents import DocumentStore
from chassis.storage.running_settings import RunningSettings
from connectors.apaleo.app import SERVICE
from connectors.apaleo.booking import ledgers_in
from contracts import services
from deploy.store_accounts import APALEO, OPERATOR, STORE_ACCOUNTS
from extras_service.collections import ExtrasStore
from notifications.collections import NotificationStore
from ops.cli.account_passwords import password_variable
from ops.cli.main import app
from ops.cli.store import SERVER
from payment_service.collections import PaymentStore
from tests.support.store_rights import RIGHTS, lacking
from webhooks.collections import WebhookStore

SHARED = {"running_settings"}

OPENS: Mapping[str, Callable[[Any], object]] = {
    services.EXTRAS: lambda store: (ExtrasStore(store), AuditLog(store), RunningSettings(store)),
    services.PAYMENTS: lambda store: (PaymentStore(store), RunningSettings(store)),
    services.NOTIFICATIONS: lambda store: (NotificationStore(store), RunningSettings(store)),
    services.WEBHOOKS: lambda store: (WebhookStore(store), RunningSettings(store)),
    APALEO: ledgers_in,
}


class Opened:
    """A store that remembers which collections were opened."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def documents(self, name: str, *_: object, **__: object) -> None:
        self.names.add(name)

    records = documents


@pytest.mark.parametrize("service", OPENS)
def test_a_service_has_rights_to_the_collections_it_opens_and_to_no_other(service: str) -> None:
    opened = Opened()

    OPENS[service](cast(DocumentStore, opened))

    assert set(RIGHTS[service]) == opened.names


def test_every_process_that_keeps_documents_has_a_user() -> None:
    assert set(RIGHTS) == set(OPENS)
    assert SERVICE == APALEO


def test_no_two_services_share_a_collection_that_holds_an_aggregate() -> None:
    owners = Counter(name for rights in RIGHTS.values() for name in rights)

    assert {name for name, count in owners.items() if count > 1} <= SHARED


def test_what_the_books_rest_on_is_deleted_by_no_service() -> None:
    deleted = {name for rights in RIGHTS.values() for name, actions in rights.items() if "remove" in actions}

    assert deleted == {"pictures", "mails", "webhook_feeds", "apaleo_folios"}


@pytest.mark.parametrize(
    ("service", "command", "lacks"),
    [
        (services.EXTRAS, {"find": "orders"}, []),
        (services.EXTRAS, {"find": "payments"}, ["find on payments"]),
        (services.EXTRAS, {"getMore": 7, "collection": "payments"}, ["find on payments"]),
        (services.EXTRAS, {"delete": "orders"}, ["remove on orders"]),
        (services.EXTRAS, {"delete": "audit_log"}, ["remove on audit_log"]),
        (
            services.PAYMENTS,
            {"update": "orders", "updates": [{"upsert": True}]},
            ["update on orders", "insert on orders"],
        ),
        (services.PAYMENTS, {"dropDatabase": 1}, ["dropDatabase"]),
        (services.PAYMENTS, {"ping": 1}, []),
        (
            services.PAYMENTS,
            {"aggregate": "payments", "pipeline": [{"$lookup": {"from": "orders"}}]},
            ["another collection in a pipeline on payments"],
        ),
    ],
)
def test_a_command_is_compared_with_the_rights_of_its_sender(
    service: str, command: Mapping[str, Any], lacks: list[str]
) -> None:
    assert list(lacking(service, command)) == lacks


def test_the_command_names_what_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BELLHOP_MONGODB_ADMIN_URL", "BELLHOP_MONGODB_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MONGODB_WEBHOOKS_PASSWORD", "secret")

    refused = CliRunner().invoke(app, ["store"])

    assert refused.exit_code == 2
    assert "BELLHOP_MONGODB_ADMIN_URL" in refused.output
    assert "MONGODB_EXTRAS_SERVICE_PASSWORD" in refused.output
    assert "MONGODB_OPERATOR_PASSWORD" in refused.output
    assert "WEBHOOKS" not in refused.output
    assert "APALEO" not in refused.output, "not everyone has the connector"


@pytest.mark.parametrize(
    "address", ["nonsense://x", "mongodb://root:h%ush@host/", "mongodb://root:hu/sh@host/", "mongodb://"]
)
def test_an_address_that_is_none_is_refused_without_a_word_of_its_password(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    for account in STORE_ACCOUNTS:
        monkeypatch.setenv(password_variable(SERVER, account.name), "word")
    monkeypatch.setenv("BELLHOP_MONGODB_ADMIN_URL", address)

    refused = CliRunner().invoke(app, ["store"])

    assert refused.exit_code == 2
    assert "The administrator's address is not one of a MongoDB" in refused.output
    assert "hu" not in refused.output


def test_roles_and_users_can_be_shown_for_a_store_that_creates_them_elsewhere() -> None:
    shown = json.loads(CliRunner().invoke(app, ["store", "--show"], env={"BELLHOP_MONGODB_DATABASE": "hotel"}).stdout)

    assert [each["createUser"] for each in shown] == [account.name for account in STORE_ACCOUNTS]
    assert shown[0] == {"createUser": OPERATOR, "roles": [{"role": "readWrite", "db": "hotel"}]}
    assert all(each["roles"] == [{"role": each["createUser"], "db": "hotel"}] for each in shown[1:])
    named = {privilege["resource"]["db"] for each in shown[1:] for privilege in each["privileges"]}
    assert named == {"hotel"}


def test_the_page_lists_the_rights() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "security.md").read_text()
    table = page.partition("## Users at the store")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| `")]
    shown = {cells[0].strip(" `"): [set(re.findall(r"`(\w+)`", cell)) for cell in cells[1:]] for cells in rows}

    def collections(service: str, *, deleted: bool) -> set[str]:
        return {name for name, actions in RIGHTS[service].items() if ("remove" in actions) == deleted}

    assert shown.pop(OPERATOR)
    assert shown == {
        service: [collections(service, deleted=False), collections(service, deleted=True)] for service in RIGHTS
    }
