"""The gateway's client against a gateway that answers as a test says."""

import json
from datetime import date
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from chassis.web import problem_types
from client import GatewayClient, OrderUpdate, PendingError, ProblemError, calls, models
from client.calls import Call
from client.problems import UnexpectedAnswerError
from contracts.ids import ExtraId
from contracts.money import Money
from contracts.offers import ExtraDefinition
from contracts.order_actions import ReviewResolution
from contracts.orders import RequestedLine
from contracts.properties import PropertyDefinition
from gateway import live
from gateway.api import catalogue_bodies, examples, schemas
from tools.openapi_document import FILE

ORDER_ID = examples.ORDER_ID
LINE = RequestedLine(extra_id=ExtraId("alm-spa"), quantity=1)
EUR = Money(amount=1200, currency="EUR")
DEFINITION = ExtraDefinition.model_validate(examples.DEFINITION)
HOTEL = PropertyDefinition.model_validate(examples.PROPERTY["definition"])
EVERY_CALL: tuple[Call[Any], ...] = (
    calls.list_extras(),
    calls.get_hotel(),
    calls.get_contact(),
    calls.put_contact("anna@example.org", "de"),
    calls.delete_contact(),
    calls.place_order([LINE], key="basket-1"),
    calls.list_orders(),
    calls.start_payment(ORDER_ID),
    calls.get_order(ORDER_ID),
    calls.get_receipts(ORDER_ID),
    calls.cancel_order(ORDER_ID, reason="a day earlier"),
    calls.staff_session(),
    calls.list_property_orders(),
    calls.day_sheet(date(2027, 2, 3)),
    calls.day_closing(date(2027, 2, 3)),
    calls.list_property_webhooks(order_id=ORDER_ID, limit=5),
    calls.approve_order(ORDER_ID),
    calls.decline_order(ORDER_ID, reason="full"),
    calls.fulfil_order(ORDER_ID),
    calls.fulfil_order(ORDER_ID, [0]),
    calls.refund_order(ORDER_ID, reason="cold", key="refund-1", amount=EUR),
    calls.retry_refund(ORDER_ID, "ref_1", reason="another account"),
    calls.settle_refund_outside(ORDER_ID, "ref_1", reason="in cash", amount=EUR),
    calls.resolve_review(ORDER_ID, ReviewResolution.ACCEPT, reason="paid in cash", amount=EUR, force=True),
    calls.list_catalogue(),
    calls.define_extra("alm-spa", DEFINITION, reason="new"),
    calls.change_extra("alm-spa", DEFINITION, version=1, reason="dearer"),
    calls.retire_extra("alm-spa", version=1, reason="closed"),
    calls.reorder_extras(["alm-spa"]),
    calls.upload_picture(b"\xff\xd8\xff"),
    calls.get_property(),
    calls.change_property(HOTEL, version=1, reason="moved"),
)


