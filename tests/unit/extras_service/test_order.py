"""The order's table, row by row."""

from datetime import date, timedelta

import pytest

from chassis.amounts import readable
from chassis.decision import Applied, Duplicate, Ignored, Refused, Stale
from contracts.money import Money
from contracts.order_actions import FulfilledLine
from contracts.orders import (
    OrderConfirmed,
    OrderExpired,
    OrderNeedsReview,
    OrderPendingPayment,
    OrderStatus,
    PaymentStatus,
    Reason,
    TakenOut,
)
from contracts.payments import ClosePaymentSession, CreatePaymentSession
from extras_service.order.decide import decide
from extras_service.order.inputs import DeadlinePassed, PaymentEvent, UnknownOrderError
from extras_service.order.state import Order
from tests.support import orders as given


def test_a_placed_order_waits_for_its_payment_at_catalogue_prices() -> None:
    placing = given.placing(given.line(quantity=2))

    decision = decide(None, placing, given.NOW)

    assert isinstance(decision, Applied)
    order = decision.state
    assert order.status is OrderStatus.PENDING_PAYMENT
    assert order.payment_status is PaymentStatus.UNPAID
    assert order.total == Money(amount=2 * 2400, currency="EUR")
    assert order.due_at == given.NOW + given.PAY_WITHIN
    assert order.payment_id == "pay_" + given.ORDER_ID.removeprefix("ord_")
    assert decision.messages == (
        OrderPendingPayment(
            order_id=given.ORDER_ID,
            property_id=given.guest().property_id,
            reservation_id=given.guest().reservation_id,
            guest_id=given.guest().guest_id,
            lines=order.lines,
            total=given.TOTAL,
            pay_until=given.DEADLINE,
        ),
    )


def test_an_order_that_fails_a_guard_is_refused_and_nothing_is_stored() -> None:
    placing = given.placing(given.line(extra_id="no-such-extra"))

    decision = decide(None, placing, given.NOW)

    assert isinstance(decision, Refused)
    assert decision.reason == Reason.EXTRA_UNKNOWN


@pytest.mark.parametrize("order", [given.placed(), given.confirmed(), given.expired()], ids=lambda o: o.status)
def test_the_same_order_placed_again_is_a_duplicate_whatever_became_of_it(order: Order) -> None:
    decision = decide(order, given.placing(), given.NOW + timedelta(hours=1))

    assert decision == Duplicate()


def test_a_repeat_is_a_duplicate_even_when_its_extras_are_no_longer_offered() -> None:
    order = given.placed()

    decision = decide(order, given.placing(among={}), given.NOW)

    assert decision == Duplicate()


def test_the_same_key_with_other_lines_is_refused() -> None:
    order = given.placed()

    decision = decide(order, given.placing(given.line(quantity=3)), given.NOW)

    assert isinstance(decision, Refused)
    assert decision.reason == Reason.IDEMPOTENCY_KEY_REUSED


def test_the_first_answer_is_unchanged_after_the_order_has_been_confirmed() -> None:
    first_answer = given.placed().view()

    order = given.after(given.payable(), given.failed(), given.succeeded(), now=given.NOW + timedelta(minutes=5))

    assert order.first_view() == first_answer
    assert order.view() != first_answer


def test_a_payment_that_settles_later_suspends_the_deadline() -> None:
    order = given.payable()

    settling = given.after(order, given.processing())

    assert settling.status is OrderStatus.PENDING_PAYMENT
    assert settling.payment_status is PaymentStatus.PROCESSING
    assert settling.due_at is None
    assert decide(settling, DeadlinePassed(), given.DEADLINE) == Stale("the deadline was moved")


def test_a_settling_payment_that_fails_gives_the_guest_a_full_deadline_again() -> None:
    order = given.settling()
    two_days_later = given.NOW + timedelta(days=2)

    again = given.after(order, given.failed(), now=two_days_later)

    assert again.status is OrderStatus.PENDING_PAYMENT
    assert again.payment_status is PaymentStatus.UNPAID
    assert again.due_at == two_days_later + given.PAY_WITHIN


def test_a_settling_payment_whose_session_closes_leaves_an_order_that_can_be_paid_or_lapses() -> None:
    order = given.settling()

    again = given.after(order, given.session_closed(), now=given.NOW + timedelta(days=2))

    assert again.payment_status is PaymentStatus.UNPAID
    assert again.due_at is not None
    assert isinstance(decide(again, given.starting(), given.NOW + timedelta(days=2)), Applied)


