"""How a message ends: handled, retried, parked or dropped, and what is published for it."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from faststream.message.message import AckStatus

from chassis.decision import Done, Ignored, Outcome
from chassis.errors import NewerDocumentError, PermanentError, StoreUnavailableError
from chassis.messaging.envelope import Delivery, Failure
from chassis.messaging.headers import ORIGIN
from chassis.runtime.tracing import trace_id_of_order
from contracts.message import Message
from contracts.orders import GetOrder, PlaceOrder
from contracts.topology import EXTRAS_COMMANDS, EXTRAS_QUERIES
from tests.component.bench import REPLY_TO, VERSION, Bench, DeafBus, Published
from tests.support.collector import kept_spans
from tests.support.examples import sample

PLACE = sample("orders.place-order.v1")
START = sample("orders.start-payment.v1")
GET = sample("orders.get-order.v1")
SENT_AT = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
SENT = {"sent_at_ms": int(SENT_AT.timestamp() * 1000)}
AWAY = StoreUnavailableError("loading ord_1", OSError("gone"))


class Doing:
    """A handler that keeps what it was given, with a configurable outcome."""

    def __init__(self) -> None:
        self.given: list[tuple[Message, Delivery]] = []
        self.ends: Outcome[Any] | Exception = Done()

    async def __call__(self, message: Message, delivery: Delivery) -> Outcome[Any]:
        self.given.append((message, delivery))
        if isinstance(self.ends, Exception):
            raise self.ends
        return self.ends


@pytest.fixture
def doing() -> Doing:
    return Doing()


@pytest.fixture
async def bench(doing: Doing) -> AsyncIterator[Bench]:
    """The commands queue takes PlaceOrder only, so that StartPayment has no handler."""
    bench = Bench("extras-service")
    bench.consume(EXTRAS_COMMANDS, {PlaceOrder: doing})
    bench.consume(EXTRAS_QUERIES, {GetOrder: doing})
    async with bench.running():
        yield bench


def _parked(bench: Bench) -> Published:
    (published,) = bench.published
    assert (published.exchange, published.routing_key) == ("dead", "extras.dead")
    return published


async def test_a_message_is_parsed_and_handed_on_with_what_came_with_it(bench: Bench, doing: Doing) -> None:
    headers = {"causation_id": "cause-1", "traceparent": "00-trace-01", "attempt": 3}

    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers=headers)

    assert doing.given == [
        (
            PLACE,
            Delivery(
                message_id="m-1",
                correlation_id="c-1",
                kind="orders.place-order.v1",
                causation_id="cause-1",
                traceparent="00-trace-01",
                reply_to=REPLY_TO,
                attempt=3,
                sent_at=doing.given[0][1].sent_at,
            ),
        )
    ]
    assert bench.published == []
    assert bench.ended == [AckStatus.ACKED]


@pytest.mark.parametrize("attempt", [None, "x", "7", 0, -3, 2.5], ids=repr)
async def test_an_attempt_that_is_no_number_is_the_first(bench: Bench, doing: Doing, attempt: object) -> None:
    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers={} if attempt is None else {"attempt": attempt})

    assert doing.given[0][1].attempt == 1


@pytest.mark.parametrize("outcome", [Done(), Ignored("not ours")], ids=lambda outcome: outcome.name)
async def test_how_it_ended_is_counted(bench: Bench, doing: Doing, outcome: Outcome[Any]) -> None:
    doing.ends = outcome

    await bench.deliver(EXTRAS_COMMANDS, PLACE)

    assert bench.handled("orders.place-order.v1", outcome.name) == 1


def _ages(bench: Bench, queue: str = "extras.commands") -> tuple[float | None, float | None]:
    """How many ages were observed of a queue's messages, and their sum in seconds."""
    labels = {"service": "extras-service", "queue": queue}
    count, total = (
        bench.metrics.registry.get_sample_value(f"bellhop_message_age_seconds_{what}", labels)
        for what in ("count", "sum")
    )
    return count, total


async def test_the_age_of_a_message_is_observed_at_its_first_delivery(bench: Bench) -> None:
    assert _ages(bench) == _ages(bench, "extras.queries") == (0, 0)  # there from the start, for an increase to be seen
    bench.bus.clock = lambda: SENT_AT + timedelta(seconds=3.25)

    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers=SENT)

    assert _ages(bench) == (1, 3.25)
    assert _ages(bench, "extras.queries") == (0, 0)


