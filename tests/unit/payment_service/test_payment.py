"""The payment's table, story by story."""

import pytest

from chassis.amounts import readable
from chassis.decision import Applied, Ignored, Stale
from chassis.errors import is_transient
from contracts.ids import PaymentId, RefundId
from contracts.money import Money
from contracts.payments import (
    PaymentFailed,
    PaymentMismatched,
    PaymentProcessing,
    PaymentRefunded,
    PaymentSessionClosed,
    PaymentSessionCreated,
    PaymentSessionFailed,
    PaymentSucceeded,
    RefundStage,
)
from contracts.psp import ClosePspSession, CreatePspSession, PspPaymentSucceeded, PspRefundState, RetrievePspSession
from payment_service.payment.decide import decide
from payment_service.payment.inputs import (
    AmountChangedError,
    ClosedBeforeCreatedError,
    PaymentInput,
    PollDue,
    UnknownPaymentError,
)
from payment_service.payment.session import ATTEMPTS_KEPT
from payment_service.payment.state import Payment, PaymentStage
from tests.support import payments as given


def _ask_psp(session_no: int = 1) -> CreatePspSession:
    return CreatePspSession(
        order_id=given.ORDER_ID,
        payment_id=given.PAYMENT_ID,
        session_no=session_no,
        amount=given.AMOUNT,
    )


CLOSE_AT_PSP = ClosePspSession(
    order_id=given.ORDER_ID, payment_id=given.PAYMENT_ID, session_no=1, psp_reference=given.REFERENCE
)
SESSION_CREATED = PaymentSessionCreated(
    order_id=given.ORDER_ID,
    payment_id=given.PAYMENT_ID,
    amount=given.AMOUNT,
    sealed_client_secret=given.SEALED,
)
AGAIN = PaymentSucceeded(order_id=given.ORDER_ID, payment_id=given.PAYMENT_ID, amount=given.AMOUNT)
"""A success that is said again: no longer with its time."""
SUCCEEDED = AGAIN.model_copy(update={"paid_at": given.at(1)})
CLOSED = PaymentSessionClosed(order_id=given.ORDER_ID, payment_id=given.PAYMENT_ID)


def _applied(payment: Payment | None, message: PaymentInput) -> Applied[Payment]:
    decision = decide(payment, message, given.NOW)
    assert isinstance(decision, Applied), decision
    return decision


# Opening


def test_the_first_request_records_a_payment_and_asks_the_psp() -> None:
    decision = _applied(None, given.create())

    assert decision.state.status is PaymentStage.CREATED
    assert decision.state.session_no == 1
    assert decision.messages == (_ask_psp(session_no=1),)


def test_a_repeated_request_asks_the_psp_for_the_same_session_again() -> None:
    decision = _applied(given.created(), given.create())

    assert decision.messages == (_ask_psp(session_no=1),)


def test_a_session_is_asked_for_with_the_description_of_the_first_request_whatever_a_later_one_says() -> None:
    first = _applied(None, given.create(description="two breakfasts"))

    again = _applied(first.state, given.create(description="written by a later version"))
    of_older_version = _applied(given.created(), given.create(description="two breakfasts"))

    assert again.messages == first.messages == (_ask_psp().model_copy(update={"description": "two breakfasts"}),)
    assert of_older_version.messages == (_ask_psp(),)


def test_one_session_is_always_asked_for_with_the_same_address_for_a_receipt_and_a_later_one_with_its_own() -> None:
    first = _applied(None, given.create(request_no=1, sealed_receipt_email="first"))

    again = _applied(first.state, given.create(request_no=2, sealed_receipt_email="second"))
    failed = first.state.model_copy(update={"status": PaymentStage.FAILED})
    next_session = _applied(failed, given.create(request_no=2, sealed_receipt_email="second"))

    assert again.messages == first.messages == (_ask_psp().model_copy(update={"sealed_receipt_email": "first"}),)
    (asked,) = next_session.messages
    assert isinstance(asked, CreatePspSession)
    assert (asked.session_no, asked.sealed_receipt_email) == (2, "second")