def test_a_decline_keeps_the_order_pending_and_tells_why() -> None:
    order = given.payable()

    declined = given.after(order, given.failed("Your card has insufficient funds."))

    assert declined.status is OrderStatus.PENDING_PAYMENT
    assert declined.view().payment_failure == "Your card has insufficient funds."


def test_a_decline_does_not_move_the_deadline() -> None:
    order = given.payable()

    declined = given.after(order, given.failed(), now=given.NOW + timedelta(minutes=20))

    assert declined.due_at == given.DEADLINE


@pytest.mark.parametrize("order", [given.payable(), given.expiring()], ids=lambda o: o.status)
def test_a_payment_of_the_whole_total_confirms_the_order(order: Order) -> None:
    decision = decide(order, given.succeeded(), given.NOW)

    assert isinstance(decision, Applied)
    assert decision.state.status is OrderStatus.CONFIRMED
    assert decision.state.payment_status is PaymentStatus.PAID
    assert decision.state.due_at is None
    assert decision.messages == (
        OrderConfirmed(
            order_id=given.ORDER_ID,
            property_id=given.guest().property_id,
            reservation_id=given.guest().reservation_id,
            guest_id=given.guest().guest_id,
            payment_id=given.PAYMENT_ID,
            total=given.TOTAL,
            status=OrderStatus.CONFIRMED,
            payment_status=PaymentStatus.PAID,
        ),
    )


def test_a_confirmed_order_no_longer_shows_an_earlier_decline() -> None:
    declined = given.after(given.payable(), given.failed())

    confirmed = given.after(declined, given.succeeded())

    assert confirmed.view().payment_failure is None


@pytest.mark.parametrize(
    "received",
    [Money(amount=4799, currency="EUR"), Money(amount=4801, currency="EUR"), Money(amount=4800, currency="CHF")],
    ids=["too little", "too much", "another currency"],
)
@pytest.mark.parametrize("order", [given.payable(), given.expiring()], ids=lambda o: o.status)
def test_a_payment_of_anything_but_the_total_needs_a_review(order: Order, received: Money) -> None:
    decision = decide(order, given.succeeded(received), given.NOW)

    assert isinstance(decision, Applied)
    assert decision.state.status is OrderStatus.NEEDS_REVIEW
    assert decision.state.payment_status is PaymentStatus.MISMATCHED
    assert decision.state.due_at is None
    (emitted,) = decision.messages
    assert isinstance(emitted, OrderNeedsReview)
    assert emitted.detail == f"paid {readable(received)}, owed €48.00"


def test_a_mismatch_the_payment_service_found_needs_a_review_and_says_what_it_found() -> None:
    order = given.payable()

    decision = decide(order, given.mismatched("livemode is False, the session's was True"), given.NOW)

    assert isinstance(decision, Applied)
    assert decision.state.status is OrderStatus.NEEDS_REVIEW
    assert decision.state.review == "livemode is False, the session's was True"


def test_a_passed_deadline_closes_the_payment_session_before_the_order_expires() -> None:
    order = given.payable()

    decision = decide(order, DeadlinePassed(), given.DEADLINE)

    assert isinstance(decision, Applied)
    assert decision.state.status is OrderStatus.EXPIRING
    assert decision.state.due_at is None
    assert decision.messages == (ClosePaymentSession(order_id=given.ORDER_ID, payment_id=given.PAYMENT_ID),)


def test_a_deadline_that_passes_while_the_session_is_being_opened_closes_it_too() -> None:
    order = given.asked()

    decision = decide(order, DeadlinePassed(), given.DEADLINE)

    assert isinstance(decision, Applied)
    assert decision.state.status is OrderStatus.EXPIRING


def test_an_order_without_a_started_payment_expires_at_once() -> None:
    order = given.placed()

    decision = decide(order, DeadlinePassed(), given.DEADLINE)

    assert isinstance(decision, Applied)
    assert decision.state.status is OrderStatus.EXPIRED
    assert decision.messages == (
        OrderExpired(order_id=given.ORDER_ID, guest_id=given.guest().guest_id, property_id=given.guest().property_id),
    )


