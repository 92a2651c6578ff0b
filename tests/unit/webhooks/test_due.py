"""Which webhook an event asks for."""

from typing import Any, get_args

import pytest

from contracts.approvals import OrderApprovalNeeded, OrderDeclined
from contracts.message import Message, parse
from contracts.order_receipts import ReceiptIssued, ReceiptKind
from contracts.orders import OrderCancelled, OrderFulfilled, OrderNeedsReview, OrderPaymentChanged, OrderRefundFailed
from contracts.topology import WEBHOOK_EVENTS
from contracts.webhooks import WebhookType
from tests.support.examples import FOLDER
from webhooks.due import ReportedEvent, subject_of


def sample(of: type[Message]) -> Any:
    kind = of.wire_kind()
    return parse(kind, (FOLDER / f"{kind}.json").read_bytes())


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (OrderCancelled, WebhookType.CANCELLED),
        (OrderDeclined, WebhookType.CANCELLED),
        (OrderApprovalNeeded, WebhookType.APPROVAL_NEEDED),
        (OrderPaymentChanged, WebhookType.CHANGED),
        (OrderFulfilled, WebhookType.CHANGED),
        (OrderNeedsReview, WebhookType.CHANGED),
        (OrderRefundFailed, WebhookType.CHANGED),
    ],
)
def test_each_event_has_its_webhook(event: type[Message], kind: WebhookType) -> None:
    assert subject_of(sample(event), "m-1").type is kind


@pytest.mark.parametrize(
    ("receipt", "kind"),
    [
        (ReceiptKind.PAYMENT, WebhookType.CONFIRMED),
        (ReceiptKind.REFUND, WebhookType.REFUNDED),
        (ReceiptKind.REFUND_FAILED, WebhookType.REFUNDED),
    ],
)
def test_a_receipt_is_reported_with_its_place_whatever_message_says_so(receipt: ReceiptKind, kind: WebhookType) -> None:
    event = sample(ReceiptIssued)
    changed = event.model_copy(update={"receipt": event.receipt.model_copy(update={"receipt_kind": receipt})})

    first, again = subject_of(changed, "m-1"), subject_of(changed, "m-2")

    assert first == again
    assert (first.type, first.receipt) == (kind, event.receipt.sequence)


def test_what_may_happen_twice_is_told_apart_by_its_message() -> None:
    event = sample(OrderPaymentChanged)

    assert subject_of(event, "m-1") != subject_of(event, "m-2")


def test_every_reported_event_is_bound_to_the_queue() -> None:
    bound = {binding.routing_key for binding in WEBHOOK_EVENTS.bindings}
    assert {each.wire_kind() for each in get_args(ReportedEvent)} <= bound
