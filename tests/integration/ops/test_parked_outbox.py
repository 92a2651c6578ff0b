"""Messages that the broker would not take, seen and decided about as dead letters are."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Envelope, utc_now
from chassis.runtime.metrics import Metrics
from contracts.ids import OrderId, payment_id_of
from contracts.money import Money
from contracts.payments import PaymentSucceeded
from tests.support.operator import Operator
from tests.support.operators_page import Page, page_of, running
from tests.support.parked_outbox import payments_of, success_is_parked
from tests.support.waiting import until

LONG_ID = "m" * 300
"""No AMQP frame can hold it."""


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system())


async def test_a_message_that_the_broker_refuses_again_and_again_is_a_dead_letter_with_its_reason(
    operator: Operator,
) -> None:
    guest = operator.system.guest()
    order_id = OrderId((await guest.order())["order_id"])
    await guest.session(order_id)
    payment_id = payment_id_of(order_id)
    success = PaymentSucceeded(order_id=order_id, payment_id=payment_id, amount=Money(amount=1, currency="EUR"))
    unsendable = Envelope(success, LONG_ID, "c-1").to_document()
    await operator.system.documents["payments"].update_one(
        {"_id": payment_id},
        {"$push": {"outbox": unsendable}, "$set": {"unsent_since": utc_now()}, "$inc": {"version": 1}},
    )
    url = operator.system.setup.amqp_url
    bus = Bus(url, "payment_service", Metrics("payment_service"), publish_timeout=10, graceful_timeout=1)
    await bus.start()

    async with payments_of(operator.system, bus) as path:
        await path.relay()
    await bus.stop()
    (listed,) = await operator.json("dead", "list", code=1)
    shown = await operator.runs("dead", "show", listed["letter_id"])
    again = await operator.json("dead", "list", code=1)

    assert (listed["dead_queue"], listed["outbox_of"]) == ("outbox.payments", payment_id)
    assert (listed["kind"], listed["message_id"]) == (success.kind, LONG_ID)
    assert listed["error_type"] == "PublishRefusedError"
    assert success.kind in listed["error"]
    assert "dead put-back" in shown.said
    assert [letter["letter_id"] for letter in again] == [listed["letter_id"]]
    document = await operator.system.payment_of(order_id)
    assert document is not None
    assert (document["outbox"], "parked" in document, "unsent_since" in document) == ([], False, False)


async def test_put_back_its_own_service_sends_it_and_the_order_goes_on(operator: Operator) -> None:
    guest = operator.system.guest()
    order_id = await success_is_parked(operator.system, guest)
    (letter,) = await operator.json("dead", "list", "--order", order_id, code=1)
    before = (await guest.see(order_id))["status"]

    done = await operator.json("dead", "put-back", letter["letter_id"], "--why", "rights mended, INC-42")

    assert before == "pending_payment"
    assert done["put_back"] == 1
    await guest.sees(order_id, status="confirmed")
    assert await operator.json("dead", "list") == []
    (record,) = await operator.json("audit-log")
    assert (record["action"], record["why"]) == ("put back", "rights mended, INC-42")
    assert record["outcome"] == "1 of 1 letters are back in their outboxes"


async def test_the_operators_page_shows_it_and_puts_it_back(operator: Operator) -> None:
    guest = operator.system.guest()
    order_id = await success_is_parked(operator.system, guest)

    async with running(page_of(operator.system)) as http:
        page = Page(http)
        (letter,) = (await page.get("/dead", order=order_id))["letters"]
        shown = await page.get(f"/dead/{letter['letter_id']}")
        done = await page.post("/dead/put-back", ids=[letter["letter_id"]], why="rights mended")

    assert shown["outbox_of"] == payment_id_of(order_id)
    assert "ACCESS_REFUSED" in shown["error"]
    assert done == {"moved": 1}
    await guest.sees(order_id, status="confirmed")


async def test_corrected_first_it_is_sent_as_corrected(operator: Operator) -> None:
    guest = operator.system.guest()
    order_id = await success_is_parked(operator.system, guest)
    (letter,) = await operator.json("dead", "list", code=1)

    fresh = await operator.json("dead", "edit", letter["letter_id"], "--set", "amount.amount=1", "--why", "a test")
    done = await operator.json("dead", "put-back", fresh["letter_id"], "--why", "a test")

    assert done["put_back"] == 1
    await guest.sees(order_id, status="needs_review")


async def test_a_replay_skips_it_and_says_what_sends_it(operator: Operator) -> None:
    await success_is_parked(operator.system, operator.system.guest())

    report = await operator.json("dead", "replay", "--since", "1d", "--why", "a test", "--yes")
    plan = await operator.json("plans", "show", report["plan_id"])

    assert (report["sent"], report["skipped"]) == (0, 1)
    assert "dead put-back" in plan["items"][0]["remark"]
    assert len(await operator.json("dead", "list", code=1)) == 1


async def test_discarded_with_a_reason_it_can_be_restored_and_is_put_back_only_while_it_waits(
    operator: Operator,
) -> None:
    order_id = await success_is_parked(operator.system, operator.system.guest())
    (letter,) = await operator.json("dead", "list", code=1)
    letter_id = letter["letter_id"]

    await operator.runs("dead", "discard", letter_id, "--why", "a test")
    await operator.runs("dead", "put-back", letter_id, "--why", "too late", code=2)
    outbox = (await operator.system.payment_of(order_id) or {})["outbox"]
    await operator.runs("dead", "restore", letter_id, "--why", "it was needed")

    assert outbox == []
    assert [each["stage"] for each in await operator.json("dead", "list", code=1)] == ["waiting"]
    assert [entry["action"] for entry in await operator.json("audit-log")] == ["discard", "restore"]


async def test_of_two_operators_who_decide_at_once_one_wins(operator: Operator) -> None:
    guest = operator.system.guest()
    order_id = await success_is_parked(operator.system, guest)
    (letter,) = await operator.json("dead", "list", code=1)
    said: dict[str, Any] = {"ids": [letter["letter_id"]], "why": "a test"}

    async with running(page_of(operator.system)) as http:
        moved = await asyncio.gather(*(Page(http).post(f"/dead/{act}", **said) for act in ("put-back", "discard")))

    assert sum(each["moved"] for each in moved) == 1
    if moved[0]["moved"]:
        await guest.sees(order_id, status="confirmed")
    else:
        assert (await operator.system.payment_of(order_id) or {})["outbox"] == []


async def test_a_document_restored_to_before_it_was_put_back_does_not_lose_it(operator: Operator) -> None:
    guest = operator.system.guest()
    order_id = await success_is_parked(operator.system, guest)
    payments = operator.system.documents["payments"]
    backup = await payments.find_one({"_id": payment_id_of(order_id)})
    (letter,) = await operator.json("dead", "list", code=1)
    await operator.runs("dead", "put-back", letter["letter_id"], "--why", "a test")
    await guest.sees(order_id, status="confirmed")

    assert backup is not None
    await payments.replace_one({"_id": payment_id_of(order_id)}, backup)
    waiting = await operator.json("dead", "list", code=1)

    assert [each["letter_id"] for each in waiting] == [letter["letter_id"]]


async def test_a_return_that_was_broken_off_is_finished_by_the_next_look(operator: Operator) -> None:
    guest = operator.system.guest()
    order_id = await success_is_parked(operator.system, guest)
    (letter,) = await operator.json("dead", "list", code=1)
    letters = operator.system.documents["dead_letters"]
    await letters.update_one({"_id": letter["letter_id"]}, {"$set": {"stage": "putting back"}})

    await operator.json("dead", "list")

    await guest.sees(order_id, status="confirmed")
    assert await until(lambda: _stage(operator, letter["letter_id"], "replayed"), "the letter is dealt with")


async def test_a_letter_of_a_document_that_is_gone_keeps_waiting(operator: Operator) -> None:
    order_id = await success_is_parked(operator.system, operator.system.guest())
    (letter,) = await operator.json("dead", "list", code=1)
    await operator.system.documents["payments"].delete_one({"_id": payment_id_of(order_id)})

    done = await operator.json("dead", "put-back", letter["letter_id"], "--why", "a test", code=1)

    assert done["put_back"] == 0
    assert [each["stage"] for each in await operator.json("dead", "list", code=1)] == ["waiting"]


async def _stage(operator: Operator, letter_id: str, stage: str) -> bool:
    letter = await operator.system.documents["dead_letters"].find_one({"_id": letter_id})
    return letter is not None and letter["stage"] == stage