def answering(response: httpx.Response, seen: list[httpx.Request] | None = None) -> GatewayClient:
    """A client whose gateway answers everything with this."""

    def answer(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        return response

    return GatewayClient(httpx.AsyncClient(transport=httpx.MockTransport(answer)), "http://gateway/", "a.b.c")


async def test_a_call_carries_token_key_and_body_and_returns_what_the_api_gives() -> None:
    seen: list[httpx.Request] = []
    gateway = answering(httpx.Response(201, json=examples.ORDER), seen)

    order = await gateway.send(calls.place_order([LINE], key="basket-1"))

    [request] = seen
    assert (request.method, str(request.url)) == ("POST", "http://gateway/v1/orders")
    assert request.headers["Authorization"] == "Bearer a.b.c"
    assert request.headers["Idempotency-Key"] == "basket-1"
    assert json.loads(request.content) == {"lines": [{"extra_id": "alm-spa", "quantity": 1}]}
    assert (order.order_id, order.total) == (ORDER_ID, Money(amount=4800, currency="EUR"))


async def test_a_problem_is_raised_with_its_type_its_sentence_and_when_to_repeat() -> None:
    example = problem_types.PROBLEM_TYPES["too-many-orders-waiting"].example()
    gateway = answering(httpx.Response(503, json=example, headers={"Retry-After": "5"}))

    with pytest.raises(ProblemError, match="GET /v1/extras: 503 Too many orders waiting: Many orders") as raised:
        await gateway.send(calls.list_extras())

    assert (raised.value.name, raised.value.status, raised.value.retry_after) == ("too-many-orders-waiting", 503, 5.0)


async def test_an_error_page_of_a_proxy_is_a_problem_too() -> None:
    gateway = answering(httpx.Response(502, html="<h1>Bad gateway</h1>"))

    with pytest.raises(ProblemError) as raised:
        await gateway.send(calls.list_extras())

    problem = raised.value.problem
    assert (problem.type, problem.title, problem.status) == ("about:blank", "Bad Gateway", 502)
    assert problem.detail == "<h1>Bad gateway</h1>"


async def test_a_command_without_a_result_yet_names_its_order() -> None:
    accepted = {"order_id": ORDER_ID, "status": "accepted"}
    gateway = answering(httpx.Response(202, json=accepted, headers={"Retry-After": "1"}))

    with pytest.raises(PendingError) as raised:
        await gateway.send(calls.start_payment(ORDER_ID))

    assert (raised.value.order_id, raised.value.retry_after) == (ORDER_ID, 1.0)


async def test_a_success_that_is_not_the_apis_is_no_result() -> None:
    gateway = answering(httpx.Response(200, json={"hello": "world"}))

    with pytest.raises(UnexpectedAnswerError, match="is no OrderView"):
        await gateway.send(calls.get_order(ORDER_ID))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
async def test_a_live_stream_ends_lines_only_where_server_sent_events_do(newline: str) -> None:
    data = json.dumps(
        {"event": "payments.payment-failed", "order_id": ORDER_ID, "detail": "a\u2028b"}, ensure_ascii=False
    )
    stream = newline.join((": ping", "", "event: payments.payment-failed", f"data: {data}", "", ""))
    gateway = answering(httpx.Response(200, text=stream))

    async with gateway.watch(ORDER_ID) as updates:
        seen = [update async for update in updates]

    assert [(update.event, update.detail) for update in seen] == [("payments.payment-failed", "a\u2028b")]


async def test_a_live_stream_that_is_refused_is_a_problem() -> None:
    example = problem_types.PROBLEM_TYPES["too-many-live-streams"].example()
    gateway = answering(httpx.Response(429, json=example))

    with pytest.raises(ProblemError) as raised:
        async with gateway.watch(ORDER_ID):
            pass

    assert raised.value.name == "too-many-live-streams"


@pytest.mark.parametrize(
    ("model", "described"),
    [
        (OrderUpdate, live.LiveUpdate),
        (models.FieldError, problem_types.FieldError),
    ],
)
def test_what_the_client_reads_is_what_the_gateway_gives(model: type[BaseModel], described: type[BaseModel]) -> None:
    assert model.model_fields.keys() == described.model_fields.keys()


def test_every_route_of_the_api_has_a_call() -> None:
    document = json.loads(FILE.read_text())
    routes = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}

    named = {
        (
            call.method,
            call.path.partition("?")[0]
            .replace(ORDER_ID, "{order_id}")
            .replace("ref_1", "{refund_id}")
            .replace("alm-spa", "{extra_id}"),
        )
        for call in EVERY_CALL
    }

    others = (
        calls.live_path("{order_id}"),
        calls.PROPERTY_LIVE_PATH,
        "/v1/pictures/{picture_id}/{size}",
        "/v1/staff/closing.csv",
    )
    assert named | {("GET", path) for path in others} == routes
    assert calls.picture_path("{picture_id}", 480) == "/v1/pictures/{picture_id}/480"


BODIES: dict[str, type[BaseModel]] = {
    "contact": schemas.ContactRequest,
    "orders": schemas.OrderRequest,
    "cancel": schemas.CancelRequest,
    "decline": schemas.DeclineRequest,
    "fulfil": schemas.FulfilRequest,
    "refunds": schemas.RefundRequest,
    "retry": schemas.RetryRequest,
    "settled-outside": schemas.SettledOutsideRequest,
    "review": schemas.ReviewRequest,
    "catalogue": catalogue_bodies.NewExtraRequest,
    "alm-spa": catalogue_bodies.ExtraRequest,
    "retire": catalogue_bodies.RetireRequest,
    "order": catalogue_bodies.OrderOfExtras,
    "property": catalogue_bodies.PropertyRequest,
}


@pytest.mark.parametrize("call", [call for call in EVERY_CALL if call.body], ids=lambda call: call.path)
def test_a_body_is_what_the_gateway_reads(call: Call[Any]) -> None:
    read = BODIES[call.path.rpartition("/")[2]].model_validate(call.body)

    assert read.model_dump(mode="json", exclude_unset=True) == call.body
