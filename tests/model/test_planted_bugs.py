"""Plant a bug, and find it; within the same bounds, the real code breaks no law."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from chassis.decision import Applied, Decision, Ignored, Outcome, Stale
from chassis.errors import PermanentError
from chassis.messaging.envelope import Delivery
from contracts.approvals import DeclineOrder
from contracts.orders import RetryRefund
from contracts.payments import (
    CapturePayment,
    CreatePaymentSession,
    PaymentDisputeClosed,
    PaymentInstructionsIssued,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentSessionClosed,
    PaymentSucceeded,
    PaymentUnresolved,
    RefundPayment,
)
from contracts.psp import (
    ClosePspSession,
    CreatePspRefund,
    CreatePspSession,
    PspDisputeState,
    PspDisputeUpdated,
    PspPaymentHeld,
    PspPaymentSucceeded,
    PspRefundUpdated,
    PspSessionCreated,
    RetrievePspSession,
)
from contracts.psp_accounts import DEFAULT_ACCOUNT, AtPspAccount
from extras_service.order.closure import cancelled
from extras_service.order.decide import decide as decide_order
from extras_service.order.inputs import OrderInput
from extras_service.order.payment import paid
from extras_service.order.state import Order
from ops.core import lost_payments
from payment_service.handlers import PaymentHandlers
from payment_service.payment import polling
from payment_service.payment.decide import decide as decide_payment
from payment_service.payment.inputs import PaymentInput, PollDue, PspReport
from payment_service.payment.state import Payment
from psp_adapter.errors import PspBrokenError, PspForbiddenError
from tests.model.bounds import EXTRAS_BACKUP, KEY_REFUSED, OPENS, PAYMENT_BACKUP, PAYS, PAYS_TWICE, Bounds, Left
from tests.model.explore import NEVER_FINAL, PARKED, Violation, explore
from tests.model.laws import (
    BY_A_FAILURE,
    BY_THE_KEY,
    LEFT_OPEN,
    NOT_CAPTURED,
    NOT_MADE_GOOD,
    NOT_VOIDED,
    TAKEN_OUT,
    UNSEEN,
    WITHOUT_APPROVAL,
)
from tests.model.psp import NOW, SEASIDE
from tests.model.rules import Rules


def broken(bounds: Bounds, rules: Rules | None = None, *, stop: bool = True, **others: bool) -> Mapping[str, Violation]:
    """The laws that break by these rules, and where these fields of the bounds are others. Without, none may break."""
    sound = explore(bounds)
    assert not sound.violations, "\n".join(str(each) for each in sound.violations.values())
    return explore(replace(bounds, **others), rules, stop_at_first=stop).violations  # type: ignore[arg-type]


UNANSWERED = Bounds("a refund is not answered", Left(staff=2, silent=1, weeks=1), begin=PAYS)
PENDING = Bounds("a refund does not settle", Left(staff=2, weeks=1), begin=PAYS, slow_refunds=True)
SESSION_GONE = Bounds("a session is gone", Left(guest=1, psp=1), begin=OPENS, surprises=("gone",))
SESSION_REFUSED = Bounds("refused", Left(guest=1), begin=OPENS, never=(ClosePspSession, RetrievePspSession))
METADATA_CHANGED = Bounds(
    "metadata is changed", Left(staff=1, psp=2), begin=PAYS, surprises=("metadata", "a part is refunded")
)
PAYS_LATE = Bounds("pays late", Left(guest=2), begin=OPENS)
PAYS_LESS = Bounds("pays another amount", Left(guest=2), cards=("odd",))


def test_a_late_success_that_is_not_refunded_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        decision = decide_order(order, message, now)
        if isinstance(message, PaymentSucceeded) and isinstance(decision, Applied):
            kept = tuple(each for each in decision.messages if not isinstance(each, RefundPayment))
            return Applied(decision.state, kept)
        return decision

    found = broken(PAYS_LATE, Rules(order=forgets))

    assert "a closed order keeps no money, unless a refund or review is open" in found


def test_a_payment_that_is_not_compared_with_what_was_asked_is_found() -> None:
    def trusts(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if payment is not None and isinstance(message, PspPaymentSucceeded):
            message = message.model_copy(update={"amount_received": payment.amount})
        return decide_payment(payment, message, now)

    found = broken(PAYS_LESS, Rules(payment=trusts))

    assert "never confirmed without the full amount captured" in found


def test_a_session_that_is_never_closed_is_found() -> None:
    def forgets(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        decision = decide_payment(payment, message, now)
        if isinstance(decision, Applied):
            kept = tuple(each for each in decision.messages if not isinstance(each, ClosePspSession))
            return Applied(decision.state, kept)
        return decision

    found = broken(PAYS_LATE, Rules(payment=forgets), stop=False)

    assert any(law.startswith(NEVER_FINAL) for law in found)


def test_an_adapter_that_does_not_look_before_it_refunds_is_found() -> None:
    hasty = Bounds("a part is refunded", Left(staff=1, twice=1, forgets=1), begin=PAYS)

    found = broken(hasty, looks_first=False)

    assert "no refund is made twice" in found


def test_a_refund_made_twice_that_goes_unseen_is_found() -> None:
    def ignores(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if isinstance(message, PspRefundUpdated):
            message = message.model_copy(update={"psp_refund_id": ""})
        return decide_payment(payment, message, now)

    hasty = Bounds("a part is refunded", Left(staff=1, twice=1, forgets=1), begin=PAYS)

    found = broken(hasty, Rules(payment=ignores), stop=False, looks_first=False)

    assert "a refund made twice is seen" in found


def test_an_adapter_that_takes_a_refused_key_for_a_refused_refund_is_found() -> None:
    def every_4xx_is_final(error: Exception) -> Exception:
        return PspBrokenError("refunding", str(error), "401") if isinstance(error, PspForbiddenError) else error

    rolled = Bounds("the key is rolled", Left(staff=1, refuses=1), begin=PAYS, refusals=KEY_REFUSED)

    found = broken(rolled, Rules(refusal=every_4xx_is_final))

    assert set(found) == {BY_THE_KEY}


def test_a_failed_refund_that_goes_unseen_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        return Stale("it failed") if isinstance(message, PaymentRefundFailed) else decide_order(order, message, now)

    fails = Bounds("the bank sends it back", Left(staff=1, psp=1), begin=PAYS, surprises=("fails",))

    found = broken(fails, Rules(order=forgets))

    assert "a failed refund is seen" in found


def test_a_retry_that_asks_the_payment_for_nothing_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        decision = decide_order(order, message, now)
        if isinstance(message, RetryRefund) and isinstance(decision, Applied):
            return Applied(decision.state)
        return decision

    fails = Bounds("the bank sends it back", Left(staff=2, psp=1), begin=PAYS, surprises=("fails",))

    found = broken(fails, Rules(order=forgets))

    assert "order and payment agree about each refund" in found


def test_a_refund_that_is_made_again_when_it_is_asked_for_again_is_found() -> None:
    def forgets(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if payment is not None and isinstance(message, RefundPayment) and payment.refunds:
            message = message.model_copy(update={"refund_id": f"{message.refund_id}_{len(payment.refunds)}"})
        return decide_payment(payment, message, now)

    again = Bounds("an old command comes again", Left(staff=1, replays=1), begin=PAYS)

    found = broken(again, Rules(payment=forgets), stop=False)

    assert "only what was asked for is refunded" in found


def test_a_store_that_went_back_and_was_not_sent_its_part_of_the_log_is_found() -> None:
    for backup in (EXTRAS_BACKUP, PAYMENT_BACKUP):
        forgets = Bounds(f"after {backup}", Left(staff=1, restores=1), begin=(backup, *PAYS))

        found = broken(forgets, catches_up=False)

        assert NOT_MADE_GOOD in found


def test_a_refund_made_again_by_a_payment_that_went_back_is_found() -> None:
    hasty = Bounds(
        "the payment store goes back to before a refund",
        Left(staff=1, restores=1, forgets=1),
        begin=(PAYMENT_BACKUP, *PAYS),
        surprises=(),
        looks_first=False,
    )

    found = explore(hasty, stop_at_first=True)  # the real code takes minutes within these bounds

    assert "no refund is made twice" in found.violations


def test_a_session_opened_again_that_is_left_open_is_found() -> None:
    def forgets(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if isinstance(message, PspSessionCreated) and payment is not None and payment.session is not None:
            return Stale("a session is open already")
        return decide_payment(payment, message, now)

    again = Bounds("the key is forgotten", Left(guest=1, twice=1, forgets=1))
    found = broken(again, Rules(payment=forgets))

    assert "no session is left open" in found


def test_an_order_that_takes_a_part_dispute_for_all_of_it_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        if isinstance(message, PaymentDisputeClosed) and order is not None:
            message = message.model_copy(update={"amount": order.total})
        return decide_order(order, message, now)

    part = Bounds("a part is lost", Left(psp=2), begin=PAYS, surprises=("dispute",), disputes=("part",))
    found = broken(part, Rules(order=forgets))

    assert set(found) == {"what the bank has not taken can be given back"}


def test_a_payment_that_takes_an_end_for_the_last_word_is_found() -> None:
    def forgets(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if payment is not None and isinstance(message, PspDisputeUpdated):
            ended = (PspDisputeState.WON, PspDisputeState.LOST)
            if any(dispute.state in ended for dispute in payment.disputes):
                return Stale("the dispute is closed already")
        return decide_payment(payment, message, now)

    appeal = Bounds("an appeal", Left(psp=4), begin=PAYS, surprises=("dispute",), disputes=("whole", "appeals"))
    found = broken(appeal, Rules(payment=forgets))

    assert set(found) == {"what the bank has not taken can be given back"}


def test_an_order_that_does_not_see_that_the_guest_has_the_money_twice_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        decision = decide_order(order, message, now)
        if isinstance(message, PaymentDisputeClosed) and order is not None and isinstance(decision, Applied):
            return Applied(decision.state.model_copy(update={"status": order.status, "review": None}))
        return decision

    twice = Bounds(
        "refunded and lost",
        Left(psp=2),
        begin=(*PAYS, "the guest cancels"),
        surprises=("dispute",),
    )
    found = broken(twice, Rules(order=forgets))

    assert set(found) == {"no guest has more than they paid, unseen"}


def test_a_violation_is_reported_step_by_step() -> None:
    def trusts(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if payment is not None and isinstance(message, PspPaymentSucceeded):
            message = message.model_copy(update={"amount_received": payment.amount})
        return decide_payment(payment, message, now)

    found = broken(PAYS_LESS, Rules(payment=trusts))
    violation = found["never confirmed without the full amount captured"]

    assert "the guest pays another amount" in str(violation)
    assert "order: pending_payment/unpaid -> confirmed/paid" in violation.trace[-1]


# Point 3


def test_a_failed_refund_of_a_second_charge_that_brings_no_review_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        if isinstance(message, PaymentRefunded | PaymentRefundFailed):
            message = message.model_copy(update={"is_second_charge": False})
        return decide_order(order, message, now)

    twice = Bounds("paid twice", Left(psp=1), begin=PAYS_TWICE, surprises=("a second session", "fails"))

    found = broken(twice, Rules(order=forgets), stop=False)

    assert "no guest pays twice" in found


def test_a_refund_that_the_psp_neither_makes_nor_refuses_and_that_goes_unseen_is_found() -> None:
    def never_late(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        return decide_payment(payment, message, NOW if isinstance(message, PollDue) else now)

    for bounds in (UNANSWERED, PENDING):
        found = broken(bounds, Rules(payment=never_late))

        assert UNSEEN in found


def test_an_order_that_does_not_hear_of_a_refund_without_an_outcome_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        return Stale("no news") if isinstance(message, PaymentUnresolved) else decide_order(order, message, now)

    found = broken(PENDING, Rules(order=forgets))

    assert UNSEEN in found


def test_a_refund_made_after_staff_had_given_the_money_back_that_goes_unseen_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        decision = decide_order(order, message, now)
        if isinstance(message, PaymentRefunded) and order is not None and isinstance(decision, Applied):
            same = {"status": order.status, "doubled_refunds": order.doubled_refunds}
            return Applied(decision.state.model_copy(update=same))
        return decision

    for bounds in (UNANSWERED, PENDING):
        found = broken(bounds, Rules(order=forgets))

        assert "a refund settled outside and made as well is seen" in found


# Point 7


def test_polls_that_go_on_for_ever_are_found() -> None:
    def forgets(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        decision = decide_payment(payment, message, now)
        if isinstance(message, PollDue) and isinstance(decision, Applied):
            asked = polling.with_next_poll(decision.state.model_copy(update={"polls": 0}), now)
            return Applied(asked, tuple(each for each in decision.messages if not isinstance(each, PaymentUnresolved)))
        return decision

    for bounds in (SESSION_GONE, SESSION_REFUSED):
        found = broken(bounds, Rules(payment=forgets), stop=False)

        assert any(law.startswith(NEVER_FINAL) for law in found)


def test_an_order_whose_session_cannot_be_closed_and_that_stays_so_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        return Stale("no news") if isinstance(message, PaymentUnresolved) else decide_order(order, message, now)

    for bounds in (SESSION_GONE, SESSION_REFUSED):
        found = broken(bounds, Rules(order=forgets))

        assert "no order is stuck" in found


def test_an_order_that_waits_for_a_session_which_the_psp_does_not_open_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        decision = decide_order(order, message, now)
        if isinstance(message, PaymentSessionClosed) and isinstance(decision, Applied):
            return Stale("there was no session")
        return decision

    found = broken(Bounds("opens no session", Left(1), never=(CreatePspSession,)), Rules(order=forgets), stop=False)

    assert "no order is stuck" in found


def test_a_refusal_about_a_session_that_is_parked_is_found() -> None:
    def is_broken(error: Exception) -> Exception:
        return PermanentError(str(error)) if isinstance(error, PspBrokenError) else error

    found = broken(SESSION_REFUSED, Rules(refusal=is_broken))

    assert set(found) == {PARKED}


def test_an_adapter_that_repeats_a_stored_failure_is_found() -> None:
    stored = Bounds("the PSP repeats a failure", Left(guest=1, silent=1), stores_failures=True)

    found = broken(stored, new_keys=False)

    assert set(found) == {BY_A_FAILURE}


# Point 8


def test_an_order_that_expires_before_its_voucher_is_found() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        is_issued = isinstance(message, PaymentInstructionsIssued)
        return Stale("no news") if is_issued else decide_order(order, message, now)

    voucher = Bounds("a voucher", Left(guest=1), cards=("voucher",), begin=OPENS)

    found = broken(voucher, Rules(order=forgets))

    assert set(found) == {"a voucher is waited for as long as it can be paid"}


def test_an_authorisation_that_is_waited_for_is_found() -> None:
    def waits(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        return Ignored("not captured") if isinstance(message, PspPaymentHeld) else decide_payment(payment, message, now)

    authorised = Bounds("an authorisation", Left(guest=1), cards=("authorised",), begin=OPENS)

    found = broken(authorised, Rules(payment=waits))

    assert set(found) == {NOT_CAPTURED}


# Point 14


@pytest.mark.parametrize("word", ["repeated", "is_forgotten"])
def test_a_reconciliation_that_leaves_out_what_one_store_has_forgotten_is_found(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, backup = {"repeated": ("extras", EXTRAS_BACKUP), "is_forgotten": ("payment", PAYMENT_BACKUP)}[word]
    back = Bounds(f"the {store} store goes back", Left(restores=1), begin=(backup, *OPENS), reconciles=True)
    sound = explore(back)

    monkeypatch.setattr(lost_payments.Waiting, word, {"repeated": lambda _: None, "is_forgotten": False}[word])
    found = explore(back)

    assert not sound.violations
    assert any(law.startswith(NEVER_FINAL) for law in found.violations)


# Point 11


def test_a_service_that_believes_the_metadata_of_an_event_is_found() -> None:
    class Believing(PaymentHandlers):
        async def _event(self, event: PspReport, delivery: Delivery) -> Outcome[Any]:
            if not event.payment_id:
                return Ignored("another system's")
            return (await self.payments.handle(event.payment_id, event, delivery)).outcome

    found = broken(METADATA_CHANGED, Rules(handlers=Believing), stop=False)

    assert "the order knows what was refunded" in found
    assert PARKED in found


def test_a_refund_that_is_another_one_without_its_metadata_is_found() -> None:
    def believes(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if isinstance(message, PspRefundUpdated) and message.refund_id.startswith("ref_psp_"):
            message = message.model_copy(update={"psp_refund_id": ""})
        return decide_payment(payment, message, now)

    found = broken(METADATA_CHANGED, Rules(payment=believes), stop=False)

    assert "the order knows what was refunded" in found


# Approve, then capture


APPROVING = Bounds("approving", Left(guest=1, staff=1), begin=OPENS, needs_approval=True)


def test_a_payment_that_is_captured_as_soon_as_it_is_authorised_is_found() -> None:
    def captures(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        decision = decide_payment(payment, message, now)
        if isinstance(message, PspPaymentHeld) and isinstance(decision, Applied):
            held = decision.state
            capture = CapturePayment(order_id=held.order_id, payment_id=held.payment_id, amount=held.amount)
            return decide_payment(held, capture, now)
        return decision

    assert WITHOUT_APPROVAL in broken(APPROVING, Rules(payment=captures))


def test_an_order_that_is_confirmed_although_it_was_charged_without_approval_is_found() -> None:
    """Beside a payment that does so; the order alone would have brought it before a person."""

    def captures(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if isinstance(message, CreatePaymentSession):
            message = message.model_copy(update={"is_captured_later": False})
        return decide_payment(payment, message, now)

    def believes(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        if order is not None and isinstance(message, PaymentSucceeded) and order.received is None:
            return paid(order)
        return decide_order(order, message, now)

    from_the_start = Bounds("charged at once", Left(guest=2), needs_approval=True)

    seen = explore(from_the_start, Rules(payment=captures), stop_at_first=False)
    found = explore(from_the_start, Rules(payment=captures, order=believes), stop_at_first=False)

    assert not seen.violations
    assert WITHOUT_APPROVAL in found.violations


def test_a_capture_of_the_whole_although_a_line_was_taken_out_is_found() -> None:
    def captures_all(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if payment is not None and isinstance(message, CapturePayment):
            message = message.model_copy(update={"amount": payment.amount})
        return decide_payment(payment, message, now)

    assert TAKEN_OUT in broken(APPROVING, Rules(payment=captures_all))


def test_an_order_that_takes_the_whole_for_what_is_left_of_it_is_found() -> None:
    """Beside a payment that captures it; the order alone would have brought it before a person."""

    def captures_all(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if payment is not None and isinstance(message, CapturePayment):
            message = message.model_copy(update={"amount": payment.amount})
        return decide_payment(payment, message, now)

    def believes(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        if order is not None and isinstance(message, PaymentSucceeded) and order.received is None:
            return paid(order)
        return decide_order(order, message, now)

    found = broken(APPROVING, Rules(payment=captures_all, order=believes), stop=False)

    assert "never confirmed without the full amount captured" in found


def test_an_authorisation_that_stays_when_the_order_is_declined_is_found() -> None:
    def leaves_it(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        decision = decide_order(order, message, now)
        if isinstance(message, DeclineOrder) and isinstance(decision, Applied):
            return cancelled(decision.state)
        return decision

    found = broken(APPROVING, Rules(order=leaves_it), stop=False)

    assert NOT_VOIDED in found


OLDER_ADAPTER = Bounds("an older adapter", Left(guest=1, older=1), account=SEASIDE)
PAID_ELSEWHERE = Bounds(
    "paid at another account", Left(guest=1, psp=1), begin=OPENS, surprises=("another account",), account=SEASIDE
)


def test_a_session_of_another_account_that_stays_open_is_found() -> None:
    def leaves_it(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if payment and isinstance(message, PspSessionCreated) and message.psp_account != payment.psp_account:
            return Ignored("a session of another account")
        return decide_payment(payment, message, now)

    assert LEFT_OPEN in broken(OLDER_ADAPTER, Rules(payment=leaves_it), stop=False)


def test_money_of_another_account_that_counts_is_found() -> None:
    def believes(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if payment is not None and isinstance(message, AtPspAccount):
            message = message.model_copy(update={"psp_account": payment.psp_account})
        return decide_payment(payment, message, now)

    found = broken(PAID_ELSEWHERE, Rules(payment=believes))

    assert "never confirmed without the full amount captured" in found


def test_a_payment_that_is_opened_at_the_default_account_is_found() -> None:
    def forgets(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        if isinstance(message, CreatePaymentSession):
            message = message.model_copy(update={"psp_account": DEFAULT_ACCOUNT})
        return decide_payment(payment, message, now)

    assert "a payment stays at the account of its order" in broken(PAID_ELSEWHERE, Rules(payment=forgets))


def test_a_command_that_names_no_account_is_found() -> None:
    """The refund: the default account does not know the payment."""

    def forgets(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
        decision = decide_payment(payment, message, now)
        if not isinstance(decision, Applied):
            return decision
        sent = (
            each.model_copy(update={"psp_account": DEFAULT_ACCOUNT}) if isinstance(each, CreatePspRefund) else each
            for each in decision.messages
        )
        return Applied(decision.state, tuple(sent))

    refunding = Bounds("refunding", Left(staff=1), begin=PAYS, account=SEASIDE)

    assert any(law.startswith(NEVER_FINAL) for law in broken(refunding, Rules(payment=forgets), stop=False))