def test_an_opened_session_is_reported() -> None:
    decision = _applied(given.created(), given.session_created())

    assert decision.state.status is PaymentStage.SESSION_OPEN
    assert decision.messages == (SESSION_CREATED,)


def test_opening_and_closing_name_the_latest_request_for_the_session() -> None:
    asked_twice = _applied(_applied(None, given.create(request_no=1)).state, given.create(request_no=2)).state

    opened = _applied(asked_twice, given.session_created())
    closed = _applied(opened.state, given.canceled())

    assert opened.messages == (SESSION_CREATED.model_copy(update={"request_no": 2}),)
    assert closed.messages == (CLOSED.model_copy(update={"request_no": 2}),)


@pytest.mark.parametrize("status", [PaymentStage.SESSION_OPEN, PaymentStage.ACTION_REQUIRED])
def test_a_request_while_a_session_is_open_gets_it_without_asking_the_psp(status: PaymentStage) -> None:
    decision = _applied(given.in_status(status), given.create())

    assert decision.state.status is status
    assert decision.messages == (SESSION_CREATED,)


def test_a_session_the_psp_refused_is_reported_with_its_reason() -> None:
    decision = _applied(given.created(), given.session_failed())

    assert decision.state.status is PaymentStage.FAILED
    assert decision.messages == (
        PaymentSessionFailed(order_id=given.ORDER_ID, payment_id=given.PAYMENT_ID, detail="Sorry."),
    )


@pytest.mark.parametrize("status", [PaymentStage.FAILED, PaymentStage.CLOSED])
def test_after_a_failed_or_closed_session_a_new_one_gets_a_new_number(status: PaymentStage) -> None:
    decision = _applied(given.in_status(status), given.create())

    assert decision.state.status is PaymentStage.CREATED
    assert decision.state.session is None
    assert decision.messages == (_ask_psp(session_no=2),)


@pytest.mark.parametrize("end", [given.session_failed(), given.canceled()], ids=["failed", "closed"])
def test_only_a_later_request_opens_a_closed_session_again(end: PaymentInput) -> None:
    first, again = given.create(asked_at=given.at(0)), given.create(asked_at=given.at(40))
    closed = given.after(None, first, *([] if end == given.session_failed() else [given.session_created()]), end)

    assert isinstance(decide(closed, first, given.NOW), Stale)
    assert given.after(closed, again).status is PaymentStage.CREATED
    assert given.after(closed, again).asked_at == given.at(40)


@pytest.mark.parametrize("end", [given.session_failed(), given.canceled()], ids=["failed", "closed"])
def test_a_later_request_opens_a_session_although_the_orders_clock_was_put_back(end: PaymentInput) -> None:
    first = given.create(asked_at=given.at(3600), request_no=1)
    again = given.create(asked_at=given.at(40), request_no=2)
    closed = given.after(None, first, *([] if end == given.session_failed() else [given.session_created()]), end)

    assert isinstance(decide(closed, first, given.NOW), Stale)
    assert given.after(closed, again).status is PaymentStage.CREATED


def test_a_session_opened_for_an_earlier_number_is_closed_and_the_next_one_is_awaited() -> None:
    second = given.after(given.in_status(PaymentStage.FAILED), given.create())

    late = _applied(second, given.session_created(session_no=1))

    [closed] = late.messages
    assert isinstance(closed, ClosePspSession)
    assert closed.psp_reference == given.REFERENCE
    assert isinstance(decide(second, given.session_failed(session_no=1), given.NOW), Stale)
    opened = given.after(late.state, given.session_created(session_no=2, reference="pi_second"))
    assert opened.status is PaymentStage.SESSION_OPEN


@pytest.mark.parametrize("status", [status for status in PaymentStage if status is not PaymentStage.UNKNOWN])
def test_a_session_that_a_late_command_opened_a_second_time_is_closed_at_once(status: PaymentStage) -> None:
    payment = given.in_status(status)

    decision = _applied(payment, given.session_created(session_no=9, reference="pi_again"))

    [closed] = decision.messages
    assert isinstance(closed, ClosePspSession)
    assert closed.psp_reference == "pi_again"
    assert decision.state.status is status
    assert isinstance(decide(decision.state, given.session_created(9, reference="pi_again"), given.NOW), Stale)


