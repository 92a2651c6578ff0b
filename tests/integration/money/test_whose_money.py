"""Whose money it is follows from the references that payments hold: metadata can be changed in the PSP's dashboard."""

import time
import uuid

import pytest

from tests.support.desk import Desk, intent_of, kept, write_at_psp
from tests.support.guest import Guest, Json, body
from tests.support.system import ADAPTER, System
from tests.support.waiting import until

REMOVED = {"metadata[order_id]": "", "metadata[payment_id]": ""}
OF_ANOTHER = {"metadata[order_id]": "ord_of_another", "metadata[payment_id]": "pay_of_another"}


@pytest.mark.parametrize("metadata", [REMOVED, OF_ANOTHER], ids=["removed", "changed"])
async def test_a_payment_whose_metadata_was_changed_is_paid_and_refunded_like_any_other(
    system: System, guest: Guest, metadata: dict[str, str]
) -> None:
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)
    intent = await intent_of(system, order_id)
    await write_at_psp(system, f"payment_intents/{intent['id']}", metadata)

    body(await system.pay(session), 200)
    await guest.sees(order_id, status="confirmed", payment_status="paid")
    await system.switch(f"payment_intents/{intent['id']}/refund")
    await guest.sees(order_id, status="confirmed", payment_status="refunded")

    back = {f"metadata[{name}]": value for name, value in intent["metadata"].items()}
    await write_at_psp(system, f"payment_intents/{intent['id']}", back)  # for the audit of the other tests


async def test_an_event_of_another_account_is_ignored_and_not_believed(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    await guest.session(order_id)
    events = [
        foreign("refund.created", refund_of("pi_ZZZZZZZZZZZZZZZZZZZZZZZZ")),
        foreign("charge.dispute.created", dispute_of("pi_ZZZZZZZZZZZZZZZZZZZZZZZZ")),
        foreign("payment_intent.succeeded", success_of(order_id)),
    ]

    answers = [await system.post_event(event) for event in events]

    assert [body(answer, 200)["outcome"] for answer in answers] == ["ignored"] * 3
    assert (await guest.see(order_id))["status"] == "pending_payment"
    assert await kept(system, order_id) == 0


async def test_a_success_that_only_metadata_connects_with_an_order_is_asked_about_and_not_believed(
    system: System, guest: Guest
) -> None:
    order_id = (await guest.order())["order_id"]
    await guest.session(order_id)
    event = foreign("payment_intent.succeeded", success_of(order_id))
    del event["account"]
    before = await system.counted(ADAPTER, "bellhop_messages_handled", kind=ASKED, outcome="ignored")

    assert body(await system.post_event(event), 200)["outcome"] == "done"
    await until(lambda: was_asked(system, before), "the adapter was asked about it")

    assert (await guest.see(order_id))["status"] == "pending_payment"
    assert set((await system.parked()).values()) == {0}


async def test_another_systems_payment_that_is_given_our_metadata_comes_before_a_person(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = (await guest.order())["order_id"]
    await guest.session(order_id)
    intent = await intent_of(system, order_id)
    stolen = {
        "amount": str(intent["amount"]),
        "currency": "eur",
        "confirm": "true",
        "payment_method": "pm_card_visa",
        "return_url": "https://shop.example/",
        "metadata[order_id]": order_id,
        "metadata[payment_id]": "pay_" + order_id.removeprefix("ord_"),
    }

    await write_at_psp(system, "payment_intents", stolen)

    await guest.sees(order_id, status="needs_review")
    body(await desk.resolve(order_id, "refund"), 200)
    await guest.sees(order_id, status="cancelled", payment_status="refunded")


ASKED = "psp.retrieve-psp-session.v1"


async def was_asked(system: System, before: int) -> bool:
    return await system.counted(ADAPTER, "bellhop_messages_handled", kind=ASKED, outcome="ignored") > before


def foreign(kind: str, subject: Json) -> Json:
    return {
        "id": f"evt_{uuid.uuid4().hex[:24]}",
        "object": "event",
        "type": kind,
        "account": "acct_1AAAAAAAAAAAAAAA",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": subject},
    }


def refund_of(reference: str) -> Json:
    refund = {"id": "re_foreign", "object": "refund", "amount": 990, "currency": "eur", "status": "succeeded"}
    return {**refund, "payment_intent": reference, "metadata": {}}


def dispute_of(reference: str) -> Json:
    dispute = {"id": "du_foreign", "object": "dispute", "amount": 990, "currency": "eur", "status": "needs_response"}
    return {**dispute, "payment_intent": reference}


def success_of(order_id: str) -> Json:
    return {
        "id": f"pi_{uuid.uuid4().hex[:24]}",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": 4800,
        "amount_received": 4800,
        "currency": "eur",
        "livemode": False,
        "metadata": {"order_id": order_id, "payment_id": "pay_" + order_id.removeprefix("ord_")},
    }
