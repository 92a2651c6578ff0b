"""Dead letters: seen, forecast, replayed, corrected, put aside."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from chassis.runtime.metrics import Metrics
from contracts.ids import OrderId, payment_id_of
from contracts.money import Money
from contracts.orders import CancelOrder
from contracts.payments import PaymentFailed
from contracts.psp import ClosePspSession, CreatePspRefund, CreatePspSession
from contracts.psp_accounts import DEFAULT_ACCOUNT
from ops.core.dead_letters.letters import DeadLetters
from ops.core.messages import Filter
from ops.core.replay.plans import Plans, PlanStage
from ops.core.replay.run import Runner, RunOptions
from tests.support.desk import Desk, paid_order
from tests.support.examples import sample
from tests.support.guest import BREAKFAST_TOTAL, body
from tests.support.operator import Operator, of_unknown_order, target_of
from tests.support.system import System
from tests.support.waiting import until

PLACE = sample("orders.place-order.v1")
SUM = Money(amount=100, currency="EUR")


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system())


async def test_a_parked_message_is_listed_and_shown_with_its_reason(operator: Operator) -> None:
    await operator.park(b"{", PLACE.kind, "extras.commands", "m-broken", "MalformedMessageError")

    (listed,) = await operator.json("dead", "list", code=1)
    shown = await operator.runs("dead", "show", listed["letter_id"][:6])

    assert (listed["queue"], listed["dead_queue"]) == ("extras.commands", "extras.dead")
    assert (listed["error_type"], listed["attempts"]) == ("MalformedMessageError", 6)
    assert "MalformedMessageError happened" in shown.said
    assert "fails: MalformedMessageError" in shown.said
    assert await operator.system.depth("extras.dead") == 0


async def test_letters_are_found_by_what_the_operator_knows(operator: Operator) -> None:
    await operator.park(b"{", PLACE.kind, "extras.commands", "m-1", "MalformedMessageError")
    await operator.park(
        of_unknown_order(1), "payments.payment-succeeded.v1", "extras.payments", "m-2", "UnknownOrderError"
    )

    async def found(*filters: str) -> list[str]:
        return [letter["message_id"] for letter in await operator.json("dead", "list", *filters, code=None)]

    assert await found("--queue", "extras.payments") == ["m-2"]
    assert await found("--queue", "extras.dead") == ["m-1", "m-2"]
    assert await found("--kind", "orders.*") == ["m-1"]
    assert await found("--error", "unknownorder") == ["m-2"]
    assert await found("--order", of_unknown_order(1).order_id) == ["m-2"]
    assert await found("--since", "1h", "--correlation", "parked") == ["m-1", "m-2"]
    assert await found("--until", "1h") == []
    unreadable = await operator.runs("dead", "list", "--since", "yesterday", code=2)
    assert "cannot parse 'yesterday'" in unreadable.said


async def test_a_replay_is_planned_forecast_and_run_and_leaves_a_record(operator: Operator) -> None:
    guest = operator.system.guest()
    order_id = OrderId(await paid_order(operator.system, guest))
    cancel = CancelOrder(order_id=order_id, guest_id=guest.guest_id, property_id=guest.property_id)
    await operator.park(cancel, cancel.kind, "extras.commands", "m-cancel", "StoreUnavailableError")

    saved = await operator.json("dead", "replay", code=3)
    before = await operator.system.document(order_id)
    plan = await operator.json("plans", "show", saved["plan_id"])
    report = await operator.json("plans", "run", saved["plan_id"], "--why", "the store is back")

    (item,) = plan["items"]
    assert item["forecast"]["outcome"] == "applied"
    assert item["forecast"]["detail"].startswith("cancelled")
    assert item["forecast"]["sends"] == ["orders.order-cancelled.v1", "payments.refund-payment.v1"]
    assert before is not None
    assert before["state"]["status"] == "confirmed", "a plan alone changes nothing"
    assert (report["stage"], report["sent"], report["failed"]) == ("done", 1, 0)
    await until(lambda: _is(operator.system, order_id, "cancelled"), "the replayed command is carried out")
    assert await operator.json("dead", "list") == []
    (entry,) = await operator.json("audit-log")
    assert (entry["action"], entry["subjects"], entry["why"]) == ("replay", [saved["plan_id"]], "the store is back")


async def test_what_was_handled_already_is_skipped_and_said(operator: Operator) -> None:
    order_id = await paid_order(operator.system, operator.system.guest())
    seen = next(m for m in await operator.system.log() if m.type == "payments.payment-succeeded.v1")
    await operator.park(seen.body, seen.type or "", "extras.payments", seen.message_id or "")
    before = await operator.system.document(order_id)

    report = await operator.json("dead", "replay", "--why", "to be sure", "--yes")
    plan = await operator.json("plans", "show", report["plan_id"])

    assert (report["sent"], report["skipped"]) == (0, 1)
    assert plan["items"][0]["forecast"]["outcome"] == "duplicate"
    assert plan["items"][0]["remark"] == "handled already"
    after = await operator.system.document(order_id)
    assert before is not None
    assert after is not None
    assert (after["version"], after["state"]) == (before["version"], before["state"])


async def test_a_forecast_says_what_comes_to_nothing_and_why(operator: Operator) -> None:
    guest = operator.system.guest()
    order_id = OrderId(await paid_order(operator.system, guest))
    failed = PaymentFailed(order_id=order_id, payment_id=payment_id_of(order_id), code="late", detail="late")
    cancel = CancelOrder(order_id=order_id, guest_id=guest.guest_id, property_id=guest.property_id)
    await operator.park(failed, failed.kind, "extras.payments", "m-1")
    await operator.park(cancel, cancel.kind, "extras.commands", "m-2")
    await operator.park(cancel, cancel.kind, "extras.commands", "m-3")
    await operator.park(of_unknown_order(1), "payments.payment-succeeded.v1", "extras.payments", "m-4")
    elsewhere = sample("psp.create-psp-refund.v1")
    await operator.park(
        elsewhere.model_copy(update={"psp_account": DEFAULT_ACCOUNT}), elsewhere.kind, "psp.commands", "m-5"
    )
    await operator.park(elsewhere, elsewhere.kind, "psp.commands", "m-6")

    saved = await operator.json("dead", "replay", code=3)
    items = (await operator.json("plans", "show", saved["plan_id"]))["items"]

    forecasts = {item["message"]["message_id"]: item["forecast"] for item in items}
    assert forecasts["m-1"]["outcome"] == "stale"
    assert forecasts["m-2"]["outcome"] == "applied"
    assert (forecasts["m-3"]["outcome"], forecasts["m-3"]["detail"]) == ("ignored", "cancelled already")
    assert forecasts["m-4"]["outcome"] == "fails"
    assert forecasts["m-5"]["outcome"] == "asks the PSP"
    assert "could not be asked" in forecasts["m-5"]["detail"]  # a PaymentIntent of no account
    assert forecasts["m-6"]["outcome"] == "fails"
    assert "seaside" in forecasts["m-6"]["detail"]


async def test_a_forecast_for_a_command_to_the_psp_says_what_the_psp_would_do_now(operator: Operator) -> None:
    system = operator.system
    guest = system.guest()
    order_id = OrderId(await paid_order(system, guest))
    [intent] = await system.intents(order_id)
    about = {"order_id": order_id, "payment_id": payment_id_of(order_id)}
    refund = {**about, "psp_reference": intent["id"], "amount": Money(amount=1000, currency="EUR")}
    body(await Desk.of(system).refund(order_id, 1000, key="once"), 200)
    await guest.sees(order_id, payment_status="partially_refunded")
    [made] = (await system.at_psp("refunds", payment_intent=intent["id"]))["data"]
    commands = (
        CreatePspRefund.model_validate({**refund, "refund_id": made["metadata"]["refund_id"]}),
        CreatePspRefund.model_validate({**refund, "refund_id": "ref_never_made"}),
        CreatePspRefund.model_validate({**refund, "refund_id": "ref_more", "amount": BREAKFAST_TOTAL}),
        ClosePspSession.model_validate({**about, "session_no": 1, "psp_reference": intent["id"]}),
        CreatePspSession.model_validate({**about, "session_no": 1, "amount": BREAKFAST_TOTAL}),
    )
    for number, command in enumerate(commands):
        await operator.park(command, command.kind, "psp.commands", f"psp-{number}")

    saved = await operator.json("dead", "replay", code=3)
    items = (await operator.json("plans", "show", saved["plan_id"]))["items"]

    said = {item["message"]["message_id"]: item["forecast"]["detail"] for item in items}
    assert said["psp-0"].startswith(f"moves no money: {made['id']} was made")
    assert said["psp-1"].startswith("refunds €10.00")
    assert said["psp-2"].startswith("is refused: 4800 minor units of EUR cannot be refunded: 3800")
    assert said["psp-3"] == f"changes nothing: {intent['id']} is succeeded"
    assert said["psp-4"].startswith(f"changes nothing: the PSP answers with {intent['id']} again")
    assert len((await system.at_psp("refunds", payment_intent=intent["id"]))["data"]) == 1


async def test_a_run_stops_after_so_many_failures_and_says_where_it_stands(operator: Operator) -> None:
    for number in range(1, 5):
        await operator.park(of_unknown_order(number), "payments.payment-succeeded.v1", "extras.payments", f"m-{number}")

    report = await operator.json("dead", "replay", "--why", "hope", "--yes", "--rate", "1", "--stop-after", "2", code=1)

    assert report["stage"] == "stopped"
    assert report["failed"] >= 2
    assert report["left"] > 0
    assert report["sent"] + report["failed"] + report["left"] == 4
    assert len(await operator.json("dead", "list", code=1)) == 4, "failed again or not sent: all wait"


async def test_a_run_is_paused_and_goes_on_where_it_was(operator: Operator) -> None:
    for number in range(1, 5):
        await operator.park(of_unknown_order(number), "payments.payment-succeeded.v1", "extras.payments", f"m-{number}")
    target = target_of(operator.system)
    store = target.store(Metrics("tests"))
    async with target.connection() as connection:
        letters = DeadLetters(store, connection)
        await letters.drain()
        plans, runner = Plans(store), Runner(store, connection)
        chosen = [(a.message, a.queue, a.letter_id) for a in await letters.matching(Filter())]
        plan, _ = await plans.make("dead", "all", "tests", chosen)
        orders = RunOptions("tests", "pausing", rate=50, stop_after=100, settle=0)

        def pause_after_two(item: Any) -> None:
            if item.number == 2:
                pausing.append(asyncio.ensure_future(plans.pause(plan.plan_id)))

        pausing: list[asyncio.Task[bool]] = []
        paused = await runner.run(plan.plan_id, orders, pause_after_two)
        done = await runner.run(plan.plan_id, orders)
    store.close()

    assert paused.stage is PlanStage.PAUSED
    assert 1 <= paused.left <= 2
    assert (done.stage, done.left) == (PlanStage.DONE, 0)


async def test_a_corrected_message_is_replayed_under_an_id_of_its_own(operator: Operator) -> None:
    body = PLACE.to_wire().replace(b'"quantity":', b'"quantity":"many","was":', 1)
    await operator.park(body, PLACE.kind, "extras.commands", "m-typo", "MalformedMessageError")
    (letter,) = await operator.json("dead", "list", code=1)

    refused = await operator.runs(
        "dead", "edit", letter["letter_id"], "--set", "lines.0.quantity=few", "--why", "typo", code=2
    )
    fresh = await operator.json(
        "dead", "edit", letter["letter_id"], "--set", "lines.0.quantity=1", "--why", "typo in the import"
    )
    replayed = await operator.json("dead", "replay", fresh["letter_id"], "--why", "corrected", "--yes", code=None)

    assert "the contract refuses it" in refused.said
    assert fresh["message_id"].startswith("m-typo.edited.")
    assert replayed["sent"] == 1
    (kept,) = await operator.json("dead", "list", "--stage", "edited", code=1)
    assert kept["letter_id"] == letter["letter_id"]
    actions = [entry["action"] for entry in await operator.json("audit-log")]
    assert actions == ["edit", "replay"]


async def test_discarding_moves_and_only_emptying_deletes(operator: Operator) -> None:
    await operator.park(b"{", PLACE.kind, "extras.commands", "m-1")
    (letter,) = await operator.json("dead", "list", code=1)
    the_letter = letter["letter_id"]

    await operator.runs("dead", "discard", the_letter, "--why", "a test")
    assert await operator.json("dead", "list") == []
    assert len(await operator.json("dead", "list", "--stage", "discarded", code=1)) == 1

    await operator.runs("dead", "restore", the_letter, "--why", "it was not")
    assert len(await operator.json("dead", "list", code=1)) == 1

    await operator.runs("dead", "discard", the_letter, "--why", "it was")
    await operator.runs("dead", "empty", "--why", "monthly", code=3)
    await operator.runs("dead", "empty", "--why", "monthly", "--yes")
    assert await operator.json("dead", "list", "--stage", "any") == []
    actions = [entry["action"] for entry in await operator.json("audit-log")]
    assert actions == ["discard", "restore", "discard", "empty"]


async def test_what_is_not_there_is_said_in_a_sentence(operator: Operator) -> None:
    assert "no dead letter 'dl_nothing'" in (await operator.runs("dead", "show", "dl_nothing", code=2)).said
    assert "Nothing to replay" in (await operator.runs("dead", "replay", "--kind", "x", code=2)).said
    assert "no plan 'rp_nothing'" in (await operator.runs("plans", "run", "rp_nothing", "--why", "x", code=2)).said


async def _is(system: System, order_id: str, status: str) -> bool:
    document = await system.document(order_id)
    return document is not None and document["state"]["status"] == status
