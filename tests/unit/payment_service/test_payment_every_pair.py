"""Every status meets every message: how each pair ends is written down here, so nothing falls through unnoticed."""

from itertools import product
from typing import get_args

import pytest

from chassis.decision import Applied
from contracts.money import Money
from payment_service.payment.decide import decide
from payment_service.payment.inputs import PaymentInput, PollDue
from payment_service.payment.state import PaymentStage
from tests.support import payments as given

MESSAGES: dict[str, PaymentInput] = {
    "create": given.create(),
    "capture": given.capture(),
    "close": given.close(),
    "erase": given.erase(),
    "session created": given.session_created(),
    "session created, other no": given.session_created(session_no=7),
    "superfluous session": given.session_created(session_no=7, reference="pi_superfluous"),
    "session failed": given.session_failed(),
    "action required": given.action_required(),
    "voucher": given.action_required(payable_until=given.at(999)),
    "held: paid in part": given.held(),
    "authorised": given.authorised(),
    "processing": given.processing(),
    "failed": given.failed(),
    "succeeded": given.succeeded(),
    "succeeded, other amount": given.succeeded(amount=Money(amount=1, currency="EUR")),
    "canceled": given.canceled(),
    "session open": given.session_open(),
    "unanswered": given.unanswered(),
    "session not known": given.session_not_known(),
    "poll due": PollDue(),
    "refund": given.refund(),
    "refund updated": given.refund_updated(),
    "refund refused": given.refund_refused(),
    "dispute": given.dispute(),
}

# One row per message; one column per status. A bare word is an outcome that changes nothing; `-> status` is applied.
TABLE = """
message                   | created         | session_open       | action_required    | processing         | authorised    | capturing     | unknown            | closing       | closed        | failed          | succeeded    | mismatched
create                    | -> created      | -> session_open    | -> action_required | stale              | -> authorised | stale         | stale              | stale         | -> created    | -> created      | -> succeeded | stale
capture                   | -> created      | -> capturing       | -> capturing       | -> capturing       | -> capturing  | -> capturing  | -> unknown         | stale         | -> closed     | -> failed       | -> succeeded | ignored
close                     | -> closed       | -> closing         | -> closing         | -> closing         | -> closing    | -> closing    | -> unknown         | -> closing    | -> closed     | -> failed       | -> succeeded | ignored
erase                     | -> created      | -> session_open    | -> action_required | -> processing      | -> authorised | -> capturing  | -> unknown         | -> closing    | -> closed     | -> failed       | -> succeeded | -> mismatched
session created           | -> session_open | stale              | stale              | stale              | stale         | stale         | stale              | stale         | stale         | -> session_open | stale        | stale
session created, other no | -> created      | stale              | stale              | stale              | stale         | stale         | stale              | stale         | stale         | -> failed       | stale        | stale
superfluous session       | -> created      | -> session_open    | -> action_required | -> processing      | -> authorised | -> capturing  | -> session_open    | -> closing    | -> closed     | -> failed       | -> succeeded | -> mismatched
session failed            | -> failed       | stale              | stale              | stale              | stale         | stale         | stale              | -> closed     | stale         | stale           | stale        | stale
action required           | stale           | -> action_required | -> action_required | -> action_required | stale         | stale         | -> action_required | stale         | stale         | stale           | stale        | stale
voucher                   | stale           | -> action_required | -> action_required | -> action_required | stale         | stale         | -> action_required | stale         | stale         | stale           | stale        | stale
held: paid in part        | stale           | -> mismatched      | -> mismatched      | -> mismatched      | -> mismatched | -> mismatched | -> mismatched      | -> mismatched | stale         | stale           | stale        | stale
authorised                | stale           | -> closing         | -> closing         | -> closing         | -> authorised | -> capturing  | -> closing         | -> closing    | stale         | stale           | stale        | stale
processing                | stale           | -> processing      | -> processing      | -> processing      | -> authorised | -> capturing  | -> processing      | -> closing    | stale         | stale           | stale        | stale
failed                    | stale           | -> session_open    | -> session_open    | -> session_open    | -> closing    | -> closing    | -> session_open    | -> closing    | stale         | stale           | stale        | stale
succeeded                 | -> created      | -> succeeded       | -> succeeded       | -> succeeded       | -> succeeded  | -> succeeded  | -> succeeded       | -> succeeded  | -> succeeded  | -> failed       | ignored      | ignored
succeeded, other amount   | -> created      | -> mismatched      | -> mismatched      | -> mismatched      | -> mismatched | -> mismatched | -> mismatched      | -> mismatched | -> mismatched | -> failed       | ignored      | ignored
canceled                  | stale           | -> closed          | -> closed          | -> closed          | -> closed     | -> closed     | -> closed          | -> closed     | stale         | stale           | stale        | stale
session open              | stale           | -> session_open    | -> session_open    | -> session_open    | -> closing    | -> closing    | -> session_open    | -> closing    | stale         | stale           | stale        | stale
unanswered                | -> unknown      | -> unknown         | -> unknown         | -> unknown         | -> unknown    | -> unknown    | stale              | -> unknown    | stale         | stale           | stale        | stale
session not known         | -> unknown      | -> unknown         | -> unknown         | -> unknown         | -> unknown    | -> unknown    | -> unknown         | -> unknown    | stale         | stale           | stale        | stale
poll due                  | -> created      | -> session_open    | -> action_required | -> processing      | -> authorised | -> capturing  | -> unknown         | -> closing    | stale         | stale           | stale        | stale
refund                    | -> created      | -> session_open    | -> action_required | -> processing      | -> authorised | -> capturing  | -> unknown         | -> closing    | -> closed     | -> failed       | -> succeeded | -> mismatched
refund updated            | -> created      | -> session_open    | -> action_required | -> processing      | -> authorised | -> capturing  | -> unknown         | -> closing    | -> closed     | -> failed       | -> succeeded | -> mismatched
refund refused            | stale           | stale              | stale              | stale              | stale         | stale         | stale              | stale         | stale         | stale           | stale        | stale
dispute                   | -> created      | -> session_open    | -> action_required | -> processing      | -> authorised | -> capturing  | -> unknown         | -> closing    | -> closed     | -> failed       | -> succeeded | -> mismatched
"""  # noqa: E501  a table is read by its columns


def _rows() -> dict[tuple[PaymentStage, str], str]:
    (_, *statuses), *rows = ([cell.strip() for cell in row.split("|")] for row in TABLE.strip().splitlines())
    return {
        (PaymentStage(status), message): cell
        for message, *cells in rows
        for status, cell in zip(statuses, cells, strict=True)
    }


EXPECTED = _rows()


@pytest.mark.parametrize(("status", "message"), list(EXPECTED), ids=str)
def test_a_status_meets_a_message(status: PaymentStage, message: str) -> None:
    payment = given.in_status(status)

    ended = decide(payment, MESSAGES[message], payment.due_at or given.NOW)

    assert (f"-> {ended.state.status}" if isinstance(ended, Applied) else ended.name) == EXPECTED[status, message]


def test_the_table_names_every_pair() -> None:
    assert set(EXPECTED) == set(product(PaymentStage, MESSAGES))


def test_the_table_knows_every_message_type() -> None:
    assert {type(message) for message in MESSAGES.values()} == set(get_args(PaymentInput))


@pytest.mark.parametrize("status", PaymentStage)
def test_the_builder_leads_to_the_status_it_names(status: PaymentStage) -> None:
    assert given.in_status(status).status is status
