"""What the operator's page asks and orders, on a running system."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from chassis.runtime.metrics import Metrics
from contracts.ids import OrderId
from contracts.orders import CancelOrder
from ops.core.queues import look_at
from ops.web.app import create_app
from ops.web.session import ReconnectingSession
from tests.support.desk import paid_order
from tests.support.examples import sample
from tests.support.operator import Operator, of_unknown_order, target_of
from tests.support.operators_page import OPERATOR, Page, page_of, running, settings
from tests.support.system import System
from tests.support.waiting import until

PLACE = sample("orders.place-order.v1")
SUCCEEDED = "payments.payment-succeeded.v1"


@pytest.fixture
async def own(own_system: Callable[..., Any]) -> System:
    made: System = await own_system()
    return made


@pytest.fixture
def operator(own: System) -> Operator:
    return Operator(own)


@pytest.fixture
async def page(own: System) -> AsyncIterator[Page]:
    async with running(page_of(own)) as http:
        yield Page(http)


@pytest.fixture
async def shared(system: System) -> AsyncIterator[Page]:
    """The page of the system that all tests share: for looking only."""
    async with running(page_of(system)) as http:
        yield Page(http)


async def ended(page: Page, plan_id: str) -> Any:
    """The plan, once no run of it is in progress."""

    async def done() -> Any:
        plan = await page.get(f"/plans/{plan_id}")
        return None if plan["is_running"] else plan

    return await until(done, f"{plan_id} has ended")


async def test_queues_are_seen_with_what_needs_an_operator(page: Page, operator: Operator) -> None:
    await operator.park(b"{", PLACE.kind, "extras.commands", "m-1", "MalformedMessageError")

    seen = await page.get("/queues")

    states = {state["name"]: state for state in seen["queues"]}
    assert (states["extras.dead"]["messages"], states["extras.dead"]["problem"]) == (1, "bellhop dead list")
    assert states["extras.commands"]["consumers"] == 1


async def test_dead_letters_come_in_groups_that_failed_alike(page: Page, operator: Operator) -> None:
    await operator.park(b"{", PLACE.kind, "extras.commands", "m-1", "MalformedMessageError")
    for number in (1, 2):
        await operator.park(of_unknown_order(number), SUCCEEDED, "extras.payments", f"m-p{number}", "UnknownOrderError")

    everything = await page.get("/dead")
    filtered = await page.get("/dead", error="unknownorder", order=of_unknown_order(2).order_id)

    groups = [(group["error_type"], group["kind"], group["queue"], group["count"]) for group in everything["groups"]]
    assert groups == [
        ("UnknownOrderError", SUCCEEDED, "extras.payments", 2),
        ("MalformedMessageError", PLACE.kind, "extras.commands", 1),
    ]
    assert len(everything["letters"]) == everything["count"] == 3
    assert [letter["message_id"] for letter in filtered["letters"]] == ["m-p2"]


async def test_a_letter_is_shown_with_its_forecast_and_its_orders_messages(page: Page, operator: Operator) -> None:
    guest = operator.system.guest()
    order_id = OrderId(await paid_order(operator.system, guest))
    cancel = CancelOrder(order_id=order_id, guest_id=guest.guest_id, property_id=guest.property_id)
    await operator.park(cancel, cancel.kind, "extras.commands", "m-cancel", "StoreUnavailableError")
    [listed] = (await page.get("/dead"))["letters"]

    letter = await page.get(f"/dead/{listed['letter_id']}")

    assert letter["forecast"].startswith("applied → cancelled")
    assert letter["sends"] == ["orders.order-cancelled.v1", "payments.refund-payment.v1"]
    assert letter["body"]["order_id"] == order_id
    assert letter["headers"]["origin_queue"] == "extras.commands"
    assert PLACE.kind in [entry["kind"] for entry in letter["timeline"]]


async def test_a_plan_is_made_forecast_run_in_the_background_and_recorded(page: Page, operator: Operator) -> None:
    guest = operator.system.guest()
    order_id = OrderId(await paid_order(operator.system, guest))
    cancel = CancelOrder(order_id=order_id, guest_id=guest.guest_id, property_id=guest.property_id)
    await operator.park(cancel, cancel.kind, "extras.commands", "m-cancel", "StoreUnavailableError")
    [group] = (await page.get("/dead"))["groups"]

    plan = await page.post("/plans", 201, ids=group["ids"])
    begun = await page.post(f"/plans/{plan['plan_id']}/run", 202, why="the store is back")
    done = await ended(page, plan["plan_id"])
    again = await page.post(f"/plans/{plan['plan_id']}/run", 409, why="once more")

    assert (plan["stage"], plan["made_by"], plan["by_forecast"]) == ("planned", OPERATOR, {"applied": 1})
    assert begun["is_running"] is begun["goes_on"] is True
    assert (done["stage"], done["last_error"]) == ("done", None)
    assert done["report"] == {"sent": 1, "skipped": 0, "failed": 0, "left": 0}
    assert again["type"] == "urn:bellhop:problem:plan-not-runnable"
    assert (await page.get("/dead"))["count"] == 0
    [entry] = (await page.get("/audit-log"))["entries"]
    assert (entry["who"], entry["action"], entry["why"]) == (OPERATOR, "replay", "the store is back")


async def test_a_run_is_paused_and_goes_on_later(page: Page, operator: Operator) -> None:
    for number in range(4):
        await operator.park(of_unknown_order(number), SUCCEEDED, "extras.payments", f"m-{number}", "UnknownOrderError")
    plan_id = (await page.post("/plans", 201))["plan_id"]
    await page.post(f"/plans/{plan_id}/run", 202, why="slowly", rate=1, stop_after=9)

    async def one_sent() -> bool:
        return bool((await page.get(f"/plans/{plan_id}"))["report"]["sent"])

    await until(one_sent, "the first message is sent")
    paused = await page.post(f"/plans/{plan_id}/pause", why="wait")
    plan = await ended(page, plan_id)

    assert paused == {"is_paused": True}
    assert plan["stage"] == "paused"
    assert plan["report"]["left"] > 0
    assert [listed["plan_id"] for listed in (await page.get("/plans"))["plans"]] == [plan_id]


async def test_stopping_the_page_pauses_what_it_runs(own: System, operator: Operator) -> None:
    for number in range(4):
        await operator.park(of_unknown_order(number), SUCCEEDED, "extras.payments", f"m-{number}", "UnknownOrderError")
    async with running(page_of(own)) as http:
        plan_id = (await Page(http).post("/plans", 201))["plan_id"]
        await Page(http).post(f"/plans/{plan_id}/run", 202, why="slowly", rate=1, stop_after=9)

    async with running(page_of(own)) as http:
        plan = await Page(http).get(f"/plans/{plan_id}")

    assert plan["is_running"] is False
    assert plan["stage"] in ("planned", "paused")
    assert plan["report"]["left"] > 0


async def test_letters_are_put_aside_taken_back_and_corrected_with_a_reason(page: Page, operator: Operator) -> None:
    await operator.park(of_unknown_order(1), SUCCEEDED, "extras.payments", "m-1", "UnknownOrderError")
    [letter] = (await page.get("/dead"))["letters"]
    ids = [letter["letter_id"]]

    without_reason = await page.post("/dead/discard", 422, ids=ids, why=" ")
    aside = await page.post("/dead/discard", ids=ids, why="a test order")
    back = await page.post("/dead/restore", ids=ids, why="no, it is not")
    refused = await page.post(f"/dead/{ids[0]}/edit", 422, why="typo", assignments=["amount.amount=many"])
    fresh = await page.post(f"/dead/{ids[0]}/edit", 201, why="typo", assignments=["amount.amount=4800"])

    assert without_reason["type"] == "urn:bellhop:problem:invalid-request"
    assert (aside, back) == ({"moved": 1}, {"moved": 1})
    assert "the contract refuses it" in refused["detail"]
    assert (await page.get(f"/dead/{fresh['letter_id']}"))["body"]["amount"]["amount"] == 4800
    did = [(entry["who"], entry["action"]) for entry in (await page.get("/audit-log"))["entries"]]
    assert did == [(OPERATOR, "discard"), (OPERATOR, "restore"), (OPERATOR, "edit")]


async def test_the_log_is_read_filtered_and_followed(shared: Page, system: System) -> None:
    order_id = await paid_order(system, system.guest())

    everything = await shared.get("/log", begin="first", order=order_id)
    newest = await shared.get("/log", begin="first", order=order_id, limit=2)
    confirmed = await shared.get("/log", kind="*confirmed*", order=order_id)
    nothing_new = await shared.get("/log", begin=everything["next"] + 100)

    assert everything["messages"][0]["kind"] == PLACE.kind
    assert newest["found"] == everything["found"] > 2
    assert newest["messages"] == everything["messages"][-2:]
    assert [message["order_id"] for message in confirmed["messages"]] == [order_id]
    assert (nothing_new["messages"], nothing_new["next"]) == ([], None)


async def test_a_part_of_the_log_is_planned_for_one_queue(shared: Page, system: System) -> None:
    order_id = await paid_order(system, system.guest())

    plan = await shared.post("/plans", 201, source="log", to="extras.payments", wanted={"order": order_id})
    nowhere = await shared.post("/plans", 422, source="log", to="log")

    assert {item["queue"] for item in plan["items"]} == {"extras.payments"}
    assert plan["by_forecast"] == {"duplicate": plan["messages"]}
    assert "extras.payments" in nowhere["detail"]


async def test_an_orders_story_is_shown(shared: Page, system: System) -> None:
    order_id = await paid_order(system, system.guest())

    story = await shared.get(f"/trace/{order_id}")
    unknown = await shared.get("/trace/ord_" + "q" * 26, 404)

    assert story["summary"]["order"].startswith("confirmed")
    assert unknown["type"] == "urn:bellhop:problem:unknown-order"


async def test_a_lost_connection_is_reopened_at_the_next_request(system: System) -> None:
    desk = ReconnectingSession(target_of(system), Metrics("tests"))
    first = await desk()
    await first.connection.close()

    seen = await look_at(await desk())

    assert {state.name for state in seen} >= {"extras.commands", "extras.dead"}
    assert [await check() for check in desk.checks().values()] == [None, None]
    await desk.close()


async def test_a_broker_that_is_away_is_said_and_is_no_reason_to_be_ready(system: System) -> None:
    away = settings(system).model_copy(update={"amqp_url": SecretStr("amqp://127.0.0.1:1/")})
    async with running(create_app(away)) as http:
        problem = await Page(http).get("/queues", 503)
        ready = await http.get("/health/ready")

    assert problem["type"] == "urn:bellhop:problem:unavailable"
    assert (ready.status_code, list(ready.json()["problems"])) == (503, ["broker"])


@pytest.mark.parametrize(
    ("path", "query", "code", "name"),
    [
        ("/dead/dl_nothing", {}, 404, "no-such-letter"),
        ("/plans/rp_nothing", {}, 404, "no-such-plan"),
        ("/dead", {"since": "yesterday"}, 422, "invalid-request"),
        ("/dead", {"stage": "gone"}, 422, "invalid-request"),
        ("/log", {"begin": "yesterday"}, 422, "invalid-request"),
        ("/nothing", {}, 404, "no-such-page"),
    ],
)
async def test_what_is_not_there_or_unreadable_is_a_problem_document(
    shared: Page, path: str, query: dict[str, str], code: int, name: str
) -> None:
    problem = await shared.get(path, code, **query)

    assert problem["type"] == f"urn:bellhop:problem:{name}"
