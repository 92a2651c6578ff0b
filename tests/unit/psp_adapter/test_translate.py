"""Stripe's events and intents in the bus's words."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
import stripe
from pydantic import ValidationError

from chassis.decision import Ignored
from contracts.ids import OrderId, PaymentId
from contracts.money import Money
from contracts.psp import (
    PspDisputeState,
    PspDisputeUpdated,
    PspPaymentActionRequired,
    PspPaymentCanceled,
    PspPaymentEvent,
    PspPaymentFailed,
    PspPaymentHeld,
    PspPaymentProcessing,
    PspPaymentSucceeded,
    PspRefundState,
    PspRefundUpdated,
    PspSessionOpen,
    RetrievePspSession,
)
from psp_adapter.stripe_objects import Intent
from psp_adapter.translate import DISPUTE_STATES, EventSubject, report_of_event, report_of_intent, subject_of

CREATED = 1_782_896_400
SEEN = datetime(2026, 7, 1, 9, 0, 0, 654_321, tzinfo=UTC)
ORDER_ID = "ord_" + "a" * 26
PAYMENT_ID = "pay_" + "a" * 26


def _intent(**changes: Any) -> dict[str, Any]:
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": 4800,
        "amount_received": 4800,
        "currency": "eur",
        "livemode": True,
        "client_secret": "pi_1_secret_x",
        "metadata": {"order_id": ORDER_ID, "payment_id": PAYMENT_ID},
        **changes,
    }


def _event(event_type: str, **changes: Any) -> dict[str, Any]:
    return {"id": "evt_1", "type": event_type, "created": CREATED, "data": {"object": _intent(**changes)}}


def translated(event: dict[str, Any]) -> PspPaymentEvent | Ignored:
    """What an event says about the intent it carries."""
    about = subject_of(event)
    assert isinstance(about, EventSubject)
    assert about.embedded is not None
    return report_of_event(event, about.embedded)


def _facts(report: PspPaymentEvent) -> tuple[Any, ...]:
    return report.order_id, report.payment_id, report.psp_reference, report.livemode


@pytest.mark.parametrize(
    ("event_type", "report_type"),
    [
        ("payment_intent.succeeded", PspPaymentSucceeded),
        ("payment_intent.processing", PspPaymentProcessing),
        ("payment_intent.payment_failed", PspPaymentFailed),
        ("payment_intent.canceled", PspPaymentCanceled),
        ("payment_intent.requires_action", PspPaymentActionRequired),
    ],
)
def test_an_event_becomes_a_report_with_the_facts_of_its_intent(
    event_type: str, report_type: type[PspPaymentEvent]
) -> None:
    report = translated(_event(event_type))

    assert isinstance(report, PspPaymentEvent)
    assert type(report) is report_type
    assert _facts(report) == (ORDER_ID, PAYMENT_ID, "pi_1", True)
    assert report.occurred_at == datetime.fromtimestamp(CREATED, UTC)


def test_a_success_carries_what_was_received_and_not_what_was_asked() -> None:
    report = translated(_event("payment_intent.succeeded", amount=4800, amount_received=1500, currency="isk"))

    assert isinstance(report, PspPaymentSucceeded)
    assert report.amount_received == Money(amount=15, currency="ISK")


@pytest.mark.parametrize(
    ("error", "code", "detail"),
    [
        (
            {"code": "card_declined", "decline_code": "insufficient_funds", "message": "Not enough money."},
            "insufficient_funds",
            "Not enough money.",
        ),
        ({"code": "expired_card", "message": "Your card has expired."}, "expired_card", "Your card has expired."),
        ({}, "unknown", "The payment did not go through."),
        (None, "unknown", "The payment did not go through."),
    ],
    ids=["decline code", "code", "empty", "no error"],
)
def test_a_failure_names_the_narrowest_reason_and_a_sentence(error: Any, code: str, detail: str) -> None:
    report = translated(_event("payment_intent.payment_failed", last_payment_error=error))

    assert isinstance(report, PspPaymentFailed)
    assert (report.code, report.detail) == (code, detail)


@pytest.mark.parametrize(
    "metadata", [{}, {"order_id": ORDER_ID}, {"payment_id": PAYMENT_ID}, {"shop": "another"}], ids=str
)
def test_a_payment_of_another_system_is_passed_on_without_a_claim_when_it_moves_money_and_is_ignored_otherwise(
    metadata: dict[str, str],
) -> None:
    paid = translated(_event("payment_intent.succeeded", metadata=metadata))
    closed = translated(_event("payment_intent.canceled", metadata=metadata))

    assert isinstance(paid, PspPaymentEvent)
    assert _facts(paid)[:3] == ("", "", "pi_1")
    assert closed == Ignored("a payment of another system on the same account")


@pytest.mark.parametrize("metadata", [{}, {"order_id": "ord_of_another", "payment_id": "pay_of_another"}], ids=str)
def test_an_answer_is_about_the_payment_that_was_asked_about_whatever_the_metadata_says(
    metadata: dict[str, str],
) -> None:
    asked = RetrievePspSession(order_id=OrderId(ORDER_ID), payment_id=PaymentId(PAYMENT_ID), psp_reference="pi_1")
    intent = Intent.model_validate(_intent(metadata=metadata))

    report = report_of_intent(intent.answering(asked, asked.payment_id), SEEN)

    assert report is not None
    assert _facts(report)[:3] == (ORDER_ID, PAYMENT_ID, "pi_1")
    assert report.is_answer


@pytest.mark.parametrize("event_type", ["customer.created", "payment_intent.created", "payout.paid", ""])
def test_an_event_of_an_unknown_type_is_ignored_with_its_type(event_type: str) -> None:
    about = subject_of({"id": "evt_1", "type": event_type, "created": CREATED, "data": {"object": {}}})

    assert about == Ignored(f"no rule for events of type {event_type}")


@pytest.mark.parametrize(
    ("status", "report_type"),
    [
        ("succeeded", PspPaymentSucceeded),
        ("processing", PspPaymentProcessing),
        ("canceled", PspPaymentCanceled),
        ("requires_action", PspPaymentActionRequired),
        ("requires_payment_method", PspSessionOpen),
        ("requires_confirmation", PspSessionOpen),
    ],
)
def test_an_intent_read_from_the_api_tells_its_status_as_of_the_second_it_was_seen(
    status: str, report_type: type[PspPaymentEvent]
) -> None:
    report = report_of_intent(Intent.model_validate(_intent(status=status)), SEEN)

    assert report is not None
    assert type(report) is report_type
    assert _facts(report) == (ORDER_ID, PAYMENT_ID, "pi_1", True)
    assert report.occurred_at == SEEN.replace(microsecond=0)


def test_an_intent_whose_status_is_not_known_gives_no_report() -> None:
    assert report_of_intent(Intent.model_validate(_intent(status="new")), SEEN) is None


def test_every_status_of_an_intent_that_the_installed_sdk_lists_has_a_rule() -> None:
    statuses, _any_other = get_args(stripe.PaymentIntent.__annotations__["status"])

    for status in get_args(statuses):
        assert report_of_intent(Intent.model_validate(_intent(status=status)), SEEN) is not None, status


VOUCHERS = [
    ("oxxo_display_details", {"expires_after": CREATED + 9, "number": "123"}),
    ("boleto_display_details", {"expires_at": CREATED + 9}),
    ("multibanco_display_details", {"expires_at": CREATED + 9, "entity": None}),
    ("konbini_display_details", {"expires_at": CREATED + 9, "stores": {"lawson": {"payment_code": "1"}}}),
    ("pix_display_qr_code", {"expires_at": CREATED + 9}),
    ("swish_handle_redirect_or_display_qr_code", {"qr_code": {"expires_at": CREATED + 9}}),
]


@pytest.mark.parametrize(("kind", "details"), VOUCHERS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_voucher_is_reported_with_its_expiry(kind: str, details: dict[str, Any]) -> None:
    report = translated(
        _event("payment_intent.requires_action", status="requires_action", next_action={"type": kind, kind: details})
    )

    assert isinstance(report, PspPaymentActionRequired)
    assert report.payable_until == datetime.fromtimestamp(CREATED + 9, UTC)


@pytest.mark.parametrize(
    "next_action",
    [
        None,
        {},
        {"type": "redirect_to_url", "redirect_to_url": {"url": "https://bank.example"}},
        {"type": "oxxo_display_details"},
        {"type": "oxxo_display_details", "oxxo_display_details": None},
        {"type": "oxxo_display_details", "oxxo_display_details": {"expires_after": "tomorrow"}},
        {"type": "oxxo_display_details", "oxxo_display_details": {"expires_after": 10**18}},
        {
            "type": "display_bank_transfer_instructions",
            "display_bank_transfer_instructions": {"amount_remaining": 4800},
        },
    ],
    ids=str,
)
def test_an_action_without_an_expiry_that_can_be_read_names_none(next_action: dict[str, Any] | None) -> None:
    report = translated(_event("payment_intent.requires_action", status="requires_action", next_action=next_action))

    assert isinstance(report, PspPaymentActionRequired)
    assert report.payable_until is None


def test_a_transfer_of_a_part_is_held_whether_an_event_or_an_answer_tells_of_it() -> None:
    shown = {"amount_remaining": 1800, "currency": "eur", "type": "eu_bank_transfer"}
    part = {
        "status": "requires_action",
        "next_action": {
            "type": "display_bank_transfer_instructions",
            "display_bank_transfer_instructions": shown,
        },
    }

    held = translated(_event("payment_intent.partially_funded", **part))
    found = report_of_intent(Intent.model_validate(_intent(**part)), SEEN)

    for report in (held, found):
        assert isinstance(report, PspPaymentHeld)
        assert not report.is_authorised_only
        assert "€18.00 are missing" in report.detail


def test_an_authorisation_that_is_not_captured_is_held() -> None:
    report = translated(
        _event("payment_intent.amount_capturable_updated", status="requires_capture", amount_capturable=4800)
    )

    assert isinstance(report, PspPaymentHeld)
    assert report.is_authorised_only
    assert report.authorised == Money(amount=4800, currency="EUR")
    assert report.capture_before is None


@pytest.mark.parametrize(("named", "expected"), [(1_780_000_000, True), (0, False), (10**15, False), ("soon", False)])
def test_the_end_of_an_authorisation_is_read_from_its_charge(named: object, expected: bool) -> None:
    charge = {"id": "ch_1", "payment_method_details": {"type": "card", "card": {"capture_before": named}}}
    seen = Intent.model_validate(_intent(status="requires_capture", amount_capturable=4800, latest_charge=charge))

    report = report_of_intent(seen, datetime.fromtimestamp(CREATED, UTC))

    assert isinstance(report, PspPaymentHeld)
    assert (report.capture_before is not None) is expected


def test_an_authorisation_that_was_cancelled_is_reported_as_cancelled() -> None:
    report = translated(_event("payment_intent.amount_capturable_updated", status="canceled", amount_capturable=0))

    assert isinstance(report, PspPaymentCanceled)


def test_an_intent_never_shows_its_client_secret() -> None:
    assert "secret" not in repr(Intent.model_validate(_intent()))


def _about_money(event_type: str, subject: dict[str, Any]) -> PspPaymentEvent | Ignored:
    event = {"id": "evt_2", "type": event_type, "created": CREATED, "data": {"object": subject}}
    assert subject_of(event) == EventSubject("pi_1", None)
    return report_of_event(event, Intent.model_validate(_intent()))


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("succeeded", PspRefundState.SUCCEEDED),
        ("pending", PspRefundState.PENDING),
        ("requires_action", PspRefundState.PENDING),
        ("failed", PspRefundState.FAILED),
        ("canceled", PspRefundState.FAILED),
    ],
)
def test_a_refund_of_ours_is_reported_under_our_id_with_its_state(status: str, state: PspRefundState) -> None:
    refund = {
        "id": "re_1",
        "payment_intent": "pi_1",
        "amount": 1500,
        "currency": "eur",
        "status": status,
        "metadata": {"refund_id": "ref_ours"},
    }

    report = _about_money("refund.updated", refund)

    assert isinstance(report, PspRefundUpdated)
    assert _facts(report) == (ORDER_ID, PAYMENT_ID, "pi_1", True)
    assert (report.refund_id, report.state, report.amount) == ("ref_ours", state, Money(amount=1500, currency="EUR"))


@pytest.mark.parametrize("reason", ["partial_capture", "expired_uncaptured_charge"])
def test_the_release_of_an_authorisation_is_no_refund(reason: str) -> None:
    """API versions before 2025-03-31 make an object of it, also when the dashboard captures a part."""
    release = {"id": "re_9", "payment_intent": "pi_1", "amount": 10, "currency": "eur", "status": "succeeded"}

    report = _about_money("refund.created", {**release, "reason": reason})

    assert isinstance(report, Ignored)


def test_a_refund_made_in_the_dashboard_is_reported_under_an_id_derived_from_stripes() -> None:
    refund = {"id": "re_9", "payment_intent": "pi_1", "amount": 10, "currency": "jpy", "status": "succeeded"}

    report = _about_money("refund.created", refund)

    assert isinstance(report, PspRefundUpdated)
    assert report.refund_id == "ref_psp_re_9"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("warning_needs_response", PspDisputeState.INQUIRY),
        ("needs_response", PspDisputeState.OPEN),
        ("under_review", PspDisputeState.OPEN),
        ("won", PspDisputeState.WON),
        ("warning_closed", PspDisputeState.WON),
        ("lost", PspDisputeState.LOST),
        ("prevented", PspDisputeState.LOST),
        ("appeal_needs_response", PspDisputeState.OPEN),
        ("appeal_under_review", PspDisputeState.OPEN),
        ("a status of next year", PspDisputeState.OPEN),
    ],
)
def test_a_dispute_is_reported_with_where_it_stands(status: str, state: PspDisputeState) -> None:
    dispute = {"id": "dp_1", "payment_intent": "pi_1", "amount": 4800, "currency": "eur", "status": status}

    report = _about_money("charge.dispute.updated", dispute)

    assert isinstance(report, PspDisputeUpdated)
    assert (report.dispute_id, report.state, report.status) == ("dp_1", state, status)


def test_every_status_of_a_dispute_that_the_installed_sdk_lists_has_a_meaning_for_the_money() -> None:
    statuses, _any_other = get_args(stripe.Dispute.__annotations__["status"])

    assert set(DISPUTE_STATES) == set(get_args(statuses))


@pytest.mark.parametrize("what", ["created", "updated", "closed", "funds_withdrawn", "funds_reinstated"])
def test_every_event_about_a_dispute_is_read(what: str) -> None:
    dispute = {"id": "dp_1", "payment_intent": "pi_1", "amount": 4800, "currency": "eur", "status": "lost"}

    assert isinstance(_about_money(f"charge.dispute.{what}", dispute), PspDisputeUpdated)


def test_a_charge_without_a_payment_intent_is_ignored() -> None:
    event = {"id": "evt_3", "type": "refund.created", "created": CREATED, "data": {"object": {"id": "re_1"}}}

    assert subject_of(event) == Ignored("a charge without a PaymentIntent")


def test_an_object_that_cannot_be_read_is_named_without_what_it_holds() -> None:
    with pytest.raises(ValidationError) as refused:
        Intent.model_validate({"id": "pi_1", "receipt_email": "a@b.example"})

    assert "livemode" in str(refused.value)
    assert "a@b.example" not in str(refused.value)