async def test_a_message_of_a_sender_whose_clock_is_ahead_has_no_negative_age(bench: Bench) -> None:
    bench.bus.clock = lambda: SENT_AT - timedelta(hours=1)

    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers=SENT)

    assert _ages(bench) == (1, 0)


async def test_a_message_that_comes_again_has_no_age(bench: Bench, doing: Doing) -> None:
    bench.bus.clock = lambda: SENT_AT + timedelta(days=7)
    replayed = SENT | {"replay_plan": "plan-1"}

    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers=SENT | {"attempt": 2})
    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers=replayed, exchange="", routing_key="extras.commands")
    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers=SENT, redelivered=True)

    assert len(doing.given) == 3
    assert _ages(bench) == (0, 0)


@pytest.mark.parametrize("sent_at_ms", [None, "yesterday", 1.5, b"1"], ids=repr)
async def test_a_message_that_does_not_say_when_it_was_sent_has_no_age(
    bench: Bench, doing: Doing, sent_at_ms: object
) -> None:
    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers={} if sent_at_ms is None else {"sent_at_ms": sent_at_ms})

    assert len(doing.given) == 1
    assert _ages(bench) == (0, 0)


async def test_a_message_that_is_refused_has_no_age(bench: Bench, doing: Doing) -> None:
    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers={"sent_at_ms": 0}, user_id="a-guest")

    assert doing.given == []
    assert _ages(bench) == (0, 0)


@pytest.mark.parametrize(
    ("attempt", "waiting_room"),
    [(1, "retry.1s"), (2, "retry.5s"), (3, "retry.30s"), (4, "retry.2m"), (5, "retry.10m")],
)
async def test_a_transient_failure_waits_on_the_rung_of_its_attempt(
    bench: Bench, doing: Doing, attempt: int, waiting_room: str
) -> None:
    doing.ends = AWAY

    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers={"attempt": attempt})

    (retry,) = bench.published
    assert (retry.exchange, retry.routing_key) == (waiting_room, "extras.commands")
    assert retry.headers["attempt"] == attempt + 1
    assert bench.handled("orders.place-order.v1", "retried") == 1


async def test_a_retry_keeps_the_message_as_it_was_and_says_where_it_came_from(bench: Bench, doing: Doing) -> None:
    doing.ends = AWAY
    headers = {"causation_id": "cause-1", "traceparent": "00-trace-01", "http": "POST /v1/orders"}

    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers=headers, timestamp=SENT_AT)

    (retry,) = bench.published
    assert (retry.message, retry.message_id, retry.correlation_id) == (PLACE, "m-1", "c-1")
    assert retry.timestamp == SENT_AT
    assert (
        retry.headers.items()
        >= {
            **headers,
            "attempt": 2,
            "origin_queue": "extras.commands",
            "origin_exchange": "commands",
            "origin_routing_key": "orders.place-order.v1",
            "sent_by": "a-service",
            "error_type": "StoreUnavailableError",
            "error": str(AWAY),
            "service_version": VERSION,
        }.items()
    )


@pytest.mark.parametrize("error", [AWAY, PermanentError("broken")], ids=["retried", "parked"])
@pytest.mark.parametrize(
    "foreign",
    [
        {"CC": ["extras.payments"]},
        {"BCC": ["extras.payments"]},
        {"nested": {"CC": ["extras.payments"]}},
        {"x-death": [{"queue": "extras.commands", "count": 1}]},
        {"added": "by another system"},
        {"causation_id": {"CC": ["extras.payments"]}},
        {"traceparent": ["extras.payments"]},
        {"sent_at_ms": "soon"},
        {"again_in_s": -1},
        {"attempt": True},
        {"origin_queue": "extras.payments", "origin_exchange": "", "origin_routing_key": "x"},
        {"first_failed_at": "1970-01-01T00:00:00Z", "replay_plan": "rp_forged", "edited_from": "m-0"},
        {"sent_by": "bellhop"},
    ],
    ids=str,
)
async def test_what_is_sent_again_carries_no_header_of_a_stranger(
    bench: Bench, doing: Doing, error: Exception, foreign: dict[str, Any]
) -> None:
    doing.ends = error

    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers=foreign)

    (published,) = bench.published
    (copy,) = bench.failures
    failure = {"error", "error_type", "first_failed_at", "last_failed_at", "service_version", "attempt"}
    written = failure | ORIGIN | {"sent_by"}
    assert set(published.headers) == written
    assert set(copy.headers) - {"ended", "again_in_s"} == written
    assert published.headers["attempt"] == (2 if error is AWAY else 1)


