"""Events of the PSP, by webhook and by sweep: one that cannot be translated is set aside, and the others go on."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from contracts.message import Message
from contracts.psp import PspEventsSwept, PspRefundUpdated, SweepPspEvents, TranslatePspEvent
from contracts.topology import PSP_COMMANDS
from psp_adapter.event_backfill import OVERLAP
from tests.component.bench import Bench, DeafBus
from tests.component.test_psp_adapter import handlers_of, posted
from tests.support.fake_stripe import FakeStripe, intent

CREATED = 1_782_896_400
SWEEP = SweepPspEvents(since=datetime(2026, 7, 1, tzinfo=UTC))


def refund_event(event_id: str, **changes: Any) -> dict[str, Any]:
    refund = {"id": f"re_{event_id}", "payment_intent": "pi_1", "amount": 10_000, "currency": "isk"}
    refund |= {"status": "succeeded", "metadata": {}, **changes}
    return {"id": event_id, "type": "refund.created", "created": CREATED, "data": {"object": refund}}


UNTRANSLATABLE = refund_event("evt_bad", amount="a lot")
GOOD = refund_event("evt_good")


def stripe_with(*events: dict[str, Any], intents: dict[str, int] | None = None) -> FakeStripe:
    """Stripe, which lists and knows these events and answers about each payment with a status."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/v1/events":
            listed = {"object": "list", "data": list(events)[::-1], "has_more": False, "url": "/v1/events"}
            return httpx.Response(200, content=json.dumps(listed))
        if path.startswith("/v1/events/"):
            known = next((event for event in events if path.endswith(event["id"])), None)
            return httpx.Response(200, json=known) if known else missing()
        status = (intents or {}).get(path.rpartition("/")[2], 200)
        return httpx.Response(200, json=intent("succeeded")) if status == 200 else missing(status)

    def missing(status: int = 404) -> httpx.Response:
        error = {"type": "invalid_request_error", "code": "resource_missing", "message": "No such thing."}
        return httpx.Response(status, json={"error": error})

    return FakeStripe(answer)


async def taking(command: Message, fake: FakeStripe, *, times: int = 1, attempt: int = 1) -> Bench:
    bench = Bench("psp-adapter")
    bench.consume(PSP_COMMANDS, handlers_of(bench, fake).commands())
    async with bench.running():
        for number in range(times):
            headers = {"attempt": attempt}
            await bench.deliver(PSP_COMMANDS, command, reply_to=None, headers=headers, message_id=f"m-{number}")
    return bench


def dead(bench: Bench) -> list[Message]:
    return [published.message for published in bench.published if published.exchange == "dead"]


def sent_kinds(bench: Bench) -> list[type[Message]]:
    return [type(published.message) for published in bench.published if published.exchange == "events"]


PARKED = TranslatePspEvent(event_id="evt_bad", event_type="refund.created")


@pytest.mark.parametrize(
    "bad",
    [
        UNTRANSLATABLE,
        refund_event("evt_bad", payment_intent="pi_unknown"),
        refund_event("evt_bad", failure_reason="\ud83d"),
        {**refund_event("evt_bad"), "data": {"object": {"id": "re_1", "payment_intent": "pi_1"}}},
    ],
    ids=["no amount", "unknown payment", "half a character", "fields missing"],
)
async def test_an_event_that_cannot_be_translated_stops_neither_the_others_nor_the_cursor(bad: dict[str, Any]) -> None:
    bench = await taking(SWEEP, stripe_with(bad, GOOD, intents={"pi_unknown": 404}))

    assert sent_kinds(bench) == [PspRefundUpdated, PspEventsSwept]
    assert dead(bench) == [PARKED]


async def test_an_event_without_a_type_cannot_be_dead_lettered_and_stops_neither_the_others_nor_the_cursor() -> None:
    bench = await taking(SWEEP, stripe_with({"id": "evt_bad", "object": "event", "created": CREATED}, GOOD))

    assert sent_kinds(bench) == [PspRefundUpdated, PspEventsSwept]
    assert dead(bench) == []


async def test_an_event_that_cannot_be_translated_is_dead_lettered_once() -> None:
    bench = await taking(SWEEP, stripe_with(UNTRANSLATABLE), times=3)

    assert dead(bench) == [PARKED]
    assert bench.handled("psp.translate-psp-event.v1", "parked") == 1


async def test_another_instance_dead_letters_the_same_event_as_the_same_letter() -> None:
    first, second = [await taking(SWEEP, stripe_with(UNTRANSLATABLE)) for _ in range(2)]

    (one,), (other,) = ([p for p in bench.published if p.exchange == "dead"] for bench in (first, second))
    assert one == other


