"""What a call to the PSP is noted as."""

from datetime import UTC, datetime

from contracts.trace_headers import psp_calls
from psp_adapter.http_trace import call_of, capture, record, span_of

BEGAN = datetime(2026, 7, 1, 9, 0, 0, 123_456, UTC)
OPENED = call_of(
    BEGAN,
    "post",
    "https://api.stripe.com/v1/payment_intents?expand=x",
    200,
    131.7,
    b'{\n  "id": "pi_1", "client_secret": "pi_1_secret_x"}',
)


def test_a_call_is_reported_by_its_path_its_answer_and_what_was_answered_and_by_no_secret() -> None:
    assert str(OPENED) == "09:00:00.123 POST /v1/payment_intents 200 in 132 ms, pi_1"


def test_a_call_without_an_answer_says_so() -> None:
    lost = call_of(BEGAN, "post", "https://api.stripe.com/v1/refunds", None, 5000.2)

    assert str(lost) == "09:00:00.123 POST /v1/refunds not answered in 5000 ms"


def test_an_id_that_the_path_names_is_not_named_twice_and_a_list_names_none() -> None:
    read = call_of(BEGAN, "get", "https://api.stripe.com/v1/payment_intents/pi_1", 200, 8, b'{"id": "pi_1"}')
    listed = call_of(
        BEGAN, "get", "https://api.stripe.com/v1/refunds", 200, 9, b'{"object": "list", "data": [{"id": "re_1"}]}'
    )

    assert str(read) == "09:00:00.123 GET /v1/payment_intents/pi_1 200 in 8 ms"
    assert str(listed) == "09:00:00.123 GET /v1/refunds 200 in 9 ms"


def test_calls_are_recorded_in_their_order_and_only_while_capturing() -> None:
    record(OPENED)
    with capture() as calls:
        record(OPENED)
        record(OPENED)
    record(OPENED)

    assert calls == [OPENED, OPENED]
    assert psp_calls(calls) == {"psp": f"{OPENED}; {OPENED}"}
    assert psp_calls([]) == {}


def test_the_span_of_a_call_has_neither_query_nor_ids_nor_account() -> None:
    name, _, attributes = span_of(
        "post", "https://sk_live:x@api.stripe.com/v1/payment_intents/pi_3Nx/capture?key=sk_live"
    )

    assert name == "POST /v1/payment_intents/{id}/capture"
    assert attributes == {
        "http.request.method": "POST",
        "server.address": "api.stripe.com",
        "url.template": "/v1/payment_intents/{id}/capture",
    }