async def test_a_first_delivery_says_nothing_of_earlier_attempts(bench: Bench, doing: Doing) -> None:
    claims = {"attempt": 6, "error_type": "X", "error": "x", "first_failed_at": "1970-01-01T00:00:00Z"}

    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers=claims, exchange="commands", routing_key=PLACE.kind)

    (_, delivery) = doing.given[0]
    assert (delivery.attempt, delivery.failure) == (1, None)


async def test_a_long_or_telltale_header_is_sent_on_cut_and_without_its_secret(bench: Bench, doing: Doing) -> None:
    doing.ends = AWAY

    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers={"http": "\N{SNOWMAN}" * 9000, "psp": "whsec_hushhush1234"})

    (published,) = bench.published
    assert 4000 < len(str(published.headers["http"]).encode()) <= 4096
    assert published.headers["psp"] == "[redacted]"


@pytest.mark.parametrize("error", [AWAY, PermanentError("broken")], ids=["retried", "parked"])
async def test_a_failed_message_is_acknowledged_after_it_is_safe_elsewhere_and_not_before(
    bench: Bench, doing: Doing, error: Exception
) -> None:
    doing.ends = error

    await bench.deliver(EXTRAS_COMMANDS, PLACE)

    assert [published.acknowledged_before for published in bench.published] == [False]
    assert bench.ended == [AckStatus.ACKED]


@pytest.mark.parametrize("error", [AWAY, PermanentError("broken")], ids=["retried", "parked"])
async def test_a_message_that_cannot_be_put_elsewhere_is_given_back_to_the_broker(
    doing: Doing, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    doing.ends = error
    bench = Bench("extras-service", DeafBus)
    bench.consume(EXTRAS_COMMANDS, {PlaceOrder: doing})

    async with bench.running():
        await bench.deliver(EXTRAS_COMMANDS, PLACE)

    assert bench.ended == [AckStatus.NACKED]


async def test_a_second_failure_keeps_where_and_when_the_first_one_was(bench: Bench, doing: Doing) -> None:
    doing.ends = AWAY
    first_time = "2026-07-01T09:00:00+00:00"
    origin = {
        "origin_queue": "extras.commands",
        "origin_exchange": "commands",
        "origin_routing_key": "orders.place-order.v1",
        "first_failed_at": first_time,
        "last_failed_at": first_time,
    }

    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers={**origin, "attempt": 2})

    (retry,) = bench.published
    kept = {name: retry.headers[name] for name in origin}
    assert kept == {**origin, "last_failed_at": retry.headers["last_failed_at"]}
    assert datetime.fromisoformat(retry.headers["last_failed_at"]) > datetime.fromisoformat(first_time)


async def test_the_sixth_failure_is_parked_with_its_count_of_attempts(bench: Bench, doing: Doing) -> None:
    doing.ends = AWAY

    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers={"attempt": 6})

    assert _parked(bench).headers["attempt"] == 6
    assert bench.handled("orders.place-order.v1", "parked") == 1


@pytest.mark.parametrize("error", [PermanentError("no such order"), KeyError("a bug")], ids=repr)
async def test_a_permanent_failure_is_parked_at_once_with_its_error(
    bench: Bench, doing: Doing, error: Exception
) -> None:
    doing.ends = error

    await bench.deliver(EXTRAS_COMMANDS, PLACE)

    parked = _parked(bench)
    assert parked.headers["attempt"] == 1
    assert (parked.headers["error_type"], parked.headers["error"]) == (type(error).__name__, str(error))


