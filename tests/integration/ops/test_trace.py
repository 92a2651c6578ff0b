"""The story of orders that really went through the system."""

import json
import uuid
from pathlib import Path

import aio_pika
import pytest

from ops.core.message_log import excerpt
from ops.core.target import Target
from ops.core.trace.collect import UnknownOrderError, story_of
from ops.core.trace.model import Participant, Step, StepKind, Story
from tests.support.desk import cancel, intent_of
from tests.support.guest import LATE_CHECKOUT, STAY_DAY, Json, body
from tests.support.operator import Operator
from tests.support.system import PROCESSING_CARD, System
from tests.support.waiting import until

LOST = {"close_after_effect": {"next": 4, "match": "POST /v1/payment_intents"}}
MASSAGE: Json = {"extra_id": "alm-massage", "quantity": 1, "day": STAY_DAY}


async def traced_until(target: Target, order_id: str, ends_with: str) -> Story:
    """The story, once it has that step: the log is written a moment after the guest is answered."""

    async def complete() -> Story | None:
        story = await story_of(target, order_id)
        return story if any(step.what == ends_with for step in story.steps) else None

    return await until(complete, f"the story of {order_id} tells of {ends_with}")


def of(story: Story, *kinds: StepKind) -> list[Step]:
    return [step for step in story.steps if step.kind in kinds]


async def test_the_story_of_a_paid_order_goes_from_the_request_to_the_confirmation_with_the_retry_on_its_way(
    system: System, target: Target
) -> None:
    guest = system.guest()
    order_id = (await guest.order(LATE_CHECKOUT))["order_id"]
    async with system.faults(api=LOST):
        session = await guest.session(order_id)
    body(await system.pay(session), 200)
    await guest.sees(order_id, status="confirmed")

    story = await traced_until(target, order_id, "ReceiptIssued")

    assert story.summary == {"order": "confirmed / paid", "payment": "succeeded"}
    assert [step.what for step in of(story, StepKind.REQUEST)] == [
        "POST /v1/orders",
        "POST /v1/orders/…/payment-session",
    ]
    assert [(step.sender, step.what, step.receivers) for step in of(story, StepKind.COMMAND, StepKind.EVENT)] == [
        (Participant.GATEWAY, "PlaceOrder", (Participant.EXTRAS,)),
        (Participant.EXTRAS, "OrderPendingPayment", ()),
        (Participant.GATEWAY, "StartPayment", (Participant.EXTRAS,)),
        (Participant.EXTRAS, "CreatePaymentSession", (Participant.PAYMENTS,)),
        (Participant.PAYMENTS, "CreatePspSession", (Participant.ADAPTER,)),
        (Participant.ADAPTER, "PspSessionCreated", (Participant.PAYMENTS,)),
        (Participant.PAYMENTS, "PaymentSessionCreated", (Participant.EXTRAS,)),
        (Participant.ADAPTER, "PspPaymentSucceeded", (Participant.PAYMENTS,)),
        (Participant.PAYMENTS, "PaymentSucceeded", (Participant.EXTRAS,)),
        (Participant.EXTRAS, "OrderConfirmed", ()),
        (Participant.EXTRAS, "ReceiptIssued", (Participant.EXTRAS, Participant.MAIL, Participant.WEBHOOKS)),
    ]
    # Each document by itself: every service estimates the store's clock, and a busy machine estimates it wrong.
    transitions = [step.what for step in of(story, StepKind.TRANSITION)]
    assert [what for what in transitions if what.startswith("order: ")] == [
        "order: pending_payment / unpaid",
        "order: still pending_payment / unpaid",
        "order: still pending_payment / unpaid",
        "order: confirmed / paid",
    ]
    assert [what for what in transitions if what.startswith("payment: ")] == [
        "payment: created",
        "payment: session_open",
        "payment: succeeded",
    ]
    assert len(transitions) == 7
    (retry,) = of(story, StepKind.RETRY)
    assert (retry.sender, retry.what, retry.attempt) == (Participant.ADAPTER, "CreatePspSession", 1)
    assert retry.detail.startswith("PspUnavailableError: the PSP failed while opening a session")
    assert retry.detail.endswith("; again in 1 s")
    assert len(of(story, StepKind.LOST_CALL)) == 4
    (call,) = of(story, StepKind.CALL)
    assert call.what.startswith("POST /v1/payment_intents 200 in ")
    (webhook,) = of(story, StepKind.WEBHOOK)
    assert webhook.what.endswith(" payment_intent.succeeded")
    # Not whether each is exact, for the same reason.
    moments = {step.number: step.at for step in story.steps}
    assert all(step.cause is None or moments[step.cause] <= step.at for step in story.steps)
    beginnings = [step.kind for step in story.steps if step.cause is None]
    assert beginnings == [StepKind.REQUEST, StepKind.REQUEST, StepKind.WEBHOOK]


