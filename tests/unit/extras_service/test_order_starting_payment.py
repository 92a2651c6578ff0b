"""Asking for a payment session: who waits, who is answered, and when the question is asked once more."""

from datetime import timedelta

import pytest

from chassis.decision import Applied, DeferredReply, Ignored, Refused
from contracts.orders import OrderStatus, PaymentSessionReply, Reason, Refusal
from contracts.payments import CreatePaymentSession
from extras_service.order.decide import decide
from extras_service.order.inputs import DeadlinePassed, OrderInput
from extras_service.order.payment import ASK_AGAIN_AFTER, MAX_WAITERS
from extras_service.order.state import Order
from tests.support import orders as given

ASK = CreatePaymentSession(
    order_id=given.ORDER_ID,
    payment_id=given.PAYMENT_ID,
    amount=given.TOTAL,
    request_no=1,
    asked_at=given.NOW,
    description=f"alpenhof: {given.ORDER_ID}: 2 x Breakfast buffet",
)
SESSION = PaymentSessionReply(
    order_id=given.ORDER_ID,
    payment_id=given.PAYMENT_ID,
    amount=given.TOTAL,
    sealed_client_secret=given.SEALED,
    pay_until=given.DEADLINE,
)


def test_the_first_request_asks_for_a_session_and_waits() -> None:
    order = given.placed()

    decision = decide(order, given.starting(given.pending_reply()), given.NOW)

    assert isinstance(decision, Applied)
    assert decision.state.status is OrderStatus.PENDING_PAYMENT
    assert decision.state.waiting == (given.pending_reply(),)
    assert decision.messages == (ASK,)


def test_a_request_without_a_requester_is_asked_all_the_same() -> None:
    order = given.placed()

    decision = decide(order, given.starting(None), given.NOW)

    assert isinstance(decision, Applied)
    assert decision.state.waiting == ()
    assert decision.messages == (ASK,)


def test_the_sealed_address_for_a_receipt_is_passed_on_and_not_kept() -> None:
    decision = decide(given.placed(), given.starting(sealed_receipt_email="sealed-address"), given.NOW)

    assert isinstance(decision, Applied)
    assert decision.messages == (ASK.model_copy(update={"sealed_receipt_email": "sealed-address"}),)
    assert "sealed-address" not in decision.state.model_dump_json()


def test_a_second_request_before_the_session_exists_waits_too_and_asks_nothing() -> None:
    order = given.asked(given.pending_reply(1))

    decision = decide(order, given.starting(given.pending_reply(2)), given.NOW + timedelta(seconds=5))

    assert isinstance(decision, Applied)
    assert decision.state.waiting == (given.pending_reply(1), given.pending_reply(2))
    assert decision.messages == ()


def test_a_question_unanswered_for_30_seconds_is_asked_again() -> None:
    order = given.asked(given.pending_reply(1))
    later = given.NOW + timedelta(seconds=30)

    decision = decide(order, given.starting(given.pending_reply(2)), later)

    assert timedelta(seconds=30) == ASK_AGAIN_AFTER
    assert isinstance(decision, Applied)
    assert decision.messages == (ASK.model_copy(update={"request_no": 2, "asked_at": later}),)
    assert decision.state.session_asked_at == later


def test_only_the_newest_16_waiters_are_kept() -> None:
    order = given.asked(*(given.pending_reply(number) for number in range(1, 18)))

    assert MAX_WAITERS == 16
    assert order.waiting == tuple(given.pending_reply(number) for number in range(2, 18))


def test_every_waiting_request_is_answered_once_the_session_exists() -> None:
    order = given.asked(given.pending_reply(1), given.pending_reply(2))

    decision = decide(order, given.session_created(), given.NOW)

    assert isinstance(decision, Applied)
    assert decision.messages == (
        DeferredReply(given.pending_reply(1), SESSION),
        DeferredReply(given.pending_reply(2), SESSION),
    )
    assert decision.state.waiting == ()


