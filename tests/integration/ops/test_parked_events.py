"""The dead letter of one event of the PSP: shown, forecast, and passed on by a replay once it can be."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.support.desk import intent_of, is_clean, paid_order
from tests.support.operator import Operator
from tests.support.system import PAYMENTS, System
from tests.support.waiting import until

LETTER = "psp.translate-psp-event.v1"


async def test_an_event_whose_payment_could_not_be_looked_up_reaches_its_order_by_a_replay(
    own_system: Callable[..., Any],
) -> None:
    system: System = await own_system(
        psp_sweep_every=timedelta(seconds=1), stripe_retries=0, stripe_breaker_threshold=1000
    )
    operator, guest = Operator(system), system.guest()
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)

    async def is_parked() -> bool:
        return (await system.parked())["psp.dead"] == 1

    async def is_gauged() -> bool:
        return await system.counted(PAYMENTS, "bellhop_waiting", what="psp_sweep") == 1

    unanswered = {"fail_500": {"probability": 1, "match": f"GET /v1/payment_intents/{intent['id']}"}}
    async with system.faults(webhooks={"drop": {"probability": 1}}, api=unanswered):
        await system.switch(f"payment_intents/{intent['id']}/refund", {"amount": 1200})
        await until(is_parked, "the event is parked, and alone")
    saved = await operator.json("dead", "replay", "--kind", LETTER, code=3)
    (item,) = (await operator.json("plans", "show", saved["plan_id"]))["items"]
    await operator.runs("plans", "run", saved["plan_id"], "--why", "the PSP answers again")

    assert item["forecast"]["detail"].startswith("passes on refund.")
    await guest.sees(order_id, payment_status="partially_refunded")
    await until(is_gauged, "the gauge counts the sweep that goes on")
    await is_clean(system)