async def test_the_dead_letter_of_an_event_holds_nothing_of_it_but_its_id_and_type() -> None:
    secret = {"client_secret": "pi_1_secret_x"}
    bench = await taking(
        SWEEP, stripe_with(refund_event("evt_bad", amount="a lot", payment_intent=secret | {"id": "pi_1"}))
    )

    (letter,) = [published for published in bench.published if published.exchange == "dead"]
    assert b"secret" not in letter.body
    assert "secret" not in str(letter.headers)
    assert (letter.headers["origin_queue"], letter.headers["error_type"]) == ("psp.commands", "ValidationError")


async def test_a_replayed_dead_letter_of_an_event_passes_the_event_on() -> None:
    bench = await taking(TranslatePspEvent(event_id="evt_good", event_type="refund.created"), stripe_with(GOOD))

    (published,) = bench.published
    assert (published.kind, published.message_id) == ("psp.psp-refund-updated.v1", "psp.evt_good")


async def test_an_event_stripe_has_forgotten_is_parked_again_with_the_reason() -> None:
    bench = await taking(PARKED, stripe_with())

    (letter,) = bench.published
    assert (letter.exchange, letter.headers["error_type"]) == ("dead", "PspBrokenError")


async def test_a_lookup_without_an_answer_lets_the_other_events_pass_and_the_sweep_is_tried_again() -> None:
    fake = stripe_with(refund_event("evt_bad", payment_intent="pi_slow"), GOOD, intents={"pi_slow": 500})

    bench = await taking(SWEEP, fake)

    assert sent_kinds(bench) == [PspRefundUpdated]
    (retry,) = [published for published in bench.published if published.exchange == "retry.1s"]
    assert retry.kind == SWEEP.kind


async def test_a_lookup_that_is_never_answered_is_set_aside_like_an_event_that_cannot_be_translated() -> None:
    fake = stripe_with(refund_event("evt_bad", payment_intent="pi_slow"), GOOD, intents={"pi_slow": 500})

    bench = await taking(SWEEP, fake, attempt=3)

    assert sent_kinds(bench) == [PspRefundUpdated, PspEventsSwept]
    assert dead(bench) == [PARKED]


async def test_a_sweep_during_which_stripe_goes_down_sets_nothing_aside() -> None:
    events = [refund_event(f"evt_{number}") for number in range(4)]

    bench = await taking(SWEEP, stripe_with(*events, intents={"pi_1": 500}), attempt=3)

    assert dead(bench) == []
    assert [published.exchange for published in bench.published] == ["retry.30s"]


async def test_the_first_sweep_of_an_adapter_whose_own_clock_is_ahead_leaves_no_event_out() -> None:
    stripes_time = datetime(2026, 7, 1, 12, tzinfo=UTC)  # months behind this machine's
    answer = {"object": "list", "data": [], "has_more": False, "url": "/v1/events"}
    dated = httpx.Response(200, json=answer, headers={"Date": format_datetime(stripes_time, usegmt=True)})

    bench = await taking(SWEEP, FakeStripe(lambda _request: dated))

    (swept,) = bench.sent
    assert isinstance(swept, PspEventsSwept)
    assert timedelta() < stripes_time - swept.until <= OVERLAP + timedelta(seconds=10)


async def test_a_webhook_that_cannot_be_translated_is_dead_lettered_and_answered_so_that_it_is_not_repeated() -> None:
    bench = Bench("psp-adapter")

    response = await posted(bench, json.dumps(UNTRANSLATABLE))

    assert (response.status_code, response.json()["outcome"]) == (200, "parked")
    assert dead(bench) == [PARKED]


async def test_a_webhook_whose_dead_letter_the_broker_does_not_confirm_is_503() -> None:
    response = await posted(Bench("psp-adapter", DeafBus), json.dumps(UNTRANSLATABLE))

    assert response.status_code == 503


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": {"object": []}}, "data.object: Input should be a valid dictionary"),
        ({"data": {"object": None}}, "data.object: Input should be a valid dictionary"),
        ({"data": []}, "data: Input should be"),
        ({"created": 1e20}, "created: "),
        ({"created": "soon"}, "created: "),
        ({"created": None}, "created: "),
        ({"created": float("nan")}, "created: "),
        ({"created": -1}, "created: "),
        ({"id": None}, "id: "),
        ({"id": ""}, "id: "),
        ({"id": "e" * 300}, "id: "),
        ({"type": {}}, "type: "),
        ({"note": "\ud83d"}, "not JSON: "),
    ],
    ids=str,
)
async def test_a_signed_body_of_odd_shape_is_400_with_the_reason(changes: dict[str, Any], reason: str) -> None:
    bench = Bench("psp-adapter")

    response = await posted(bench, json.dumps(GOOD | changes))

    assert response.status_code == 400
    assert reason in response.json()["detail"]
    assert bench.published == []


async def test_a_refund_with_its_payment_expanded_is_reported() -> None:
    bench = Bench("psp-adapter")

    response = await posted(
        bench, json.dumps(refund_event("evt_1", payment_intent={"id": "pi_1", "object": "payment_intent"}))
    )

    assert response.json()["outcome"] == "done"
