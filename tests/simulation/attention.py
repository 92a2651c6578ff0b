"""What people must get to see: laws about failed refunds, reviews, and the gauges that alarms are about.

The conditions are those of deploy/alerts.yaml: BellhopOrderNeedsReview and BellhopRefundFailed ring for gauges above 0.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.routing import Route

from tests.simulation.books import UNREADABLE
from tests.simulation.instances import GAUGES, Instance

if TYPE_CHECKING:
    from tests.simulation.world import World

_WAITING = re.compile(r'^bellhop_waiting\{service="[^"]+",what="(\w+)"\} ([\d.e+]+)$', re.MULTILINE)
_FAILED = ("failed", "canceled")


async def gauges(world: "World") -> dict[str, float]:
    """What /metrics of the extras service shows once its gauges have counted again, at the instance that shows most."""
    shown: dict[str, float] = {}
    for instance in world.instances:
        if instance.service == "extras-service" and instance.is_ready:
            for what, number in await _read(world, instance):
                shown[what] = max(shown.get(what, 0.0), number)
    return shown


async def _read(world: "World", instance: Instance) -> list[tuple[str, float]]:
    for loop in instance.process.context[GAUGES]:
        await world.loop.run_in(instance.process, _counted(loop.work), loop.name)
    endpoint = next(
        route.endpoint for route in instance.app.routes if isinstance(route, Route) and route.path == "/metrics"
    )
    response = await endpoint(Request({"type": "http", "method": "GET", "path": "/metrics", "headers": []}))
    return [(what, float(number)) for what, number in _WAITING.findall(response.body.decode())]


async def _counted(work: Any) -> None:
    await work()


def every_failed_refund_is_seen(world: "World") -> Iterator[str]:
    """By the PSP's books: its order names it as failed, and waits for a person unless one has dealt with it."""
    documents = world.collection("orders").documents
    owners = {each["id"]: each["metadata"].get("order_id") for each in world.psp.sandbox.state.payment_intents.values()}
    refunds = list(world.psp.sandbox.state.refunds.values())
    made = {each["metadata"].get("refund_id") for each in refunds if each["status"] not in _FAILED}
    for refund in refunds:
        refund_id = refund["metadata"].get("refund_id")
        if refund["status"] not in _FAILED or refund_id in made:
            continue
        order = documents.get(owners[refund["payment_intent"]])
        if order is None:
            continue  # of an order that is not known, which is another law's
        known = [each for each in order["state"]["refunds"] if each["refund_id"] == refund_id]
        if [each["stage"] for each in known] != ["failed"]:
            yield f"{order['_id']}: the PSP failed {refund_id}, and the order says {known}"
        elif not _is_dealt_with(order["state"], known[0]) and "attention_since" not in order:
            yield f"{order['_id']}: {refund_id} has failed, and it waits for no person"


def _is_dealt_with(state: dict[str, Any], refund: dict[str, Any]) -> bool:
    """Settled outside, asked for again, or all the money is with the guest in another way."""
    is_repeated = any(each.get("repeats") == refund["refund_id"] for each in state["refunds"])
    refunded = (state.get("refunded") or {"amount": 0})["amount"]
    is_all_back = not refund.get("is_second_charge") and refunded >= (state.get("received") or {"amount": 0})["amount"]
    return bool(refund.get("settled")) or is_repeated or is_all_back or bool(state.get("disputes"))


def every_alarm_that_should_ring_rings(world: "World") -> Iterator[str]:
    orders = {name: raw for name, raw in world.collection("orders").documents.items() if name not in UNREADABLE}
    in_review = sum(raw["state"]["status"] == "needs_review" for raw in orders.values())
    failed = sum(
        raw["state"]["status"] != "needs_review"
        and any(_is_open(raw["state"], each) for each in raw["state"]["refunds"])
        for raw in orders.values()
    )
    for what, number in (("orders_in_review", in_review), ("refunds_failed", failed)):
        if number and not world.shown.get(what):
            yield f"{number} orders should show on the gauge {what}, which shows {world.shown.get(what)}"


def _is_open(state: dict[str, Any], refund: dict[str, Any]) -> bool:
    return refund["stage"] == "failed" and not _is_dealt_with(state, refund)


def every_document_is_small(world: "World") -> Iterator[str]:
    """What is kept in one is bounded, however often something happens to it."""
    yield from world.writes.oversized