def test_two_refunds_under_one_id_are_both_counted_and_reported_as_doubled() -> None:
    asked = given.after(given.in_status(PaymentStage.SUCCEEDED), given.refund(1000))
    first = given.refund_updated(amount=1000).model_copy(update={"psp_refund_id": "re_1"})
    second = given.refund_updated(amount=1000).model_copy(update={"psp_refund_id": "re_2"})

    decision = _applied(given.after(asked, first), second)

    [emitted] = decision.messages
    assert isinstance(emitted, PaymentRefunded)
    assert (emitted.refund_id, emitted.doubles, emitted.refunded.amount) == ("ref_psp_re_2", given.REFUND_ID, 2000)
    assert isinstance(decide(decision.state, second, given.NOW), Ignored)
    assert isinstance(decide(decision.state, first, given.NOW), Ignored)


def test_a_refund_whose_metadata_was_removed_at_the_psp_is_the_same_refund() -> None:
    named = given.refund_updated(amount=1000).model_copy(update={"psp_refund_id": "re_1"})
    known = given.after(given.in_status(PaymentStage.SUCCEEDED), given.refund(1000), named)
    unnamed = named.model_copy(update={"refund_id": RefundId("ref_psp_re_1")})

    again = decide(known, unnamed, given.NOW)
    failed = _applied(known, unnamed.model_copy(update={"state": PspRefundState.FAILED}))

    assert isinstance(again, Ignored)
    assert [(refund.refund_id, refund.stage) for refund in failed.state.refunds] == [
        (given.REFUND_ID, RefundStage.FAILED)
    ]


def test_a_refund_known_from_an_older_adapter_learns_the_psps_id_of_it() -> None:
    known = given.after(given.in_status(PaymentStage.SUCCEEDED), given.refund(1000), given.refund_updated(amount=1000))
    named = given.refund_updated(amount=1000).model_copy(update={"psp_refund_id": "re_1"})

    decision = _applied(known, named)

    assert [refund.psp_refund_id for refund in decision.state.refunds] == ["re_1"]
    assert decision.state.refunded(RefundStage.SUCCEEDED).amount == 1000


@pytest.mark.parametrize("status", PaymentStage)
def test_another_amount_for_the_same_payment_is_raised_in_every_status(status: PaymentStage) -> None:
    payment = given.in_status(status)

    with pytest.raises(AmountChangedError, match=given.PAYMENT_ID):
        decide(payment, given.create(Money(amount=9999, currency="EUR")), given.NOW)


def test_a_request_for_a_payment_that_succeeded_is_answered_with_the_success() -> None:
    decision = _applied(given.in_status(PaymentStage.SUCCEEDED), given.create())

    assert decision.messages == (AGAIN,)


# Paying


@pytest.mark.parametrize(
    "status",
    [
        PaymentStage.SESSION_OPEN,
        PaymentStage.ACTION_REQUIRED,
        PaymentStage.PROCESSING,
        PaymentStage.CLOSING,
        PaymentStage.CLOSED,
    ],
)
def test_a_success_is_believed_in_every_status_but_the_final_ones(status: PaymentStage) -> None:
    decision = _applied(given.in_status(status), given.succeeded())

    assert decision.state.status is PaymentStage.SUCCEEDED
    assert decision.state.received == given.AMOUNT
    assert decision.messages == (SUCCEEDED,)


def test_a_success_is_believed_even_when_a_newer_report_came_first() -> None:
    payment = given.after(given.payable(), given.processing(seconds=60))

    decision = _applied(payment, given.succeeded(seconds=1))

    assert decision.state.status is PaymentStage.SUCCEEDED


def test_a_success_reported_twice_is_ignored_the_second_time() -> None:
    decision = decide(given.in_status(PaymentStage.SUCCEEDED), given.succeeded(), given.NOW)

    assert decision == Ignored("the payment is succeeded already")


