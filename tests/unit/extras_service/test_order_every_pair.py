"""Every status meets every message: how each pair ends is written down here, so nothing falls through unnoticed."""

from itertools import product
from typing import get_args

import pytest

from chassis.decision import Applied
from contracts.money import Money
from contracts.order_actions import ReviewResolution
from contracts.orders import OrderStatus
from extras_service.order.decide import decide
from extras_service.order.inputs import DeadlinePassed, HoldsConfirmed, HoldsLost, OrderInput, RetentionPassed
from tests.support import orders as given

MESSAGES: dict[str, OrderInput] = {
    "place again": given.placing(),
    "place other lines": given.placing(given.line(quantity=1)),
    "start": given.starting(given.pending_reply()),
    "start by another guest": given.starting(given.pending_reply(), guest_id="guest-mallory"),
    "holds confirmed": HoldsConfirmed(),
    "holds lost": HoldsLost(),
    "deadline": DeadlinePassed(),
    "session created": given.session_created(),
    "session failed": given.session_failed(),
    "instructions issued": given.instructions_issued(),
    "processing": given.processing(),
    "failed": given.failed(),
    "succeeded": given.succeeded(),
    "succeeded, other amount": given.succeeded(Money(amount=1, currency="EUR")),
    "mismatched": given.mismatched(),
    "authorised": given.authorised(),
    "approve": given.approving(),
    "approve without its line": given.approving_without(0),
    "approve by staff elsewhere": given.approving("kamogawa"),
    "decline": given.declining(),
    "erase": given.erasing(),
    "erase at another property": given.erasing("kamogawa"),
    "retention passed": RetentionPassed(),
    "session closed": given.session_closed(),
    "unresolved": given.unresolved(),
    "cancel": given.cancelling_by_guest(),
    "cancel by another guest": given.cancelling_by_guest("guest-mallory"),
    "cancel by staff": given.cancelling_by_staff(),
    "cancel by staff elsewhere": given.cancelling_by_staff("kamogawa"),
    "fulfil": given.fulfilling(),
    "fulfil a line": given.fulfilling_lines(0),
    "refund": given.refunding(),
    "refund too much": given.refunding(999_999),
    "review: accept": given.resolving(ReviewResolution.ACCEPT),
    "review: refund": given.resolving(ReviewResolution.REFUND),
    "review: settled outside": given.resolving(ReviewResolution.SETTLED_OUTSIDE),
    "refund again": given.retrying(),
    "settle refund outside": given.settling_outside(),
    "refunded": given.refunded(),
    "refund failed": given.refund_failed(),
    "refund unanswered": given.refund_unanswered(),
    "disputed": given.disputed(),
    "dispute lost": given.dispute_closed(won=False),
}