def test_a_deadline_that_was_moved_is_stale() -> None:
    order = given.payable()

    decision = decide(order, DeadlinePassed(), given.DEADLINE - timedelta(microseconds=1))

    assert decision == Stale("the deadline was moved")


def test_an_expiring_order_expires_when_the_psp_says_unpaid() -> None:
    order = given.expiring()

    decision = decide(order, given.session_closed(), given.DEADLINE)

    assert isinstance(decision, Applied)
    assert decision.state.status is OrderStatus.EXPIRED
    assert decision.state.session is None
    (emitted,) = decision.messages
    assert isinstance(emitted, OrderExpired)


def test_a_session_lost_at_the_psp_lets_the_guest_open_another_one() -> None:
    order = given.payable()

    lost = given.after(order, given.session_closed())

    assert lost.status is OrderStatus.PENDING_PAYMENT
    assert lost.session_reply() is None
    asked_again = decide(lost, given.starting(), given.NOW)
    assert isinstance(asked_again, Applied)
    assert [type(message) for message in asked_again.messages] == [CreatePaymentSession]


def test_a_session_closed_before_the_event_that_opened_it_arrives_is_not_given_to_the_guest() -> None:
    lost = given.after(given.asked(), given.session_closed(request_no=1))

    late = decide(lost, given.session_created(request_no=1), given.NOW)
    asked_again = given.after(lost, given.starting())
    opened = given.after(asked_again, given.session_created("second", request_no=2))

    assert late == Stale("the session was closed meanwhile")
    assert asked_again.session_requests == 2
    assert opened.session == "second"


def test_late_events_of_an_earlier_session_leave_the_open_one() -> None:
    second = given.after(given.asked(), given.session_created("second", request_no=2))

    assert decide(second, given.session_created("first", request_no=1), given.NOW) == Stale(
        "a newer session is open already"
    )
    closed = given.after(second, given.session_closed(request_no=1))
    assert (closed.session, closed.payment_status) == ("second", PaymentStatus.UNPAID)


@pytest.mark.parametrize(
    "late", [given.processing(), given.failed(), given.instructions_issued()], ids=lambda it: it.kind
)
def test_what_the_psp_said_of_a_session_before_it_closed_it_does_not_count_afterwards(late: PaymentEvent) -> None:
    lost = given.after(given.asked(), given.session_closed(request_no=1))
    asked_again = given.after(lost, given.starting())

    about_first = late.model_copy(update={"request_no": 1})
    about_second = late.model_copy(update={"request_no": 2})

    assert decide(asked_again, about_first, given.NOW) == Stale("the session was closed meanwhile")
    assert isinstance(decide(asked_again, about_second, given.NOW), Applied)


def test_an_earlier_session_reported_as_settling_and_closed_leaves_the_order_unpaid_with_a_deadline() -> None:
    second = given.after(given.asked(), given.session_created("second", request_no=2))

    settling = given.after(second, given.processing().model_copy(update={"request_no": 1}))
    closed = given.after(settling, given.session_closed(request_no=1))

    assert settling.due_at is None
    assert (closed.session, closed.payment_status) == ("second", PaymentStatus.UNPAID)
    assert closed.due_at is not None


def test_an_expiring_order_believes_that_its_session_is_closed_whatever_its_number() -> None:
    expiring = given.after(given.expiring(), given.processing()).model_copy(update={"session_request_no": 2})

    closed = given.after(expiring, given.session_closed(request_no=1))

    assert closed.status is OrderStatus.EXPIRED


def test_a_restored_order_counts_its_requests_on_from_what_the_payment_service_knows() -> None:
    restored = given.asked()

    opened = given.after(restored, given.session_created(request_no=5))
    closed = given.after(restored, given.session_closed(request_no=5))

    assert (opened.session_requests, closed.session_requests) == (5, 5)


def test_events_of_an_older_payment_service_have_no_number_and_count_as_before() -> None:
    lost = given.after(given.after(given.asked(), given.session_created(request_no=1)), given.session_closed())

    opened = given.after(lost, given.session_created("second"))

    assert lost.session is None
    assert opened.session == "second"


def test_a_second_success_on_a_confirmed_order_is_ignored() -> None:
    order = given.confirmed()

    decision = decide(order, given.succeeded(), given.NOW)

    assert decision == Ignored("paid already")