def test_a_declined_attempt_is_reported_and_leaves_the_session_open() -> None:
    decision = _applied(given.payable(), given.failed(code="insufficient_funds", detail="Not enough money."))

    assert decision.state.status is PaymentStage.SESSION_OPEN
    assert [attempt.code for attempt in decision.state.attempts] == ["insufficient_funds"]
    assert decision.messages == (
        PaymentFailed(
            order_id=given.ORDER_ID,
            payment_id=given.PAYMENT_ID,
            code="insufficient_funds",
            detail="Not enough money.",
        ),
    )


def test_only_the_newest_attempts_are_kept() -> None:
    attempts = [given.failed(seconds=number, code=f"code-{number}") for number in range(ATTEMPTS_KEPT + 5)]

    payment = given.after(given.payable(), *attempts)

    assert [attempt.code for attempt in payment.attempts] == [f"code-{n}" for n in range(5, ATTEMPTS_KEPT + 5)]


def test_a_payment_that_settles_later_is_reported() -> None:
    decision = _applied(given.payable(), given.processing())

    assert decision.state.status is PaymentStage.PROCESSING
    assert decision.messages == (PaymentProcessing(order_id=given.ORDER_ID, payment_id=given.PAYMENT_ID),)


def test_authentication_is_noted_and_nothing_published() -> None:
    decision = _applied(given.payable(), given.action_required())

    assert decision.state.status is PaymentStage.ACTION_REQUIRED
    assert decision.messages == ()


# Late and overtaken


@pytest.mark.parametrize(
    "late",
    [given.action_required(4), given.processing(4), given.failed(4), given.canceled(4)],
    ids=lambda report: report.kind,
)
def test_a_report_overtaken_by_a_newer_one_is_stale(late: PaymentInput) -> None:
    payment = given.after(given.payable(), given.processing(seconds=5))

    decision = decide(payment, late, given.NOW)

    assert decision == Stale("overtaken by a newer report")


def test_a_report_of_the_same_second_is_no_older_one() -> None:
    payment = given.after(given.payable(), given.action_required(seconds=5))

    decision = _applied(payment, given.processing(seconds=5))

    assert decision.state.status is PaymentStage.PROCESSING


@pytest.mark.parametrize(
    "foreign",
    [
        given.action_required(9, reference="pi_other"),
        given.processing(9, reference="pi_other"),
        given.failed(9, reference="pi_other"),
        given.canceled(9, reference="pi_other"),
    ],
    ids=lambda report: report.kind,
)
def test_a_report_about_a_session_that_the_payment_does_not_hold_is_stale(foreign: PaymentInput) -> None:
    decision = decide(given.payable(), foreign, given.NOW)

    assert decision == Stale("a report about a session that this payment does not hold")


# A success that names the payment in its metadata alone


def answered(event: PspPaymentSucceeded) -> PspPaymentSucceeded:
    """The same, read from the PSP when it was asked."""
    return event.model_copy(update={"is_answer": True})


def test_a_success_of_a_session_that_the_payment_does_not_hold_is_asked_about_once_and_not_believed() -> None:
    foreign = given.succeeded(reference="pi_foreign")

    decision = _applied(given.payable(), foreign)

    assert decision.state.status is PaymentStage.SESSION_OPEN
    assert decision.state.received is None
    [question] = decision.messages
    assert isinstance(question, RetrievePspSession)
    assert (question.psp_reference, question.is_held) == ("pi_foreign", False)
    assert isinstance(decide(decision.state, foreign, given.NOW), Ignored)


@pytest.mark.parametrize("status", [PaymentStage.SESSION_OPEN, PaymentStage.CLOSED, PaymentStage.FAILED])
def test_a_session_that_was_paid_and_was_not_opened_for_the_payment_comes_before_a_person(status: PaymentStage) -> None:
    decision = _applied(given.in_status(status), answered(given.succeeded(reference="pi_foreign")))

    emitted, *closed = decision.messages
    assert isinstance(emitted, PaymentMismatched)
    assert "pi_foreign" in emitted.detail
    assert emitted.received == given.AMOUNT
    assert decision.state.paid_reference == "pi_foreign"
    assert closed == ([CLOSE_AT_PSP] if decision.state.session else [])


