"""Thin events (event destinations): they name an object, which is fetched and reported as it is by then."""

import json
from typing import Any

import httpx
import pytest

from contracts.message import Message
from contracts.psp import (
    PspDisputeUpdated,
    PspPaymentCanceled,
    PspPaymentFailed,
    PspPaymentSucceeded,
    PspRefundUpdated,
    TranslatePspEvent,
)
from tests.component.bench import Bench
from tests.component.test_psp_adapter import posted
from tests.component.test_psp_events import dead, taking
from tests.support.fake_stripe import FakeStripe, intent

REFUND = {"id": "re_1", "object": "refund", "payment_intent": "pi_1", "amount": 10_000, "currency": "isk"}
DISPUTE = {"id": "du_1", "object": "dispute", "payment_intent": "pi_1", "amount": 10_000, "currency": "isk"}
PATHS = {"payment_intent": "/v1/payment_intents/pi_1", "refund": "/v1/refunds/re_1", "dispute": "/v1/disputes/du_1"}


def thin(kind: str, about: str = "payment_intent", **changes: Any) -> dict[str, Any]:
    return {
        "id": "evt_test_1",
        "object": "v2.core.event",
        "type": kind,
        "created": "2026-07-01T09:00:00.246Z",
        "livemode": False,
        "related_object": {"id": PATHS[about].rpartition("/")[2], "type": about, "url": PATHS[about]},
        **changes,
    }


def stripe_that_has(*, refuses: int = 0, event: dict[str, Any] | None = None, **payment: Any) -> FakeStripe:
    """Stripe with one payment, its refund and its dispute; with `refuses`, answers all with that status."""
    known = {
        PATHS["payment_intent"]: intent("succeeded") | {"amount_received": 50_000, **payment},
        PATHS["refund"]: REFUND | {"status": "succeeded", "metadata": None},
        PATHS["dispute"]: DISPUTE | {"status": "needs_response"},
        "/v2/core/events/evt_test_1": event or {},
    }
    no = {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No."}}

    def answer(request: httpx.Request) -> httpx.Response:
        found = None if refuses else known.get(request.url.path)
        return httpx.Response(200, json=found) if found else httpx.Response(refuses or 404, json=no)

    return FakeStripe(answer)


@pytest.mark.parametrize(
    ("event", "payment", "message"),
    [
        (thin("v1.payment_intent.succeeded"), {}, PspPaymentSucceeded),
        (thin("v1.payment_intent.processing"), {}, PspPaymentSucceeded),
        (thin("v1.payment_intent.canceled"), {"status": "canceled"}, PspPaymentCanceled),
        (
            thin("v1.payment_intent.payment_failed"),
            {"status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}},
            PspPaymentFailed,
        ),
        (thin("v1.refund.updated", "refund"), {}, PspRefundUpdated),
        (thin("v1.charge.dispute.created", "dispute"), {}, PspDisputeUpdated),
    ],
    ids=["succeeded", "processing, by then succeeded", "canceled", "failed", "refund", "dispute"],
)
async def test_a_thin_event_is_reported_as_its_object_is_when_it_is_fetched(
    event: dict[str, Any], payment: dict[str, Any], message: type[Message]
) -> None:
    bench = Bench("psp-adapter")

    response = await posted(bench, json.dumps(event), stripe_says=stripe_that_has(**payment))

    assert response.json()["outcome"] == "done"
    assert [type(published) for published in bench.sent] == [message]


@pytest.mark.parametrize(("snapshot", "message_id"), [("evt_1", "psp.evt_1"), (None, "psp.evt_test_1")])
async def test_a_thin_event_has_the_message_id_of_its_snapshot_event_so_that_both_count_once(
    snapshot: str | None, message_id: str
) -> None:
    bench = Bench("psp-adapter")

    await posted(
        bench,
        json.dumps(thin("v1.payment_intent.succeeded", snapshot_event=snapshot)),
        stripe_says=stripe_that_has(),
    )

    assert [published.message_id for published in bench.published] == [message_id]


@pytest.mark.parametrize("status", [500, 429, 401, 403])
async def test_a_thin_event_whose_object_cannot_be_fetched_is_503(status: int) -> None:
    bench = Bench("psp-adapter")

    response = await posted(
        bench, json.dumps(thin("v1.refund.updated", "refund")), stripe_says=stripe_that_has(refuses=status)
    )

    assert response.status_code == 503
    assert bench.published == []


@pytest.mark.parametrize(
    ("event", "payment"),
    [
        (thin("v1.billing.meter.error_report_triggered"), {}),
        (thin("v2.core.account.created"), {}),
        (thin("payment_intent.succeeded"), {}),
        (thin("v1.payment_intent.processing"), {"status": "processing", "metadata": {}}),
        (thin("v1.payment_intent.succeeded", context="acct_another"), {}),
        (thin("v1.payment_intent.succeeded", livemode=True), {}),
        (thin("v1.payment_intent.payment_failed"), {"status": "requires_payment_method"}),
    ],
    ids=[
        "meter",
        "v2",
        "without its version",
        "of another system",
        "of another account",
        "of the other mode",
        "nothing new",
    ],
)
async def test_a_thin_event_that_says_nothing_to_us_is_ignored(event: dict[str, Any], payment: dict[str, Any]) -> None:
    bench = Bench("psp-adapter")

    response = await posted(bench, json.dumps(event), stripe_says=stripe_that_has(**payment))

    assert (response.status_code, response.json()["outcome"]) == (200, "ignored")


@pytest.mark.parametrize("changes", [{"created": "soon"}, {"created": None}, {"id": None}, {"type": 7}], ids=str)
async def test_a_thin_event_of_odd_shape_is_400(changes: dict[str, Any]) -> None:
    response = await posted(Bench("psp-adapter"), json.dumps(thin("v1.payment_intent.succeeded") | changes))

    assert response.status_code == 400


@pytest.mark.parametrize(
    "related", [None, [], {}, {"id": "pi_2", "type": "x", "url": "/v1/payment_intents/pi_2"}], ids=str
)
async def test_a_thin_event_about_nothing_that_can_be_found_is_dead_lettered(related: Any) -> None:
    bench = Bench("psp-adapter")

    event = json.dumps(thin("v1.payment_intent.succeeded", related_object=related))
    response = await posted(bench, event, stripe_says=stripe_that_has())

    assert (response.status_code, response.json()["outcome"]) == (200, "parked")
    assert dead(bench) == [
        TranslatePspEvent(event_id="evt_test_1", event_type="v1.payment_intent.succeeded", is_thin=True)
    ]


async def test_a_replayed_dead_letter_of_a_thin_event_passes_it_on() -> None:
    command = TranslatePspEvent(event_id="evt_test_1", event_type="v1.payment_intent.succeeded", is_thin=True)

    bench = await taking(command, stripe_that_has(event=thin("v1.payment_intent.succeeded")))

    assert [type(published) for published in bench.sent] == [PspPaymentSucceeded]