@pytest.mark.parametrize(
    "fact",
    [
        given.session_created(),
        given.session_failed(),
        given.processing(),
        given.failed(),
        given.succeeded(),
        given.mismatched(),
        given.session_closed(),
    ],
    ids=lambda fact: fact.kind,
)
def test_a_payment_fact_about_an_unknown_order_is_raised(fact: PaymentEvent) -> None:
    with pytest.raises(UnknownOrderError, match=given.ORDER_ID) as raised:
        decide(None, fact, given.NOW)

    assert fact.kind in str(raised.value)


def test_a_deadline_of_an_unknown_order_is_ignored() -> None:
    assert decide(None, DeadlinePassed(), given.NOW) == Ignored("no such order")


def test_a_pending_order_shows_until_when_it_can_be_paid_and_others_show_nothing() -> None:
    assert given.payable().view().pay_until == given.DEADLINE
    assert given.settling().view().pay_until is None
    assert given.confirmed().view().pay_until is None


STAY = [given.FIRST_DAY + timedelta(days=day) for day in range((given.LAST_DAY - given.FIRST_DAY).days + 1)]


@pytest.mark.parametrize(
    ("days_of_lines", "received", "awaited_on"),
    [
        ((given.FIRST_DAY,), (), []),
        ((given.FIRST_DAY, None), (), STAY),
        ((None, None), (0,), STAY),
        ((given.FIRST_DAY, None), (1,), []),
    ],
)
def test_an_order_lists_the_days_of_its_stay_while_a_line_without_a_day_is_owed(
    days_of_lines: tuple[date | None, ...], received: tuple[int, ...], awaited_on: list[date]
) -> None:
    order = given.confirmed()
    lines = tuple(order.lines[0].model_copy(update={"day": day}) for day in days_of_lines)
    fulfilled_lines = tuple(FulfilledLine(line=line, by="otto", at=given.NOW) for line in received)
    order = order.model_copy(update={"lines": lines, "fulfilled_lines": fulfilled_lines})

    assert order.awaited_on == tuple(awaited_on)
    assert order.model_dump(mode="json")["awaited_on"] == [day.isoformat() for day in awaited_on]  # as it is stored
    assert order.model_copy(update={"status": OrderStatus.FULFILLED}).awaited_on is None


@pytest.mark.parametrize("status", OrderStatus)
def test_an_order_that_another_version_may_confirm_does_not_say_that_no_line_is_awaited(status: OrderStatus) -> None:
    order = given.in_status(status)
    any_day = tuple(line.model_copy(update={"day": None}) for line in order.lines)

    days = order.model_copy(update={"lines": any_day}).awaited_on

    # That version keeps what is stored, and the day sheet looks through those that list nothing.
    assert days == (tuple(STAY) if status is OrderStatus.CONFIRMED else None)


def test_a_line_that_was_taken_out_is_awaited_no_longer() -> None:
    order = given.confirmed()
    line = order.lines[0].model_copy(update={"day": None})
    taken_out = TakenOut(lines=(0,), reason="The room is taken.", amount=order.total)
    order = order.model_copy(update={"lines": (line,)})

    assert order.awaited_on == tuple(STAY)
    assert order.model_copy(update={"taken_out": taken_out}).awaited_on == ()


@pytest.mark.parametrize(("stay_to", "awaited_on"), [(date.max, None), (date.min, ())])
def test_a_stay_of_too_many_days_is_not_listed_and_one_that_ends_before_it_begins_has_none(
    stay_to: date, awaited_on: tuple[date, ...] | None
) -> None:
    order = given.confirmed()
    line = order.lines[0].model_copy(update={"day": None})
    guest = order.guest.model_copy(update={"stay_to": stay_to})

    assert order.model_copy(update={"lines": (line,), "guest": guest}).awaited_on == awaited_on


@pytest.mark.parametrize("status", OrderStatus)
def test_an_order_counts_as_its_guests_open_one_until_it_is_settled(status: OrderStatus) -> None:
    is_open = status in (
        OrderStatus.PENDING_PAYMENT,
        OrderStatus.AWAITING_APPROVAL,
        OrderStatus.CAPTURING,
        OrderStatus.EXPIRING,
        OrderStatus.CANCELLING,
    )

    assert (given.in_status(status).open_of == given.placed().guest_key) is is_open