# One row per message; one column per status. A bare word is an outcome that changes nothing; `-> status` is applied.
TABLE = """
message                    | pending_payment      | awaiting_approval    | capturing       | expiring        | cancelling      | expired         | cancelled       | declined        | confirmed    | fulfilled    | needs_review
place again                | duplicate            | duplicate            | duplicate       | duplicate       | duplicate       | duplicate       | duplicate       | duplicate       | duplicate    | duplicate    | duplicate
place other lines          | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | refused
start                      | ignored              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | refused
start by another guest     | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | refused
holds confirmed            | ignored              | stale                | stale           | stale           | stale           | stale           | stale           | stale           | stale        | stale        | ignored
holds lost                 | ignored              | stale                | stale           | stale           | stale           | stale           | stale           | stale           | stale        | stale        | ignored
deadline                   | -> expiring          | stale                | stale           | stale           | stale           | stale           | stale           | stale           | stale        | stale        | ignored
session created            | -> pending_payment   | stale                | stale           | -> expiring     | -> cancelling   | -> expired      | -> cancelled    | -> declined     | stale        | stale        | -> needs_review
session failed             | -> pending_payment   | stale                | stale           | stale           | stale           | stale           | stale           | stale           | stale        | stale        | ignored
instructions issued        | -> pending_payment   | stale                | stale           | stale           | stale           | stale           | stale           | stale           | stale        | stale        | ignored
processing                 | -> pending_payment   | stale                | stale           | -> expiring     | -> cancelling   | stale           | stale           | stale           | stale        | stale        | ignored
failed                     | -> pending_payment   | stale                | stale           | -> expiring     | -> cancelling   | stale           | stale           | stale           | stale        | stale        | ignored
succeeded                  | -> confirmed         | -> needs_review      | -> confirmed    | -> confirmed    | -> cancelled    | -> cancelled    | -> cancelled    | -> declined     | ignored      | ignored      | -> needs_review
succeeded, other amount    | -> needs_review      | -> needs_review      | -> needs_review | -> needs_review | -> cancelled    | -> cancelled    | -> cancelled    | -> declined     | ignored      | ignored      | -> needs_review
mismatched                 | -> needs_review      | -> needs_review      | -> needs_review | -> needs_review | -> needs_review | -> needs_review | -> needs_review | -> needs_review | stale        | stale        | -> needs_review
authorised                 | -> awaiting_approval | ignored              | -> capturing    | -> expiring     | -> cancelling   | -> expired      | -> cancelled    | -> declined     | stale        | stale        | -> needs_review
approve                    | refused              | -> capturing         | ignored         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | refused
approve without its line   | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | refused
approve by staff elsewhere | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | refused
decline                    | refused              | -> cancelling        | refused         | refused         | refused         | refused         | refused         | ignored         | refused      | refused      | refused
erase                      | -> pending_payment   | -> awaiting_approval | -> capturing    | -> expiring     | -> cancelling   | -> expired      | -> cancelled    | -> declined     | -> confirmed | -> fulfilled | -> needs_review
erase at another property  | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | refused
retention passed           | -> pending_payment   | -> awaiting_approval | -> capturing    | -> expiring     | -> cancelling   | -> expired      | -> cancelled    | -> declined     | -> confirmed | -> fulfilled | -> needs_review
session closed             | -> pending_payment   | -> declined          | -> declined     | -> expired      | -> cancelled    | stale           | stale           | stale           | stale        | stale        | ignored
unresolved                 | -> needs_review      | -> needs_review      | -> needs_review | -> needs_review | -> needs_review | -> needs_review | -> needs_review | -> needs_review | stale        | stale        | ignored
cancel                     | -> cancelling        | -> cancelling        | -> cancelling   | -> cancelling   | ignored         | refused         | ignored         | ignored         | -> cancelled | refused      | refused
cancel by another guest    | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | refused
cancel by staff            | -> cancelling        | -> cancelling        | -> cancelling   | -> cancelling   | ignored         | refused         | ignored         | ignored         | -> cancelled | refused      | refused
cancel by staff elsewhere  | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | refused
fulfil                     | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | -> fulfilled | ignored      | refused
fulfil a line              | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | -> fulfilled | ignored      | refused
refund                     | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | -> confirmed | -> fulfilled | refused
refund too much            | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | refused
review: accept             | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | -> confirmed
review: refund             | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | -> cancelled
review: settled outside    | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | -> cancelled
refund again               | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | refused
settle refund outside      | refused              | refused              | refused         | refused         | refused         | refused         | refused         | refused         | refused      | refused      | refused
refunded                   | -> pending_payment   | -> awaiting_approval | -> capturing    | -> expiring     | -> cancelling   | -> expired      | -> cancelled    | -> declined     | -> confirmed | -> fulfilled | -> needs_review
refund failed              | -> pending_payment   | -> awaiting_approval | -> capturing    | -> expiring     | -> cancelling   | -> needs_review | -> needs_review | -> needs_review | -> confirmed | -> fulfilled | -> needs_review
refund unanswered          | -> pending_payment   | -> awaiting_approval | -> capturing    | -> expiring     | -> cancelling   | -> needs_review | -> needs_review | -> needs_review | -> confirmed | -> fulfilled | -> needs_review
disputed                   | -> pending_payment   | -> awaiting_approval | -> capturing    | -> expiring     | -> cancelling   | -> expired      | -> cancelled    | -> declined     | -> confirmed | -> fulfilled | -> needs_review
dispute lost               | -> pending_payment   | -> awaiting_approval | -> capturing    | -> expiring     | -> cancelling   | -> expired      | -> cancelled    | -> declined     | -> confirmed | -> fulfilled | -> needs_review
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
