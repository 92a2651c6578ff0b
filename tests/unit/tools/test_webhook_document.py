"""The document of the webhooks describes every type of them, and what the service really sends."""

import json
from typing import Any

import jsonschema_rs
import pytest

from contracts.ids import WebhookId
from contracts.orders import OrderStatus
from contracts.webhooks import OF_ORDERS, WebhookType
from tests.support import mails
from tests.support import orders as given
from tests.support.webhooks import PMS
from tools.webhook_document import FILE, described, text
from webhooks.body import body_of, body_of_test
from webhooks.feed.state import Feed, WebhookEntry

DOCUMENT = described()


def schema_of(kind: WebhookType) -> dict[str, Any]:
    body = DOCUMENT["webhooks"][kind.value]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return {**body, "components": DOCUMENT["components"]}


def test_the_stored_one_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run `python -m tools.webhook_document --write`"


def test_it_has_every_type_with_an_operation_of_its_own() -> None:
    operations = {name: each["post"]["operationId"] for name, each in DOCUMENT["webhooks"].items()}

    assert operations == {kind.value: kind.value for kind in WebhookType}


@pytest.mark.parametrize("kind", OF_ORDERS)
@pytest.mark.parametrize("status", OrderStatus)
def test_what_is_sent_about_an_order_is_as_described(kind: WebhookType, status: OrderStatus) -> None:
    entry = WebhookEntry(webhook_id=WebhookId("msg_1"), type=kind, receipt=1, noted_at=given.NOW)

    body = body_of(entry, mails.described(given.in_status(status)), order_version=3)

    jsonschema_rs.validate(schema_of(kind), json.loads(body.text))


def test_a_test_is_as_described() -> None:
    entry = WebhookEntry(webhook_id=WebhookId("msg_1"), type=WebhookType.TEST, noted_at=given.NOW)
    feed = Feed(
        subscriber_id=PMS,
        order_id=given.ORDER_ID,
        property_id=given.guest().property_id,
        created_at=given.NOW,
        entries=(entry,),
    )

    jsonschema_rs.validate(schema_of(WebhookType.TEST), json.loads(body_of_test(feed, entry).text))


def test_what_is_not_a_body_is_refused() -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(schema_of(WebhookType.CONFIRMED), {"type": "order.confirmed", "data": {}})
