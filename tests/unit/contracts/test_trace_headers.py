"""What one service writes into a trace header, the trace reads again."""

from datetime import UTC, datetime, time

import pytest

from contracts.trace_headers import (
    HTTP,
    PSP,
    SHOWN_CALLS,
    CameBy,
    PspCall,
    ShownCall,
    http_request,
    is_psp_event,
    psp_calls,
    psp_event,
    shown_calls,
)

BEGAN = datetime(2026, 7, 1, 9, 0, 0, 123_456, UTC)
MADE = PspCall(BEGAN, "POST", "/v1/payment_intents", 200, 132, "pi_1")
LOST = PspCall(BEGAN, "POST", "/v1/refunds", None, 5000)


def test_calls_are_read_as_they_were_written() -> None:
    header = psp_calls([MADE, LOST])[PSP]

    assert shown_calls(header) == [
        ShownCall(time(9, 0, 0, 123_000), "POST /v1/payment_intents 200 in 132 ms, pi_1", is_answered=True),
        ShownCall(time(9, 0, 0, 123_000), "POST /v1/refunds not answered in 5000 ms", is_answered=False),
    ]
    assert not is_psp_event(header)


def test_of_many_calls_the_newest_are_shown() -> None:
    header = psp_calls([LOST, *[MADE] * SHOWN_CALLS])[PSP]

    assert [call.is_answered for call in shown_calls(header)] == [True] * SHOWN_CALLS


@pytest.mark.parametrize(
    ("came_by", "is_event"), [(CameBy.WEBHOOK, True), (CameBy.SWEPT, True), (CameBy.FETCHED, False)]
)
def test_an_event_that_the_psp_sent_or_listed_is_distinguished_from_calls(came_by: CameBy, *, is_event: bool) -> None:
    header = psp_event(came_by, "evt_1", "payment_intent.succeeded")[PSP]

    assert header == f"{came_by} evt_1 payment_intent.succeeded"
    assert is_psp_event(header) is is_event
    assert shown_calls(header) == []


def test_a_request_is_written_as_its_method_and_path() -> None:
    assert http_request("POST", "/v1/orders") == {HTTP: "POST /v1/orders"}


def test_no_calls_need_no_header() -> None:
    assert psp_calls([]) == {}
