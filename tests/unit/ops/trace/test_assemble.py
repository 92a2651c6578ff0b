"""What is made of the log's messages and the documents' histories."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.messaging.own_causes import ATTEMPT, BY_OPERATOR
from chassis.storage.history import Transition
from ops.core.messages import RecordedMessage
from ops.core.trace.assemble import DocumentHistory, build_story
from ops.core.trace.model import Participant, Step, StepKind, Story
from tests.unit.ops.trace.stored import NAMES, messages, story

ORDER = "ord_7h3k"
NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
PLACE, PENDING, PROCESSING = (
    "orders.place-order.v1",
    "orders.order-pending-payment.v1",
    "payments.payment-processing.v1",
)


def after(milliseconds: int) -> datetime:
    return NOW + timedelta(milliseconds=milliseconds)


def seen(message_id: str, kind: str, at: int | None, *, exchange: str = "events", **changes: Any) -> RecordedMessage:
    headers = changes.pop("headers", {})
    if at is not None:
        headers = headers | {"sent_at_ms": int(after(at).timestamp() * 1000)}
    fields: dict[str, Any] = {"sent_at": NOW, "routing_key": kind, "correlation_id": "c-1"}
    return RecordedMessage(
        message_id=message_id,
        kind=kind,
        body=b'{"order_id": "ord_7h3k"}',
        exchange=exchange,
        headers=headers,
        **fields | changes,
    )


def order(*changes: Transition) -> DocumentHistory:
    summary = changes[-1].summary if changes else ""
    return DocumentHistory(Participant.EXTRAS, ORDER, "order", summary, changes)


def steps_of(build_story: Story) -> list[str]:
    return [step.what for step in build_story.steps]


def by_what(build_story: Story, what: str) -> Step:
    (step,) = (step for step in build_story.steps if step.what == what)
    return step


PLACED = seen("http.1", PLACE, 0, exchange="commands", sender="gateway", headers={"http": "POST /v1/orders"})
BORN = seen("ord_7h3k.1.0", PENDING, 12, sender="extras-service", causation_id="http.1")
FIRST = Transition(1, after(10), "http.1", PLACE, "pending")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_stands_before_what_caused_it_and_depth_grows_from_the_beginnings(name: str) -> None:
    by_number = {step.number: step for step in story(name).steps}

    for step in by_number.values():
        if step.cause is None:
            assert step.depth == 0
        else:
            assert step.cause < step.number
            assert step.depth - by_number[step.cause].depth in (0, 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_story_loses_no_message(name: str) -> None:
    steps = story(name).steps

    build_story = [step.message_id for step in steps if step.kind in (StepKind.COMMAND, StepKind.EVENT)]
    assert build_story == [message.message_id for message in messages(name) if message.exchange != "failures"]
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))


def test_a_message_leads_to_a_change_and_the_change_to_what_it_sends() -> None:
    it = build_story(ORDER, [PLACED, BORN], [order(FIRST)])

    assert steps_of(it) == ["POST /v1/orders", "PlaceOrder", "order: pending", "OrderPendingPayment"]
    assert [step.cause for step in it.steps] == [None, 1, 2, 3]
    assert [step.depth for step in it.steps] == [0, 1, 2, 2]


def test_a_cause_comes_first_although_its_clock_is_behind() -> None:
    early = Transition(1, after(-500), "http.1", PLACE, "pending")
    late = Transition(1, after(900), "http.1", PLACE, "pending")

    for change in (early, late):
        assert steps_of(build_story(ORDER, [PLACED, BORN], [order(change)]))[1:3] == ["PlaceOrder", "order: pending"]


def test_messages_keep_the_order_of_the_log_although_their_clocks_differ() -> None:
    other = seen("m-2", PROCESSING, -200, sender="payment-service")

    assert steps_of(build_story(ORDER, [PLACED, other], []))[1:] == ["PlaceOrder", "PaymentProcessing"]


def test_a_webhook_stands_before_its_report_and_not_before_the_order_although_the_psps_clock_is_behind() -> None:
    note = {"psp": "webhook payment_intent.succeeded"}
    report = seen("psp.evt_1", "psp.psp-payment-succeeded.v1", -700, sender="psp-adapter", headers=note)

    it = build_story(ORDER, [PLACED, report], [])

    assert steps_of(it)[1:] == ["PlaceOrder", "webhook payment_intent.succeeded", "PspPaymentSucceeded"]


def test_the_changes_of_a_document_keep_their_order_although_its_clock_was_put_back() -> None:
    second = Transition(2, after(-2000), "m-2", PROCESSING, "confirmed")
    cause = seen("m-2", PROCESSING, -3000)
    late = Transition(1, after(900), "http.1", PLACE, "pending")

    it = build_story(ORDER, [PLACED, cause], [order(late, second)])

    assert steps_of(it)[1:] == ["PlaceOrder", "PaymentProcessing", "order: pending", "order: confirmed"]


def test_a_retried_message_that_was_replayed_later_loses_no_step() -> None:
    """The replayed copy stands after everything that came of the message before, and its own failure after it."""
    change = Transition(1, after(5010), "http.1", PLACE, "pending", attempt=2)
    replayed = seen("http.1", PLACE, 90_000, exchange="commands", sender="operator")

    it = build_story(ORDER, [PLACED, failure(1), BORN, replayed, failure(1)], [order(change)])

    assert [(step.kind, step.what) for step in it.steps] == [
        (StepKind.REQUEST, "POST /v1/orders"),
        (StepKind.COMMAND, "PlaceOrder"),
        (StepKind.RETRY, "PlaceOrder"),
        (StepKind.TRANSITION, "order: pending"),
        (StepKind.EVENT, "OrderPendingPayment"),
        (StepKind.COMMAND, "PlaceOrder"),
        (StepKind.RETRY, "PlaceOrder"),
    ]


def test_messages_that_name_each_other_as_their_cause_are_shown_nevertheless() -> None:
    one, two = seen("m-1", PROCESSING, 10, causation_id="m-2"), seen("m-2", PROCESSING, 20, causation_id="m-1")

    assert len(build_story(ORDER, [PLACED, one, two], []).steps) == 4


def test_a_message_without_milliseconds_is_known_to_the_second() -> None:
    it = build_story(ORDER, [seen("m-1", PROCESSING, None)], [])

    assert [(step.at, step.is_exact) for step in it.steps] == [(NOW, False)]


def failure(attempt: int) -> RecordedMessage:
    """PlaceOrder fails for the `attempt`th time, and is retried."""
    return seen(
        "http.1",
        PLACE,
        0,
        exchange="failures",
        headers={
            "ended": "retried",
            "again_in_s": 5,
            "attempt": attempt,
            "origin_queue": "extras.commands",
            "error_type": "StoreUnavailableError",
            "error": "the store\nis gone",
            "last_failed_at": after(5).isoformat(),
        },
    )


def test_a_retry_stands_between_a_message_and_what_came_of_it_in_the_end() -> None:
    change = Transition(1, after(5010), "http.1", PLACE, "pending", attempt=3)

    it = build_story(ORDER, [PLACED, failure(2)], [order(change)])

    retry, changed = it.steps[2:]
    assert (retry.kind, retry.sender, retry.at, retry.attempt) == (StepKind.RETRY, Participant.EXTRAS, after(5), 2)
    assert retry.detail == "StoreUnavailableError: the store is gone; again in 5 s"
    assert (changed.cause, changed.attempt) == (retry.number, 3)


def test_a_call_began_before_midnight_when_its_fact_came_after() -> None:
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    fact = seen("m-1", "psp.psp-session-created.v1", None, headers={"psp": "23:59:59.900 GET /v1/x 200 in 200 ms"})

    it = build_story(ORDER, [fact.model_copy(update={"sent_at": midnight})], [])

    assert it.steps[0].at == midnight - timedelta(milliseconds=100)


def test_nothing_is_dated_before_its_cause_whatever_its_clock_shows() -> None:
    asked = seen("pay_7h3k.1.0", "psp.create-psp-session.v1", 700, exchange="commands", sender="payment-service")
    calls = "12:00:00.000 POST /v1/x 200 in 20 ms, pi_1"
    about: dict[str, Any] = {"sender": "psp-adapter", "causation_id": "pay_7h3k.1.0", "headers": {"psp": calls}}
    fact = seen("pay_7h3k.1.0.psp", "psp.psp-session-created.v1", 500, **about)

    it = build_story(ORDER, [asked, fact], [])

    assert [(step.kind, step.at, step.is_exact) for step in it.steps] == [
        (StepKind.COMMAND, after(700), True),
        (StepKind.CALL, after(700), False),
        (StepKind.EVENT, after(700), False),
    ]


def test_calls_to_the_psp_stand_before_the_fact_they_led_to() -> None:
    asked = seen("pay_7h3k.1.0", "psp.create-psp-session.v1", -200, exchange="commands", sender="payment-service")
    calls = "11:59:59.900 POST /v1/x not answered in 50 ms; 12:00:00.100 POST /v1/x 200 in 20 ms, pi_1"
    fact = seen(
        "pay_7h3k.1.0.psp",
        "psp.psp-session-created.v1",
        150,
        sender="psp-adapter",
        causation_id="pay_7h3k.1.0",
        headers={"psp": calls},
    )

    it = build_story(ORDER, [asked, fact], [])

    assert [(step.kind, step.at) for step in it.steps[1:3]] == [
        (StepKind.LOST_CALL, after(-100)),
        (StepKind.CALL, after(100)),
    ]
    assert [step.cause for step in it.steps] == [None, 1, 2, 3]


def test_a_deadline_has_no_message_before_it() -> None:
    change = Transition(2, after(1800), f"{ORDER}.deadline.1", "deadline", "expired")

    it = build_story(ORDER, [PLACED, BORN], [order(FIRST, change)])

    assert (it.steps[-1].kind, it.steps[-1].what) == (StepKind.DEADLINE, "order: expired")


def test_a_message_that_changed_nothing_says_so() -> None:
    again = seen("m-9", PROCESSING, 20, sender="payment-service")

    it = build_story(ORDER, [PLACED, BORN, again], [order(FIRST)])

    assert by_what(it, "PaymentProcessing").detail == "no change"
    assert "no change" not in by_what(it, "PlaceOrder").detail


def test_what_a_document_may_have_forgotten_is_not_said_to_have_changed_nothing() -> None:
    newest = Transition(70, after(500), "m-70", PROCESSING, "pending")

    it = build_story(ORDER, [PLACED], [order(newest)])

    assert "no change" not in by_what(it, "PlaceOrder").detail


def test_a_change_by_a_message_the_log_has_lost_is_reported_all_the_same() -> None:
    it = build_story(ORDER, [], [order(FIRST)])

    assert [(step.what, step.detail) for step in it.steps] == [
        ("order: pending", "caused by PlaceOrder (no longer in the log)")
    ]


def test_a_step_of_stock_is_reported_under_the_message_that_needed_it() -> None:
    held = Transition(9, after(5), "http.1.Take.1782896400.000001", PLACE, "1 taken")
    stock = DocumentHistory(Participant.EXTRAS, "stk_spa", "spa on 2027-02-03", "1 taken", (held,), is_shared=True)

    it = build_story(ORDER, [PLACED], [stock])

    assert it.steps[2].what == "spa on 2027-02-03: 1 taken"
    assert it.steps[2].cause == 2


def test_the_same_message_twice_is_said_to_be_sent_again() -> None:
    it = build_story(ORDER, [PLACED, BORN, BORN], [order(FIRST)])

    assert it.steps[-1].detail == "sent again, as it was"


def test_staff_and_operators_are_distinguished_from_guests() -> None:
    asked = seen(
        "http.2", "orders.fulfil-order.v1", 0, exchange="commands", headers={"http": "POST /v1/orders/ord_7h3k/fulfil"}
    )
    by_staff = asked.model_copy(
        update={"body": b'{"order_id":"ord_7h3k","staff":{"staff_id":"s-1"}}', "sender": "gateway"}
    )
    reconciled = seen("m-3", "psp.retrieve-psp-session.v1", 5, exchange="commands", sender="bellhop-reconcile")

    it = build_story(ORDER, [by_staff, reconciled], [])

    assert [(step.sender, step.what) for step in it.steps] == [
        (Participant.STAFF, "POST /v1/orders/…/fulfil"),
        (Participant.GATEWAY, "FulfilOrder"),
        (Participant.OPERATOR, "RetrievePspSession"),
    ]


@pytest.mark.parametrize(
    ("body", "gist"),
    [
        (b'{"amount": {"amount": 4800, "currency": "EUR"}, "code": "card_declined"}', "48.00 EUR, card_declined"),
        (b'{"total": {"amount": 500, "currency": "JPY"}}', "500 JPY"),
        (b'{"total": {"amount": 1005, "currency": "KWD"}}', "1.005 KWD"),
        (b'{"sealed_client_secret": "gAAAA", "reason": ""}', ""),
        (b"{broken", "its body does not parse"),
        (b"\xff", "its body does not parse"),
    ],
)
def test_a_message_says_amounts_codes_and_reasons_and_nothing_sealed(body: bytes, gist: str) -> None:
    (step,) = build_story(ORDER, [seen("m-1", "tests.any.v1", 0).model_copy(update={"body": body})], []).steps

    assert step.detail == gist


def test_no_secret_is_reported() -> None:
    assert "sealed" not in str([step.detail for step in story("paid_after_a_retry").steps])


def test_a_program_gets_the_same_steps() -> None:
    it = story("late_refund")

    raw = it.as_json()

    assert raw["order_id"] == it.order_id
    assert [step["what"] for step in raw["steps"]] == steps_of(it)
    assert raw["steps"][0] | {"at": ""} == {
        "number": 1,
        "kind": "request",
        "at": "",
        "sender": "guest",
        "receivers": ["gateway"],
        "what": "POST /v1/orders",
        "detail": "",
        "message_kind": "",
        "message_id": "",
        "correlation_id": "",
        "attempt": 1,
        "cause": None,
        "depth": 0,
    }


def test_attempts_at_a_webhook_follow_from_the_event_that_asked_for_it() -> None:
    asked = seen("rcp_7h3k.1.0", "orders.receipt-issued.v1", 10, sender="extras-service")
    changes = (
        Transition(1, after(12), "rcp_7h3k.1.0", asked.kind, "order.confirmed waiting"),
        Transition(2, after(13), "msg_1.attempt.1", ATTEMPT, "order.confirmed being sent, attempt 1"),
        Transition(3, after(20), "msg_1.attempt.1.answer", ATTEMPT, "order.confirmed delivered"),
        Transition(4, after(90), f"{BY_OPERATOR}.1f", "webhooks send-again", "order.confirmed to be sent again"),
    )
    feed = DocumentHistory(Participant.WEBHOOKS, "whs_1.ord_7h3k", "webhooks to whs_1", changes[-1].summary, changes)

    it = build_story(ORDER, [asked], [feed])

    assert [(step.sender, step.what, step.cause) for step in it.steps[1:]] == [
        (Participant.WEBHOOKS, "webhooks to whs_1: order.confirmed waiting", 1),
        (Participant.WEBHOOKS, "webhooks to whs_1: order.confirmed being sent, attempt 1", 2),
        (Participant.WEBHOOKS, "webhooks to whs_1: order.confirmed delivered", 3),
        (Participant.WEBHOOKS, "webhooks to whs_1: order.confirmed to be sent again", None),
    ]
    assert {step.kind for step in it.steps[1:]} == {StepKind.TRANSITION}
    assert it.steps[-1].detail == "by an operator: webhooks send-again"
    assert it.summary == {"webhooks to whs_1": "order.confirmed to be sent again"}
