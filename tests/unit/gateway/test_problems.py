"""Errors leave as RFC 9457 problem documents with a stable type."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field

from chassis.errors import PublishFailedError, StoreUnavailableError
from chassis.messaging.requests import NoResponderError, ReplyTimeoutError
from chassis.web.problems import ProblemError, install
from chassis.web.request_trace import RequestTrace
from contracts.orders import Reason, Refusal
from tests.support.collector import kept_spans


class Ordered(BaseModel):
    quantity: int = Field(ge=1)


def _app(error: Exception) -> FastAPI:
    app = FastAPI()
    install(app)
    app.add_middleware(RequestTrace)

    @app.get("/broken")
    async def broken() -> None:
        raise error

    @app.post("/orders")
    async def ordered(body: Ordered) -> None: ...

    return app


async def _asked(
    error: Exception, ask: Callable[[httpx.AsyncClient], Any] = lambda client: client.get("/broken")
) -> httpx.Response:
    # As on a real server, an unforeseen error is answered first and raised to the server afterwards.
    transport = httpx.ASGITransport(app=_app(error), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        response: httpx.Response = await ask(client)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == response.status_code
    return response


async def test_a_problem_is_a_document_with_type_title_status_detail_and_place() -> None:
    response = await _asked(ProblemError(409, "too-late", "Too late", "It is over.", headers={"X-Why": "w"}, more=1))

    assert response.json() == {
        "type": "urn:bellhop:problem:too-late",
        "title": "Too late",
        "status": 409,
        "detail": "It is over.",
        "instance": "/broken",
        "more": 1,
    }
    assert response.headers["x-why"] == "w"


STATUS_OF = {
    Reason.MAIL_OFF: 409,
    Reason.NO_LINES: 422,
    Reason.EXTRA_UNKNOWN: 422,
    Reason.EXTRA_INACTIVE: 422,
    Reason.EXTRA_OF_ANOTHER_PROPERTY: 422,
    Reason.QUANTITY_NOT_POSITIVE: 422,
    Reason.QUANTITY_OVER_LIMIT: 422,
    Reason.DAY_OUTSIDE_STAY: 422,
    Reason.DAY_GONE_BY: 422,
    Reason.SLOT_UNKNOWN: 422,
    Reason.LEAD_TIME_PASSED: 422,
    Reason.WEEKDAY_CLOSED: 422,
    Reason.DAY_BLACKED_OUT: 422,
    Reason.OUT_OF_SEASON: 422,
    Reason.TOTAL_NOT_PAYABLE: 422,
    Reason.MIXED_CURRENCIES: 422,
    Reason.OUT_OF_STOCK: 422,
    Reason.GUEST_LIMIT_REACHED: 422,
    Reason.TOO_MANY_OPEN_ORDERS: 409,
    Reason.REFUND_EXCEEDS_PAID: 422,
    Reason.REFUND_NOT_FAILED: 409,
    Reason.AMOUNT_NOT_SETTLEABLE: 422,
    Reason.CURSOR_INVALID: 422,
    Reason.LINE_UNKNOWN: 422,
    Reason.IDEMPOTENCY_KEY_REUSED: 422,
    Reason.ORDER_NOT_FOUND: 404,
    Reason.ORDER_NOT_PAYABLE: 409,
    Reason.ORDER_NOT_CANCELLABLE: 409,
    Reason.CANCELLATION_TOO_LATE: 409,
    Reason.ORDER_NOT_APPROVABLE: 409,
    Reason.APPROVED_OTHERWISE: 409,
    Reason.LINE_TAKEN_OUT: 409,
    Reason.NO_LINE_LEFT: 422,
    Reason.ORDER_NOT_FULFILLABLE: 409,
    Reason.ORDER_NOT_REFUNDABLE: 409,
    Reason.ORDER_NOT_IN_REVIEW: 409,
    Reason.EXTRA_NOT_FOUND: 404,
    Reason.EXTRA_EXISTS: 409,
    Reason.EXTRA_INVALID: 422,
    Reason.EXTRA_RETIRED: 409,
    Reason.PICTURE_NOT_FOUND: 404,
    Reason.PICTURE_INVALID: 422,
    Reason.TOO_MANY_PICTURES: 409,
    Reason.PROPERTY_NOT_FOUND: 404,
    Reason.PROPERTY_EXISTS: 409,
    Reason.PROPERTY_INVALID: 422,
    Reason.VERSION_OUTDATED: 409,
    Reason.PAYMENT_SESSION_FAILED: 502,
}


@pytest.mark.parametrize("reason", Reason)
async def test_every_refusal_has_its_status_and_a_type_of_its_own(reason: Reason) -> None:
    response = await _asked(ProblemError.of(Refusal(reason=reason, detail="A sentence.")))

    assert response.status_code == STATUS_OF[reason]
    assert response.json()["type"] == f"urn:bellhop:problem:{reason.replace('_', '-')}"
    assert response.json()["detail"] == "A sentence."


@pytest.mark.parametrize(
    "error",
    [
        ReplyTimeoutError("orders.get-order.v1", 5),
        NoResponderError("orders.get-order.v1"),
        PublishFailedError("orders.place-order.v1", "commands/x", OSError("amqp://user:hush@broker")),
        StoreUnavailableError("loading ord_1", OSError("mongodb://user:hush@store")),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_may_heal_is_503_with_a_time_to_come_back_and_no_internals(error: Exception) -> None:
    response = await _asked(error)

    assert response.status_code == 503
    assert response.headers["retry-after"] == "2"
    assert response.json()["type"] == "urn:bellhop:problem:unavailable"
    assert "hush" not in response.text


async def test_an_unforeseen_error_is_500_and_shows_nothing() -> None:
    response = await _asked(KeyError("hush"))

    assert response.status_code == 500
    assert response.json()["type"] == "urn:bellhop:problem:internal-error"
    assert "hush" not in response.text


async def test_a_body_that_is_no_json_is_400() -> None:
    response = await _asked(
        KeyError(),
        lambda client: client.post("/orders", content="{", headers={"content-type": "application/json"}),
    )

    assert (response.status_code, response.json()["type"]) == (400, "urn:bellhop:problem:malformed-request")


@pytest.mark.parametrize("body", [{}, {"quantity": 0}, {"quantity": "many"}, []], ids=str)
async def test_a_body_that_breaks_a_rule_is_422_and_points_at_the_place(body: object) -> None:
    response = await _asked(KeyError(), lambda client: client.post("/orders", json=body))

    assert (response.status_code, response.json()["type"]) == (422, "urn:bellhop:problem:invalid-request")
    assert response.json()["errors"][0]["pointer"].startswith("/body")


async def test_a_page_that_does_not_exist_is_404_and_a_wrong_method_405() -> None:
    missing = await _asked(KeyError(), lambda client: client.get("/nowhere"))
    wrong = await _asked(KeyError(), lambda client: client.delete("/orders"))

    assert (missing.status_code, missing.json()["type"]) == (404, "urn:bellhop:problem:no-such-page")
    assert (wrong.status_code, wrong.json()["type"]) == (405, "urn:bellhop:problem:method-not-allowed")
    assert wrong.headers["allow"] == "POST"


async def test_what_a_stranger_wrote_is_repeated_in_part_only() -> None:
    response = await _asked(ValueError(), lambda client: client.get("/" + "a" * 10_000))

    assert len(response.content) < 1000
    assert response.json()["instance"].startswith("/aaa")


@pytest.mark.parametrize("host", ["[", "a b", "evil.example/x?"])
async def test_a_host_that_is_none_breaks_nothing(host: str) -> None:
    response = await _asked(ValueError(), lambda client: client.get("/none", headers={"Host": host}))

    assert (response.status_code, response.json()["instance"]) == (404, "/none")


@pytest.mark.parametrize("error", [StoreUnavailableError("loading", OSError()), RuntimeError("Ada")])
async def test_a_problem_names_the_trace_of_its_request(error: Exception) -> None:
    with kept_spans() as kept:
        response = await _asked(error)

    (span,) = kept.get_finished_spans()
    assert span.name == "GET /broken"
    assert response.json()["trace_id"] == f"{span.context.trace_id:032x}"
    assert "Ada" not in span.to_json()