def test_a_second_request_gets_the_same_open_session_and_sends_nothing() -> None:
    order = given.payable()

    decision = decide(order, given.starting(given.pending_reply(2)), given.NOW)

    assert decision == Ignored("the payment session is open already")
    assert order.session_reply() == SESSION


def test_a_failed_session_refuses_every_waiting_request_with_its_reason() -> None:
    order = given.asked(given.pending_reply(1), given.pending_reply(2))

    decision = decide(order, given.session_failed("No luck today."), given.NOW)

    refusal = Refusal(reason=Reason.PAYMENT_SESSION_FAILED, detail="No luck today.")
    assert isinstance(decision, Applied)
    assert decision.messages == (
        DeferredReply(given.pending_reply(1), refusal),
        DeferredReply(given.pending_reply(2), refusal),
    )
    assert decision.state.status is OrderStatus.PENDING_PAYMENT


def test_after_a_failed_session_the_next_request_asks_at_once() -> None:
    order = given.after(given.asked(), given.session_failed())

    decision = decide(order, given.starting(given.pending_reply(2)), given.NOW)

    assert isinstance(decision, Applied)
    assert decision.messages == (ASK.model_copy(update={"request_no": 2}),)


@pytest.mark.parametrize(
    "ending",
    [given.succeeded(), given.mismatched(), DeadlinePassed()],
    ids=["paid", "mismatched", "deadline"],
)
def test_pending_requesters_are_refused_when_the_order_stops_being_payable(ending: OrderInput) -> None:
    order = given.asked(given.pending_reply(1), given.pending_reply(2))

    decision = decide(order, ending, given.DEADLINE)

    assert isinstance(decision, Applied)
    assert decision.state.waiting == ()
    emitted = [message for message in decision.messages if isinstance(message, DeferredReply)]
    assert [answer.to for answer in emitted] == [given.pending_reply(1), given.pending_reply(2)]
    for answer in emitted:
        assert isinstance(answer.reply, Refusal)
        assert answer.reply.reason is Reason.ORDER_NOT_PAYABLE


@pytest.mark.parametrize(
    ("order", "word"),
    [
        (given.confirmed(), "paid already"),
        (given.needs_review(), "do not pay again"),
        (given.expiring(), "expiring"),
        (given.expired(), "expired"),
        (given.settling(), "being processed"),
    ],
    ids=["confirmed", "needs review", "expiring", "expired", "settling"],
)
def test_an_order_that_cannot_be_paid_says_why(order: Order, word: str) -> None:
    decision = decide(order, given.starting(given.pending_reply()), given.NOW)

    assert isinstance(decision, Refused)
    assert decision.reason == Reason.ORDER_NOT_PAYABLE
    assert word in decision.detail


@pytest.mark.parametrize(
    "starting",
    [given.starting(guest_id="guest-mallory"), given.starting(property_id="kamogawa")],
    ids=["another guest", "another property"],
)
@pytest.mark.parametrize("order", [given.payable(), given.confirmed(), given.needs_review()], ids=lambda o: o.status)
def test_another_guests_order_is_not_found_in_any_status(order: Order, starting: OrderInput) -> None:
    decision = decide(order, starting, given.NOW)

    assert isinstance(decision, Refused)
    assert decision.reason == Reason.ORDER_NOT_FOUND


def test_paying_an_order_that_does_not_exist_is_refused() -> None:
    decision = decide(None, given.starting(given.pending_reply()), given.NOW)

    assert isinstance(decision, Refused)
    assert decision.reason == Reason.ORDER_NOT_FOUND


def test_only_a_pending_order_with_a_session_has_a_session_to_reply_with() -> None:
    assert given.placed().session_reply() is None
    assert given.asked().session_reply() is None
    assert given.payable().session_reply() == SESSION
    assert given.expiring().session_reply() is None
    assert given.confirmed().session_reply() is None