def test_a_success_is_adopted_while_the_payment_waits_for_its_session_as_after_a_restore_of_the_store() -> None:
    asked = given.after(given.created(), given.succeeded())

    decision = _applied(asked, answered(given.succeeded()))

    assert decision.state.status is PaymentStage.SUCCEEDED
    assert decision.messages == (SUCCEEDED,)
    assert decision.state.knows(given.REFERENCE)


def test_a_foreign_success_beside_the_one_that_paid_is_not_refunded() -> None:
    paid = given.in_status(PaymentStage.SUCCEEDED)

    decision = decide(paid, answered(given.succeeded(reference="pi_foreign")), given.NOW)

    assert isinstance(decision, Ignored)


# Not what was asked


@pytest.mark.parametrize(
    "received",
    [Money(amount=4799, currency="EUR"), Money(amount=4801, currency="EUR"), Money(amount=4800, currency="USD")],
    ids=["too little", "too much", "another currency"],
)
@pytest.mark.parametrize("status", [PaymentStage.SESSION_OPEN, PaymentStage.CLOSING, PaymentStage.CLOSED])
def test_a_success_over_another_amount_is_a_mismatch(status: PaymentStage, received: Money) -> None:
    decision = _applied(given.in_status(status), given.succeeded(amount=received))

    assert decision.state.status is PaymentStage.MISMATCHED
    assert decision.state.received == received
    (emitted,) = decision.messages
    assert isinstance(emitted, PaymentMismatched)
    assert readable(received) in emitted.detail


def test_a_success_in_another_mode_is_a_mismatch() -> None:
    decision = _applied(given.payable(), given.succeeded(livemode=False))

    assert decision.state.status is PaymentStage.MISMATCHED
    (emitted,) = decision.messages
    assert isinstance(emitted, PaymentMismatched)
    assert "livemode" in emitted.detail


def test_a_session_over_another_amount_is_a_mismatch_before_it_can_be_paid() -> None:
    decision = _applied(given.created(), given.session_created(amount=Money(amount=1, currency="EUR")))

    assert decision.state.status is PaymentStage.MISMATCHED
    (emitted,) = decision.messages
    assert isinstance(emitted, PaymentMismatched)


# Closing in two phases


@pytest.mark.parametrize(
    "status",
    [PaymentStage.SESSION_OPEN, PaymentStage.ACTION_REQUIRED, PaymentStage.PROCESSING, PaymentStage.CLOSING],
)
def test_closing_asks_the_psp_first(status: PaymentStage) -> None:
    decision = _applied(given.in_status(status), given.close())

    assert decision.state.status is PaymentStage.CLOSING
    assert decision.messages == (CLOSE_AT_PSP,)


def test_closing_is_reported_once_the_psp_says_canceled() -> None:
    decision = _applied(given.closing(), given.canceled())

    assert decision.state.status is PaymentStage.CLOSED
    assert decision.messages == (CLOSED,)


@pytest.mark.parametrize(
    "payment",
    [given.created(), given.after(given.created(), given.unanswered()), given.closing_without_session()],
    ids=["being opened", "opened without an answer", "left closing by a version before"],
)
def test_closing_before_the_psp_has_named_a_session_is_done_at_once(payment: Payment) -> None:
    decision = _applied(payment, given.close())

    assert decision.state.status is PaymentStage.CLOSED
    assert decision.messages == (CLOSED,)


def test_a_session_named_after_its_payment_was_closed_is_closed_until_the_psp_says_so() -> None:
    closed = given.after(given.created(), given.close())

    named = _applied(closed, given.session_created())
    silent = decide(named.state, given.unanswered(ClosePspSession), given.NOW)
    assert named.state.due_at is not None
    again = decide(named.state, PollDue(), named.state.due_at)
    done = given.after(named.state, given.canceled())

    assert named.messages == (CLOSE_AT_PSP,)
    assert isinstance(silent, Stale)
    assert isinstance(again, Applied)
    assert again.messages == (CLOSE_AT_PSP,)
    assert (done.status, done.unclosed, done.due_at) == (PaymentStage.CLOSED, (), None)


