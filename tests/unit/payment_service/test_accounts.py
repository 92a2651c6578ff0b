"""A payment stays at the account of its first request, and believes the PSP about that account only."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.decision import Applied, Ignored
from contracts.payments import PaymentSessionCreated
from contracts.psp import ClosePspSession, CreatePspRefund, CreatePspSession, PspEventsSwept, SweepPspEvents
from contracts.psp_accounts import AtPspAccount, PageAccount
from payment_service.event_backfill import EventBackfill, SweepDue, sweep_id
from payment_service.event_backfill import decide as decide_sweep
from payment_service.payment.decide import decide
from payment_service.payment.inputs import PaymentInput
from payment_service.payment.state import Payment
from tests.support import payments as given

PAGE = PageAccount(publishable_key="pk_test_seaside", connected="acct_seaside")
REPORTS = [
    given.session_failed(),
    given.unanswered(),
    given.authorised(),
    given.processing(),
    given.failed(),
    given.succeeded(),
    given.canceled(),
    given.session_open(),
    given.refund_updated(),
    given.refund_refused(),
    given.dispute(),
]


def _at(message: PaymentInput, account: str = "seaside") -> PaymentInput:
    assert not isinstance(message, Payment)
    return message.model_copy(update={"psp_account": account})  # type: ignore[union-attr]


def _payable() -> Payment:
    created = given.session_created().model_copy(update={"psp_account": "seaside", "page_account": PAGE})
    return given.after(None, _at(given.create()), created)


def test_every_request_goes_to_the_account_of_the_first_one() -> None:
    first = decide(None, _at(given.create()), given.NOW)
    assert isinstance(first, Applied)
    assert [each.psp_account for each in first.messages if isinstance(each, AtPspAccount)] == ["seaside"]

    paid = given.after(_payable(), _at(given.succeeded()))
    refunded = decide(paid, given.refund(), given.NOW)

    assert isinstance(refunded, Applied)
    (request,) = refunded.messages
    assert isinstance(request, CreatePspRefund)
    assert request.psp_account == "seaside"


def test_an_order_that_names_another_account_later_does_not_move_its_payment() -> None:
    decision = decide(given.after(None, _at(given.create())), _at(given.create(), "harbour"), given.NOW)

    assert isinstance(decision, Applied)
    assert decision.state.psp_account == "seaside"
    assert [each.psp_account for each in decision.messages if isinstance(each, CreatePspSession)] == ["seaside"]


def test_the_page_is_given_what_its_account_needs() -> None:
    created = given.session_created().model_copy(update={"psp_account": "seaside", "page_account": PAGE})

    decision = decide(given.after(None, _at(given.create())), created, given.NOW)

    assert isinstance(decision, Applied)
    (event,) = decision.messages
    assert isinstance(event, PaymentSessionCreated)
    assert event.page_account == PAGE


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
@pytest.mark.parametrize("account", ["default", "harbour"])
def test_a_report_of_another_account_changes_nothing(report: PaymentInput, account: str) -> None:
    assert isinstance(decide(_payable(), _at(report, account), given.NOW), Ignored)


def test_a_session_that_an_older_adapter_opened_elsewhere_is_closed_there_and_given_to_no_guest() -> None:
    created = given.after(None, _at(given.create()))

    decision = decide(created, given.session_created(), given.NOW)

    assert isinstance(decision, Applied)
    assert decision.state.session is None
    (close,) = decision.messages
    assert isinstance(close, ClosePspSession)
    assert (close.psp_account, close.psp_reference) == ("default", given.REFERENCE)


def test_a_payment_of_before_is_at_the_default_account() -> None:
    old = given.payable().model_dump(mode="json")
    del old["psp_account"], old["session"]["page_account"]

    assert Payment.model_validate(old) == given.payable()


def test_each_account_has_a_backfill_of_its_own() -> None:
    now = datetime(2026, 7, 1, 9, tzinfo=UTC)
    first = decide_sweep(None, SweepDue(timedelta(minutes=10), "seaside"), now)
    assert isinstance(first, Applied)
    again = decide_sweep(first.state, SweepDue(timedelta(minutes=10)), now + timedelta(minutes=10))
    assert isinstance(again, Applied)

    for decision in (first, again):
        (sweep,) = decision.messages
        assert isinstance(sweep, SweepPspEvents)
        assert sweep.psp_account == "seaside"
    assert (sweep_id("default"), sweep_id("seaside")) == ("psp-sweep", "psp-sweep.seaside")


def test_the_progress_of_a_sweep_counts_before_it_is_through() -> None:
    now = datetime(2026, 7, 1, 9, tzinfo=UTC)
    sweep = EventBackfill(psp_account="seaside", since=now - timedelta(days=20), due_at=now)

    on_the_way = decide_sweep(sweep, PspEventsSwept(psp_account="seaside", until=now - timedelta(days=10)), now)

    assert isinstance(on_the_way, Applied)
    assert on_the_way.state.since == now - timedelta(days=10)
    assert on_the_way.state.due_at == sweep.due_at
