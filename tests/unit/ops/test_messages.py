"""What a message says of itself, and which ones a filter finds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.ids import OrderId, payment_id_of
from contracts.topology import EXTRAS_COMMANDS, EXTRAS_PAYMENTS
from ops.core.messages import Filter, RecordedMessage, queues_of

ORDER = OrderId("ord_7h3k")
FAILED = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def seen(body: bytes = b'{"order_id": "ord_7h3k"}', **changes: Any) -> RecordedMessage:
    headers = {
        "origin_queue": "extras.payments",
        "error_type": "UnknownOrderError",
        "error": "no order ord_7h3k",
        "last_failed_at": FAILED.isoformat(),
        "attempt": 6,
    }
    fields: dict[str, Any] = {
        "message_id": "m-1",
        "kind": "payments.payment-succeeded.v1",
        "correlation_id": "c-1",
        "exchange": "dead",
        "routing_key": "extras.dead",
        "headers": headers,
    }
    return RecordedMessage(body=body, **fields | changes)


def test_a_message_comes_back_from_the_store_as_it_went_in() -> None:
    for body in (b'{"a": 1}', b"\xff\x00 no text"):
        message = seen(body)

        assert RecordedMessage.model_validate(message.model_dump(mode="json")) == message


def test_the_order_is_found_also_where_the_body_does_not_parse_or_names_only_the_payment() -> None:
    assert seen(b'{"order_id": "ord_7h3k", broken').order_id == ORDER
    assert seen(b'{"payment_id": "%s"}' % payment_id_of(ORDER).encode()).order_id == ORDER
    assert seen(b"{}").order_id is None


def test_a_message_knows_the_queues_it_goes_to() -> None:
    assert list(queues_of("commands", "orders.place-order.v1")) == [EXTRAS_COMMANDS.name]
    assert seen(headers={}, exchange="events", routing_key="payments.payment-failed.v1").queues == (
        EXTRAS_PAYMENTS.name,
    )
    assert seen().queues == ("extras.payments",)


@pytest.mark.parametrize(
    "matching",
    [
        Filter(),
        Filter(queue="extras.*", kind="payments.*"),
        Filter(queue="extras.dead"),
        Filter(error="unknownorder"),
        Filter(error="no order"),
        Filter(order=ORDER, correlation="c-1"),
        Filter(since=FAILED, until=FAILED + timedelta(seconds=1)),
    ],
    ids=str,
)
def test_a_filter_finds_what_it_names(matching: Filter) -> None:
    assert matching.matches(seen())


@pytest.mark.parametrize(
    "other",
    [
        Filter(queue="psp.*"),
        Filter(kind="orders.*"),
        Filter(error="timeout"),
        Filter(order="ord_other"),
        Filter(correlation="c-2"),
        Filter(since=FAILED + timedelta(seconds=1)),
        Filter(until=FAILED),
    ],
    ids=str,
)
def test_a_filter_leaves_out_everything_else(other: Filter) -> None:
    assert not other.matches(seen())