async def test_a_body_that_does_not_parse_is_parked_untouched_with_everything_an_operator_needs(
    bench: Bench, doing: Doing
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)

    await bench.deliver(EXTRAS_COMMANDS, b"{broken", kind="orders.place-order.v1", headers={"causation_id": "cause-1"})

    parked = _parked(bench)
    assert doing.given == []
    assert (parked.body, parked.kind) == (b"{broken", "orders.place-order.v1")
    assert (parked.message_id, parked.correlation_id) == ("m-1", "c-1")
    assert set(parked.headers) == {
        "attempt",
        "causation_id",
        "error",
        "error_type",
        "first_failed_at",
        "last_failed_at",
        "origin_exchange",
        "origin_queue",
        "origin_routing_key",
        "sent_by",
        "service_version",
    }
    assert parked.headers["attempt"] == 1
    assert parked.headers["causation_id"] == "cause-1"
    assert parked.headers["error_type"] == "MalformedMessageError"
    assert parked.headers["origin_queue"] == "extras.commands"
    assert parked.headers["service_version"] == VERSION
    assert before < datetime.fromisoformat(parked.headers["first_failed_at"]) <= datetime.now(UTC)
    assert parked.headers["last_failed_at"] == parked.headers["first_failed_at"]


@pytest.mark.parametrize("kind", ["orders.order-starred.v1", "orders.place-order.v0", ""])
async def test_a_kind_no_contract_knows_is_parked(bench: Bench, kind: str) -> None:
    await bench.deliver(EXTRAS_COMMANDS, b"{}", kind=kind)

    assert _parked(bench).headers["error_type"] == "UnknownKindError"


@pytest.mark.parametrize("attempt", [1, 5, 6])
async def test_a_message_only_a_newer_version_knows_is_left_to_it_and_never_parked(bench: Bench, attempt: int) -> None:
    headers = {"attempt": attempt}

    await bench.deliver(EXTRAS_COMMANDS, b"{}", kind="orders.place-order.v9", headers=headers)

    (left,) = bench.published
    assert (left.exchange, left.routing_key, left.kind) == ("retry.1s", "extras.commands", "orders.place-order.v9")
    assert left.headers.get("attempt", 1) == attempt
    assert (left.headers["origin_exchange"], left.headers["origin_routing_key"]) == ("commands", left.kind)
    assert "v9" in str(await bench.bus.newer_versions.notices()["newer versions"]())


async def test_a_message_that_only_says_to_be_of_a_newer_version_is_parked(bench: Bench) -> None:
    await bench.deliver(EXTRAS_COMMANDS, b"{}", kind="orders.place-order.v9", routing_key="orders.place-order.v1")

    assert _parked(bench).headers["error_type"] == "MisroutedMessageError"


async def test_a_message_about_a_document_of_a_newer_version_is_left_to_it(bench: Bench, doing: Doing) -> None:
    doing.ends = NewerDocumentError("ord_1", 2, 1)

    await bench.deliver(EXTRAS_COMMANDS, PLACE)

    (left,) = bench.published
    assert (left.exchange, left.routing_key, left.message) == ("retry.1s", "extras.commands", PLACE)


async def test_a_kind_without_a_handler_is_parked(bench: Bench, doing: Doing) -> None:
    await bench.deliver(EXTRAS_COMMANDS, START)

    assert _parked(bench).headers["error_type"] == "NoHandlerError"
    assert doing.given == []


async def test_a_retry_leaves_a_copy_for_the_log_that_says_why_and_for_how_long(bench: Bench, doing: Doing) -> None:
    doing.ends = AWAY

    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers={"attempt": 2, "http": "POST /v1/orders"})

    (copy,) = bench.failures
    (retry,) = bench.published
    assert (copy.kind, copy.body, copy.message_id) == (PLACE.kind, PLACE.to_wire(), "m-1")
    assert copy.headers == retry.headers | {"attempt": 2, "ended": "retried", "again_in_s": 5}


async def test_a_copy_of_a_failure_has_no_header_of_another_sender(bench: Bench, doing: Doing) -> None:
    doing.ends = AWAY

    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers={"price": Decimal("1.5"), "CC": ["psp.commands"]})

    assert not {"price", "CC"} & set(bench.failures[0].headers)


async def test_a_parking_leaves_a_copy_for_the_log(bench: Bench) -> None:
    await bench.deliver(EXTRAS_COMMANDS, b"{broken", kind="orders.place-order.v1")

    (copy,) = bench.failures
    assert (copy.body, copy.headers) == (b"{broken", _parked(bench).headers | {"ended": "parked"})


async def test_a_failure_says_in_the_log_what_it_was_noted_with_and_nowhere_else(bench: Bench, doing: Doing) -> None:
    noted = StoreUnavailableError("loading ord_1", OSError("gone"))
    noted.trace_headers = {"psp": "POST /v1/refunds not answered in 5000 ms"}
    doing.ends = noted

    await bench.deliver(EXTRAS_COMMANDS, PLACE)

    assert bench.failures[0].headers["psp"] == "POST /v1/refunds not answered in 5000 ms"
    assert "psp" not in bench.published[0].headers


