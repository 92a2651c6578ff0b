"""Where each message goes, what it is called, and that a document keeps it as it was."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given as each
from hypothesis import strategies as st

from chassis.decision import Applied, DeferredReply, PendingReply
from chassis.messaging.envelope import Delivery, Envelope
from contracts.message import Command, Event, Message, Query, Reply
from contracts.orders import OrderPendingPayment
from extras_service.order.decide import decide
from tests.support import orders as given
from tests.support.examples import sample, samples

SAMPLES = samples()
REPLY_TO = "amq_5d0c4f2ab7e14e6f"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PLACED = Delivery(
    message_id="http.1",
    correlation_id="c-1",
    kind="orders.place-order.v1",
    traceparent=TRACEPARENT,
    reply_to=REPLY_TO,
)
CREATE = sample("payments.create-payment-session.v1")
PENDING = sample("orders.order-pending-payment.v1")
REFUSAL = sample("orders.refusal.v1")


def on_the_wire(envelope: Envelope) -> tuple[object, ...]:
    return (
        envelope.message.to_wire(),
        envelope.kind,
        envelope.exchange,
        envelope.routing_key,
        envelope.message_id,
        envelope.correlation_id,
        envelope.to,
        envelope.headers(given.NOW),
    )


def _of(base: type[Message]) -> list[Message]:
    return [message for message in SAMPLES if isinstance(message, base)]


@pytest.mark.parametrize("message", _of(Command), ids=lambda message: message.kind)
def test_a_command_goes_to_its_exchange_by_its_kind_and_must_arrive(message: Message) -> None:
    envelope = Envelope(message, "m-1", "c-1")

    assert (envelope.exchange, envelope.routing_key, envelope.must_arrive) == ("commands", message.kind, True)


@pytest.mark.parametrize("message", _of(Event), ids=lambda message: message.kind)
def test_an_event_goes_to_its_exchange_by_its_kind_and_must_arrive(message: Message) -> None:
    envelope = Envelope(message, "m-1", "c-1")

    assert (envelope.exchange, envelope.routing_key, envelope.must_arrive) == ("events", message.kind, True)


@pytest.mark.parametrize("message", _of(Query), ids=lambda message: message.kind)
def test_a_query_goes_straight_to_the_queue_of_reads_and_may_be_lost(message: Message) -> None:
    envelope = Envelope(message, "m-1", "c-1")

    assert (envelope.exchange, envelope.routing_key, envelope.must_arrive) == ("queries", message.kind, False)


@pytest.mark.parametrize("message", _of(Reply), ids=lambda message: message.kind)
def test_a_reply_goes_to_the_address_of_its_requester_and_may_be_lost(message: Message) -> None:
    envelope = Envelope(message, "m-1", "c-1", to=REPLY_TO)

    assert (envelope.exchange, envelope.routing_key, envelope.must_arrive) == ("replies", REPLY_TO, False)


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: message.kind)
def test_a_document_keeps_an_envelope_as_it_was(message: Message) -> None:
    envelope = Envelope(message, "ord_1.3.0", "c-1", "http.1", TRACEPARENT, to=REPLY_TO)

    assert on_the_wire(Envelope.from_document(envelope.to_document())) == on_the_wire(envelope)


@each(
    message=st.sampled_from(SAMPLES),
    ids=st.tuples(st.text(), st.text()),
    optional=st.tuples(*[st.none() | st.text()] * 3),
)
def test_a_document_keeps_any_ids(
    message: Message, ids: tuple[str, str], optional: tuple[str | None, str | None, str | None]
) -> None:
    causation_id, traceparent, to = optional
    envelope = Envelope(message, *ids, causation_id, traceparent, to)

    assert on_the_wire(Envelope.from_document(envelope.to_document())) == on_the_wire(envelope)


def test_a_stored_message_of_an_unknown_kind_is_sent_as_it_was_stored() -> None:
    stored = Envelope(PENDING, "ord_1.1.0", "c-1").to_document()
    from_a_newer_version = stored | {"kind": "orders.order-starred.v1", "body": '{"stars": [5,  5.0]}'}

    envelope = Envelope.from_document(from_a_newer_version)

    assert on_the_wire(envelope)[:4] == (b'{"stars": [5,  5.0]}', "orders.order-starred.v1", "events", envelope.kind)
    assert envelope.must_arrive
    assert envelope.to_document() == from_a_newer_version


def test_a_message_stored_by_a_version_without_exchanges_goes_where_its_kind_goes() -> None:
    stored = Envelope(PENDING, "ord_1.1.0", "c-1").to_document()
    del stored["exchange"]

    assert Envelope.from_document(stored).exchange == "events"


def test_a_message_leaves_with_its_cause_its_notes_and_the_millisecond_it_was_sent_at() -> None:
    envelope = Envelope(PENDING, "ord_1.1.0", "c-1", "http.1", trace_headers={"http": "POST /v1/orders"})

    assert envelope.headers(datetime(2026, 7, 1, 9, 0, 0, 123_456, UTC)) == {
        "causation_id": "http.1",
        "http": "POST /v1/orders",
        "attempt": 1,
        "sent_at_ms": 1_782_896_400_123,
    }


def test_notes_are_not_kept_in_a_document() -> None:
    envelope = Envelope(PENDING, "ord_1.1.0", "c-1", trace_headers={"http": "POST /v1/orders"})

    assert "POST" not in str(envelope.to_document())


def test_an_id_begins_with_document_version_and_place() -> None:
    assert isinstance(CREATE, Command)
    assert isinstance(PENDING, Event)

    first, second = PLACED.outbox_of("ord_1", 3, (PENDING, CREATE))

    assert first.message == PENDING
    assert re.fullmatch(r"ord_1\.3\.0\.[0-9a-f]{16}", first.message_id)
    assert second.message == CREATE
    assert re.fullmatch(r"ord_1\.3\.1\.[0-9a-f]{16}", second.message_id)


def test_another_cause_another_life_and_another_text_have_another_id() -> None:
    assert isinstance(PENDING, OrderPendingPayment)
    otherwise = PENDING.model_copy(update={"guest_id": "gst_other"})

    ids = {
        envelope.message_id
        for envelope in (
            *PLACED.outbox_of("ord_1", 3, (PENDING,), life="one"),
            *PLACED.outbox_of("ord_1", 3, (PENDING,), life="other"),
            *replace(PLACED, message_id="http.2").outbox_of("ord_1", 3, (PENDING,), life="one"),
            *PLACED.outbox_of("ord_1", 3, (otherwise,), life="one"),
        )
    }

    assert len(ids) == 4


def test_the_same_decision_sends_the_same_ids_again_and_a_later_one_others() -> None:
    assert isinstance(PENDING, Event)

    assert PLACED.outbox_of("ord_1", 3, (PENDING,)) == PLACED.outbox_of("ord_1", 3, (PENDING,))
    assert (
        PLACED.outbox_of("ord_1", 3, (PENDING,))[0].message_id != PLACED.outbox_of("ord_1", 4, (PENDING,))[0].message_id
    )
    assert (
        PLACED.outbox_of("ord_1", 3, (PENDING,))[0].message_id != PLACED.outbox_of("ord_2", 3, (PENDING,))[0].message_id
    )


def test_what_follows_from_a_message_names_its_cause_and_stays_in_its_guest_action() -> None:
    assert isinstance(PENDING, Event)

    (sent,) = PLACED.outbox_of("ord_1", 1, (PENDING,))

    assert sent == Envelope(PENDING, sent.message_id, "c-1", causation_id="http.1", traceparent=TRACEPARENT)
    assert PLACED.follow_up(PENDING, "psp.1") == replace(sent, message_id="psp.1")


def test_a_waiter_is_answered_under_its_own_correlation_id_and_not_under_the_causes() -> None:
    assert isinstance(REFUSAL, Reply)
    pending_reply = PendingReply(reply_to=REPLY_TO, correlation_id="an earlier request")

    (sent,) = PLACED.outbox_of("ord_1", 2, (DeferredReply(pending_reply, REFUSAL),))

    assert (sent.to, sent.correlation_id, sent.causation_id) == (REPLY_TO, "an earlier request", "http.1")


def test_a_delivery_with_a_reply_address_has_a_waiter_and_one_without_has_none() -> None:
    assert PLACED.pending_reply == PendingReply(reply_to=REPLY_TO, correlation_id="c-1")
    assert replace(PLACED, reply_to=None).pending_reply is None


def test_messages_of_a_decision_leave_in_its_order() -> None:
    order = given.asked(given.pending_reply(1), given.pending_reply(2))
    decision = decide(order, given.succeeded(), given.NOW)
    assert isinstance(decision, Applied)

    envelopes = PLACED.outbox_of(order.order_id, 4, decision.messages)

    assert [envelope.kind for envelope in envelopes] == [
        "orders.order-confirmed.v1",
        "orders.refusal.v1",
        "orders.refusal.v1",
    ]
