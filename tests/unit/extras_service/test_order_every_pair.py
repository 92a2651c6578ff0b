"""Every status meets every message: how each pair ends is written down here, so nothing falls through unnoticed."""

from itertools import product
from typing import get_args

import pytest

from chassis.decision import Applied
from contracts.money import Money
from contracts.orders import OrderStatus
from extras_service.order import DeadlinePassed, OrderInput, decide
from tests.unit.extras_service import given

MESSAGES: dict[str, OrderInput] = {
    "place again": given.placing(),
    "place other lines": given.placing(given.line(quantity=1)),
    "start": given.starting(given.waiter()),
    "start by another guest": given.starting(given.waiter(), guest_id="guest-mallory"),
    "deadline": DeadlinePassed(),
    "session created": given.session_created(),
    "session failed": given.session_failed(),
    "processing": given.processing(),
    "failed": given.failed(),
    "succeeded": given.succeeded(),
    "succeeded, other amount": given.succeeded(Money(amount=1, currency="EUR")),
    "mismatched": given.mismatched(),
    "session closed": given.session_closed(),
}

# One row per message; one column per status. A bare word is an outcome that changes nothing; `-> status` is applied.
TABLE = """
message                 | pending_payment    | expiring        | expired         | confirmed | needs_review | fulfilled | cancelling | cancelled
place again             | duplicate          | duplicate       | duplicate       | duplicate | duplicate    | duplicate | duplicate  | duplicate
place other lines       | refused            | refused         | refused         | refused   | refused      | refused   | refused    | refused
start                   | ignored            | refused         | refused         | refused   | refused      | refused   | refused    | refused
start by another guest  | refused            | refused         | refused         | refused   | refused      | refused   | refused    | refused
deadline                | -> expiring        | stale           | stale           | stale     | ignored      | stale     | stale      | stale
session created         | -> pending_payment | stale           | stale           | stale     | ignored      | stale     | stale      | stale
session failed          | -> pending_payment | stale           | stale           | stale     | ignored      | stale     | stale      | stale
processing              | -> pending_payment | -> expiring     | stale           | stale     | ignored      | stale     | stale      | stale
failed                  | -> pending_payment | -> expiring     | stale           | stale     | ignored      | stale     | stale      | stale
succeeded               | -> confirmed       | -> confirmed    | -> needs_review | ignored   | ignored      | stale     | stale      | stale
succeeded, other amount | -> needs_review    | -> needs_review | -> needs_review | ignored   | ignored      | stale     | stale      | stale
mismatched              | -> needs_review    | -> needs_review | -> needs_review | stale     | ignored      | stale     | stale      | stale
session closed          | -> pending_payment | -> expired      | stale           | stale     | ignored      | stale     | stale      | stale
"""  # noqa: E501  a table is read by its columns


def _rows() -> dict[tuple[OrderStatus, str], str]:
    (_, *statuses), *rows = ([cell.strip() for cell in row.split("|")] for row in TABLE.strip().splitlines())
    return {
        (OrderStatus(status), message): cell
        for message, *cells in rows
        for status, cell in zip(statuses, cells, strict=True)
    }


EXPECTED = _rows()


@pytest.mark.parametrize(("status", "message"), list(EXPECTED), ids=str)
def test_a_status_meets_a_message(status: OrderStatus, message: str) -> None:
    order = given.in_status(status)

    ended = decide(order, MESSAGES[message], given.DEADLINE)

    assert (f"-> {ended.state.status}" if isinstance(ended, Applied) else ended.name) == EXPECTED[status, message]


def test_the_table_names_every_pair() -> None:
    assert set(EXPECTED) == set(product(OrderStatus, MESSAGES))


def test_the_table_knows_every_message_type() -> None:
    assert {type(message) for message in MESSAGES.values()} == set(get_args(OrderInput))
