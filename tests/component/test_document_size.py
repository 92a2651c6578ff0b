"""A document stays small, however often something happens to it."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import bson
import pytest

from chassis.decision import Applied, StateT
from chassis.messaging.envelope import Delivery, Envelope
from chassis.storage.write_path import WritePath
from contracts.ids import RefundId
from contracts.psp import PspRefundState
from extras_service.order.decide import decide as decide_order
from extras_service.order.state import Order
from payment_service.payment.decide import decide as decide_payment
from payment_service.payment.state import Payment
from tests.support import orders, payments
from tests.support.fake_store import FakeDocuments

REFUNDS = 200
HISTORY = 16 * 1024
"""Bytes of a history and handled ids, however many messages there were; each refund adds to the state besides."""
REFUND = 512
"""Bytes of one refund in a state, with reasons of usual length."""
TEXT = 500
"""Characters of the longest reason that staff can give."""


class Everywhere:
    async def publish(self, envelope: Envelope) -> None:
        """Taken."""


async def after(
    state_type: type[StateT], decide: Callable[[Any, Any, datetime], Any], begin: StateT, messages: Iterable[Any]
) -> tuple[dict[str, Any], int]:
    """The document after these messages, and the size of the largest that was written, without its outbox."""
    documents, largest = FakeDocuments(state_type), 0

    def decided(state: Any, message: Any, now: datetime) -> Any:
        return Applied(begin) if state is None else decide(state, message, now)

    path = WritePath(documents, Everywhere(), decided, clock=lambda: orders.NOW)
    await path.handle("doc_1", None, Delivery("first", "c", "test.v1"))
    for number, message in enumerate(messages):
        ids = f"{payments.PAYMENT_ID}.{number}.0.{number:016x}"
        handled = await path.handle("doc_1", message, Delivery(ids, "c", message.kind))
        assert isinstance(handled.outcome, Applied), handled
        largest = max(largest, len(bson.encode({**documents.raw["doc_1"], "outbox": []})))
    return documents.raw["doc_1"], largest


def of_order() -> Iterable[Any]:
    for number in range(1, REFUNDS + 1):
        refund_id = RefundId(f"ref_{number:026}")
        yield orders.refunding(1, refund_id=refund_id)
        yield orders.refunded(number, refund_id=refund_id, fact_no=number)


def of_payment() -> Iterable[Any]:
    for number in range(1, REFUNDS + 1):
        refund_id = RefundId(f"ref_{number:026}")
        yield payments.refund(1, refund_id)
        yield payments.refund_updated(PspRefundState.SUCCEEDED, amount=1, refund_id=refund_id)


def size_without_state(document: dict[str, Any]) -> int:
    return len(bson.encode({**document, "state": {}, "outbox": []}))


async def test_an_order_with_two_hundred_refunds_stays_small() -> None:
    document, largest = await after(Order, decide_order, orders.confirmed(), of_order())

    assert document["version"] == 2 * REFUNDS + 1
    assert size_without_state(document) < HISTORY
    assert largest < HISTORY + REFUNDS * REFUND


async def test_a_payment_with_two_hundred_refunds_stays_small() -> None:
    paid = payments.after(payments.payable(), payments.succeeded())

    document, largest = await after(Payment, decide_payment, paid, of_payment())

    assert document["version"] == 2 * REFUNDS + 1
    assert size_without_state(document) < HISTORY
    assert largest < HISTORY + REFUNDS * REFUND


@pytest.mark.parametrize("character", ["a", "é", "\N{GRINNING FACE}"])
async def test_the_longest_reasons_add_no_more_than_themselves(character: str) -> None:
    reason = character * TEXT
    messages = [
        message.model_copy(update={"reason": reason}) if hasattr(message, "reason") else message
        for message in of_order()
    ]

    document, largest = await after(Order, decide_order, orders.confirmed(), messages)

    assert size_without_state(document) < HISTORY
    assert largest < HISTORY + REFUNDS * (REFUND + len(reason.encode()))