async def test_a_late_payment_is_reported_with_its_refund(system: System, target: Target) -> None:
    guest = system.guest()
    order_id = (await guest.order(MASSAGE))["order_id"]
    body(await system.pay(await guest.session(order_id), PROCESSING_CARD), 200)
    await guest.sees(order_id, payment_status="processing")
    body(await cancel(guest, order_id), 200)
    intent = await intent_of(system, order_id)
    await system.switch(f"payment_intents/{intent['id']}/settle", {"outcome": "succeed"})
    await guest.sees(order_id, payment_status="refunded")

    story = await traced_until(target, order_id, "OrderPaymentChanged")

    names = [step.what for step in story.steps]
    assert story.summary["order"] == "cancelled / refunded"
    assert "POST /v1/orders/…/cancel" in names
    assert names.index("PaymentSucceeded") < names.index("RefundPayment") < names.index("CreatePspRefund")
    assert any(what.startswith("POST /v1/refunds 200 in ") for what in names)
    held, confirmed, given_back = (step for step in story.steps if step.what.startswith(f"alm-massage on {STAY_DAY}: "))
    by_number = {step.number: step for step in story.steps}
    assert {by_number[step.cause or 0].what for step in (held, confirmed)} == {"PlaceOrder"}
    assert by_number[given_back.cause or 0].what == "OrderCancelled"


async def test_on_a_long_log_the_story_is_read_around_the_changes_and_is_the_same(
    system: System, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = system.guest()
    order_id = (await guest.order(LATE_CHECKOUT))["order_id"]
    body(await system.pay(await guest.session(order_id)), 200)
    await guest.sees(order_id, status="confirmed")
    by_all = await traced_until(target, order_id, "OrderConfirmed")

    monkeypatch.setattr(excerpt, "READ_AT_ONCE", 1)
    story = await story_of(target, order_id)
    whole = await story_of(target, order_id, whole_log=True)

    assert story.steps == whole.steps == by_all.steps
    assert "sent within 2 seconds of a change were read" in " ".join(story.remarks)
    assert whole.remarks == by_all.remarks


async def test_a_message_that_was_parked_is_reported_with_its_error(system: System, target: Target) -> None:
    guest = system.guest()
    order_id = (await guest.order())["order_id"]
    kind = "payments.payment-processing.v1"
    async with system.channel() as channel:
        events = await channel.get_exchange("events", ensure=False)
        broken = json.dumps({"order_id": order_id, "kind": kind}).encode()
        sent = aio_pika.Message(broken, type=kind, message_id=uuid.uuid4().hex, delivery_mode=2, user_id=system.login)
        await events.publish(sent, kind)
    await system.take("extras.dead")

    async def parked() -> Step | None:
        story = await story_of(target, "pay_" + order_id.removeprefix("ord_"))
        return next(iter(of(story, StepKind.PARKING)), None)

    step = await until(parked, "the story tells of the parking")
    assert (step.sender, step.what, step.attempt) == (Participant.EXTRAS, "PaymentProcessing", 1)
    assert step.detail.startswith("MalformedMessageError: ")


async def test_an_order_the_log_has_forgotten_is_reported_from_its_documents(system: System, target: Target) -> None:
    guest = system.guest()
    order_id = (await guest.order())["order_id"]
    document = await system.document(order_id)
    assert document
    forgotten = "ord_" + uuid.uuid4().hex[:26]
    await system.documents["orders"].insert_one({**document, "_id": forgotten, "outbox": []})

    story = await story_of(target, forgotten)

    assert [step.kind for step in story.steps] == [StepKind.TRANSITION]
    assert "The log has no messages of it any more: this is from its documents' histories." in story.remarks


@pytest.mark.parametrize("wanted", ["ord_" + "q" * 26, "pay_" + "q" * 26, "evt_1", "ord_"])
async def test_an_unknown_order_is_named_in_a_sentence(system: System, target: Target, wanted: str) -> None:
    with pytest.raises(UnknownOrderError, match=wanted):
        await story_of(target, wanted)


async def test_the_command_prints_a_story_and_says_of_an_unknown_order_that_it_is_unknown(
    system: System, target: Target
) -> None:
    order_id = (await system.guest().order())["order_id"]
    await traced_until(target, order_id, "OrderPendingPayment")
    operator = Operator(system)

    text = await operator.runs("trace", order_id)
    program = await operator.json("trace", "pay_" + order_id.removeprefix("ord_"))
    unknown = await operator.runs("trace", "ord_" + "q" * 26, code=2)

    assert "gateway → extras      PlaceOrder" in text.said
    assert program["steps"][-1]["what"] == "OrderPendingPayment"
    assert "Nothing is known of ord_q" in unknown.said


async def test_the_command_draws_a_story_into_files_and_says_when_it_cannot(
    system: System, target: Target, tmp_path: Path
) -> None:
    order_id = (await system.guest().order())["order_id"]
    await traced_until(target, order_id, "OrderPendingPayment")
    operator = Operator(system)
    drawn, page = tmp_path / "order.svg", tmp_path / "order.html"

    mermaid = await operator.runs("trace", order_id, "--mermaid")
    await operator.runs("trace", order_id, "--svg", str(drawn), "--html", str(page))
    refused = await operator.runs("trace", order_id, "--svg", str(tmp_path / "nowhere" / "order.svg"), code=1)

    assert "gateway->>extras: PlaceOrder" in mermaid.said
    assert drawn.read_text().startswith("<svg ")
    assert drawn.read_text() in page.read_text()
    assert "cannot be written: No such file or directory." in refused.said