def test_a_session_that_is_to_be_closed_and_was_paid_is_not_closed_again_and_again() -> None:
    named = given.after(given.created(), given.close(), given.session_created())

    paid = _applied(named, given.succeeded())

    assert (paid.state.unclosed, paid.state.due_at) == ((), None)


def test_a_payment_that_is_closed_after_a_week_of_silence_still_has_its_other_session_closed() -> None:
    closed_once = given.after(given.created(), given.close(), given.session_created())
    silent = given.after(closed_once, given.create(request_no=2), given.unanswered())
    while silent.due_at is not None:
        polled = decide(silent, PollDue(), silent.due_at)
        assert isinstance(polled, Applied)
        silent = polled.state

    closed = _applied(silent, given.close()).state
    assert closed.due_at is not None
    again = decide(closed, PollDue(), closed.due_at)

    assert isinstance(again, Applied)
    assert [type(message) for message in again.messages] == [ClosePspSession]


def test_a_payment_left_closing_without_a_session_ends_when_the_psp_refuses_to_open_it() -> None:
    decision = _applied(given.closing_without_session(), given.session_failed())

    assert decision.state.status is PaymentStage.CLOSED
    assert decision.messages == (CLOSED,)


def test_a_payment_that_settles_while_closing_is_reported_and_stays_closing() -> None:
    decision = _applied(given.closing(), given.processing())

    assert decision.state.status is PaymentStage.CLOSING
    assert decision.messages == (PaymentProcessing(order_id=given.ORDER_ID, payment_id=given.PAYMENT_ID),)


def test_a_payment_that_fails_to_settle_while_closing_is_closed_at_the_psp_once_more() -> None:
    settling = given.after(given.closing(), given.processing(seconds=1))

    decision = _applied(settling, given.failed(seconds=2))

    assert decision.state.status is PaymentStage.CLOSING
    assert decision.messages == (CLOSE_AT_PSP,)


def test_closing_what_was_paid_is_answered_with_the_success() -> None:
    decision = _applied(given.in_status(PaymentStage.SUCCEEDED), given.close())

    assert decision.state.status is PaymentStage.SUCCEEDED
    assert decision.messages == (AGAIN,)


@pytest.mark.parametrize("status", [PaymentStage.CLOSED, PaymentStage.FAILED])
def test_closing_what_can_no_longer_be_paid_is_answered_at_once(status: PaymentStage) -> None:
    decision = _applied(given.in_status(status), given.close())

    assert decision.state.status is status
    assert decision.messages == (CLOSED,)


# Unknown


@pytest.mark.parametrize(
    "message",
    [given.session_created(), given.session_failed(), given.succeeded(), given.canceled()],
    ids=lambda message: message.kind,
)
def test_a_message_about_an_unknown_payment_is_raised(message: PaymentInput) -> None:
    with pytest.raises(UnknownPaymentError, match=PaymentId(given.PAYMENT_ID)):
        decide(None, message, given.NOW)


def test_a_close_that_comes_before_the_payment_is_tried_again_until_it_is_there() -> None:
    with pytest.raises(ClosedBeforeCreatedError) as raised:
        decide(None, given.close(), given.NOW)

    assert is_transient(raised.value)


def test_a_report_about_the_earlier_session_is_stale_while_the_new_one_is_being_opened() -> None:
    second = given.after(given.closed(), given.create())

    decision = decide(second, given.canceled(), given.NOW)

    assert isinstance(decision, Stale)


def test_a_session_the_psp_opens_after_all_can_be_closed_again() -> None:
    payment = given.after(given.in_status(PaymentStage.FAILED), given.session_created())

    decision = _applied(payment, given.close())

    assert decision.state.status is PaymentStage.CLOSING
    assert decision.messages == (CLOSE_AT_PSP,)
