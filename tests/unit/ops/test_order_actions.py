"""What people did to an order, in sentences."""

from contracts.order_actions import ReviewResolution
from contracts.payments import PaymentRefundFailed
from extras_service.order.state import Order
from ops.cli.trace_text import lines
from ops.core.order_actions import sentences_of
from ops.core.trace.assemble import build_story
from tests.support import orders as given


def settled() -> Order:
    """Cancelled by staff; its refund failed, and the money was given back in cash."""
    cancelled = given.after(given.confirmed(), given.cancelling_by_staff())
    failed: PaymentRefundFailed = given.refund_failed(refund_id=cancelled.refunds[0].refund_id)
    return given.after(cancelled, failed, given.resolving(ReviewResolution.SETTLED_OUTSIDE))


def test_each_sentence_says_who_did_what_when_and_why() -> None:
    at = "2026-07-01 09:00:00 UTC"

    assert sentences_of(settled()) == (
        f"{at}: cancelled by staff reception: the guest is ill",
        f"{at}: review settled outside by staff reception, €48.00: talked to the guest",
        f"{at}: refund of €48.00 requested by reception: the guest is ill",
        f"{at}: failed refund of €48.00 settled by reception: talked to the guest",
    )


def test_a_trace_says_what_people_did_also_when_the_log_has_forgotten_it() -> None:
    order = settled()

    story = build_story(order.order_id, (), (), actions=sentences_of(order))

    text = "\n".join(line.plain for line in lines(story))
    assert "cancelled by staff reception: the guest is ill" in text
    assert story.as_json()["actions"][0].endswith("cancelled by staff reception: the guest is ill")