async def test_a_message_that_failed_before_comes_with_how_it_failed(bench: Bench, doing: Doing) -> None:
    headers = {"attempt": 2, "error_type": "TimeoutError", "error": "late", "first_failed_at": "2026-07-01T09:00:00"}

    await bench.deliver(EXTRAS_COMMANDS, PLACE, headers=headers)

    assert doing.given[0][1].failure == Failure("TimeoutError", "late", "2026-07-01T09:00:00")


@pytest.mark.parametrize("wrong", [TimeoutError, PermanentError], ids=["retried", "parked"])
async def test_an_error_that_names_a_secret_is_reported_without_it(
    bench: Bench, doing: Doing, wrong: type[Exception]
) -> None:
    doing.ends = wrong("cannot reach amqp://extras:hush@rabbit/ with whsec_hushhush")

    await bench.deliver(EXTRAS_COMMANDS, PLACE)

    (published,) = bench.published
    assert "cannot reach amqp://" in published.headers["error"]
    assert "hush" not in str(published.headers) + str([copy.headers for copy in bench.failures])


async def test_a_long_error_does_not_grow_the_headers_without_end(bench: Bench, doing: Doing) -> None:
    doing.ends = PermanentError("x" * 5000)

    await bench.deliver(EXTRAS_COMMANDS, PLACE)

    assert _parked(bench).headers["error"] == "x" * 1000


@pytest.mark.parametrize("error", [AWAY, PermanentError("broken")], ids=lambda error: type(error).__name__)
async def test_a_failed_query_is_dropped_and_counted(bench: Bench, doing: Doing, error: Exception) -> None:
    doing.ends = error

    await bench.deliver(EXTRAS_QUERIES, GET)

    assert bench.published == []
    assert bench.handled("orders.get-order.v1", "dropped") == 1


async def test_a_query_that_does_not_parse_is_dropped(bench: Bench) -> None:
    await bench.deliver(EXTRAS_QUERIES, b"{broken", kind="orders.get-order.v1")

    assert bench.published == []
    assert bench.handled("orders.get-order.v1", "dropped") == 1


async def test_made_up_kinds_are_counted_as_one(bench: Bench) -> None:
    for number in range(50):
        await bench.deliver(EXTRAS_COMMANDS, b"{}", kind=f"made.up.v{number}")

    assert {labels["kind"] for labels in bench.labels("bellhop_messages_handled")} <= {*Message.kinds, "unknown"}
    assert bench.handled("unknown", "parked") == 50


async def test_a_retry_is_linked_to_the_attempt_that_failed_first(bench: Bench, doing: Doing) -> None:
    doing.ends = AWAY
    parent = f"00-{'1' * 32}-{'2' * 16}-01"

    with kept_spans() as kept:
        await bench.deliver(EXTRAS_COMMANDS, PLACE, headers={"traceparent": parent})
        first = kept.get_finished_spans()[0]
        for _ in range(2):
            await bench.deliver(EXTRAS_COMMANDS, PLACE, headers=bench.published[-1].headers)

    attempts = kept.get_finished_spans()
    assert [f"{span.parent.span_id:x}" for span in attempts if span.parent] == ["2" * 16] * 3
    assert [[link.context.span_id for link in span.links] for span in attempts] == [
        [],
        [first.context.span_id],
        [first.context.span_id],
    ]
    assert {span.attributes["bellhop.outcome"] for span in attempts if span.attributes} == {"retried"}
    assert doing.given[0][1].traceparent == f"00-{first.context.trace_id:032x}-{first.context.span_id:016x}-01"


async def test_a_replay_begins_in_the_trace_of_its_order_and_is_linked_to_the_original(bench: Bench) -> None:
    original = f"00-{'1' * 32}-{'2' * 16}-01"
    headers = {"traceparent": original, "attempt": 2, "replay_plan": "rp_1"}

    with kept_spans() as kept:
        await bench.deliver(EXTRAS_COMMANDS, PLACE, headers=headers)

    (span,) = kept.get_finished_spans()
    assert span.parent is None
    assert f"{span.context.trace_id:032x}" == trace_id_of_order(json.loads(PLACE.to_wire())["order_id"])
    assert [f"{link.context.span_id:x}" for link in span.links] == ["2" * 16]
