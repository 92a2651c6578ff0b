"""A guest orders, pays at the PSP, and sees the order confirmed: over the real bus, store and webhooks."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from client import OrderUpdate, calls
from deploy.local.patience import patient
from tests.support.guest import (
    BREAKFAST,
    BREAKFAST_TOTAL,
    LATE_CHECKOUT,
    Guest,
    Json,
    body,
    problem,
)
from tests.support.system import (
    ADAPTER,
    AUTHENTICATION_CARD,
    DECLINED_CARD,
    GATEWAY,
    PAYMENTS,
    PROCESSING_CARD,
    PROCESSING_THEN_FAILING_CARD,
    STATEMENT_SUFFIX,
    System,
)
from tests.support.waiting import PATIENCE, until


async def next_of(events: AsyncIterator[OrderUpdate]) -> OrderUpdate:
    async with asyncio.timeout(patient(PATIENCE)):
        return await anext(events)


async def paid_order(system: System, guest: Guest) -> tuple[str, Json]:
    """A confirmed order's id, and the payment session it was paid in."""
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)
    body(await system.pay(session), 200)
    await guest.sees(order_id, status="confirmed", payment_status="paid")
    return order_id, session


def intent_of(session: Json) -> str:
    return str(session["client_secret"].partition("_secret")[0])


async def test_an_order_is_placed_paid_and_confirmed(system: System, guest: Guest) -> None:
    order = await guest.order(BREAKFAST, LATE_CHECKOUT)
    session = await guest.session(order["order_id"])

    body(await system.pay(session), 200)

    paid = await guest.sees(order["order_id"], status="confirmed", payment_status="paid")
    assert paid["total"] == {"amount": 9800, "currency": "EUR"}
    assert paid["pay_until"] is None
    [intent] = await system.intents(order["order_id"])
    assert (intent["status"], intent["amount_received"], intent["currency"]) == ("succeeded", 9800, "eur")


async def test_staff_read_at_the_psp_what_a_payment_is_for(system: System, guest: Guest) -> None:
    order = await guest.order(BREAKFAST, LATE_CHECKOUT)

    await guest.session(order["order_id"])

    [intent] = await system.intents(order["order_id"])
    assert (
        intent["description"] == f"alpenhof: {order['order_id']}: 2 x Breakfast buffet, 1 x Late check-out until 15.00"
    )
    assert intent["statement_descriptor_suffix"] == STATEMENT_SUFFIX
    assert intent["receipt_email"] is None


async def test_yen_are_charged_without_decimals(system: System) -> None:
    guest = system.guest("kamogawa")
    order = await guest.order({"extra_id": "kyo-late-checkout", "quantity": 1})
    session = await guest.session(order["order_id"])

    body(await system.pay(session), 200)

    await guest.sees(order["order_id"], status="confirmed", payment_status="paid")
    [intent] = await system.intents(order["order_id"])
    assert (intent["amount_received"], intent["currency"]) == (5000, "jpy")


async def test_the_first_answer_shows_the_order_unpaid_at_the_catalogues_price(guest: Guest) -> None:
    answer = await guest.place(BREAKFAST)

    order = body(answer, 201)
    assert answer.headers["location"] == f"/v1/orders/{order['order_id']}"
    assert (order["status"], order["payment_status"]) == ("pending_payment", "unpaid")
    assert order["total"] == BREAKFAST_TOTAL
    assert order["guest_id"] == guest.guest_id
    assert order["pay_until"] > order["created_at"]


async def test_a_guests_orders_are_listed_newest_first(guest: Guest) -> None:
    first = await guest.order(BREAKFAST)
    second = await guest.order(LATE_CHECKOUT)

    listed = await guest.orders()

    assert [order["order_id"] for order in listed] == [second["order_id"], first["order_id"]]


async def test_the_catalogue_offers_the_active_extras_of_the_guests_hotel_only(guest: Guest) -> None:
    extras = body(await guest.answer(calls.list_extras()), 200)["extras"]

    ids = {extra["extra_id"] for extra in extras}
    assert {"alm-breakfast", "alm-spa"} <= ids
    assert "alm-sleigh" not in ids
    assert all(extra["property_id"] == "alpenhof" for extra in extras)


async def test_the_live_stream_tells_where_an_order_stands_and_then_what_happens_without_polling(
    system: System, guest: Guest
) -> None:
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    async with guest.watching(order_id) as events:
        state = await next_of(events)
        queries = await system.counted(GATEWAY, "bellhop_messages_published", type="query")
        body(await system.pay(session), 200)
        confirmed = await next_of(events)

    assert (state.event, state.status) == ("orders.order-state", "pending_payment")
    assert confirmed.event == "orders.order-confirmed"
    assert (confirmed.status, confirmed.payment_status) == ("confirmed", "paid")
    assert await system.counted(GATEWAY, "bellhop_messages_published", type="query") == queries


async def test_the_live_stream_of_one_order_tells_nothing_of_another(system: System, guest: Guest) -> None:
    watched = (await guest.order(BREAKFAST))["order_id"]
    other = (await guest.order(LATE_CHECKOUT))["order_id"]
    sessions = [await guest.session(other), await guest.session(watched)]

    async with guest.watching(watched) as events:
        await next_of(events)
        body(await system.pay(sessions[0]), 200)
        await guest.sees(other, status="confirmed")
        body(await system.pay(sessions[1]), 200)
        received = await next_of(events)

    assert received.order_id == watched


async def test_after_a_declined_card_another_one_pays(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    async with guest.watching(order_id) as events:
        await next_of(events)
        body(await system.pay(session, DECLINED_CARD), 402)
        declined = await next_of(events)
    still_open = await guest.sees(order_id, status="pending_payment", payment_failure="Your card was declined.")
    body(await system.pay(session), 200)

    assert declined.event == "payments.payment-failed"
    assert (declined.code, declined.detail) == ("generic_decline", "Your card was declined.")
    assert still_open["payment_status"] == "unpaid"
    paid = await guest.sees(order_id, status="confirmed", payment_status="paid")
    assert paid["payment_failure"] is None
    assert len(await system.intents(order_id)) == 1


async def test_a_card_that_asks_for_authentication_pays_once_the_guest_has_authenticated(
    system: System, guest: Guest
) -> None:
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    asked = body(await system.pay(session, AUTHENTICATION_CARD), 200)
    await until(lambda: payment_is(system, order_id, "action_required"), "the payment waits for the guest")
    before = await guest.see(order_id)
    await system.switch(f"payment_intents/{intent_of(session)}/authenticate", {"outcome": "succeed"})

    assert asked["status"] == "requires_action"
    assert (before["status"], before["payment_status"]) == ("pending_payment", "unpaid")
    await guest.sees(order_id, status="confirmed", payment_status="paid")


async def test_failed_authentication_leaves_the_order_open_for_another_card(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    body(await system.pay(session, AUTHENTICATION_CARD), 200)
    await system.switch(f"payment_intents/{intent_of(session)}/authenticate", {"outcome": "fail"})
    failed = await until(lambda: failure_of(guest, order_id), "the failure is shown")
    body(await system.pay(session), 200)

    assert "authenticated" in failed
    await guest.sees(order_id, status="confirmed", payment_status="paid")


async def test_a_card_that_settles_later_suspends_the_deadline_and_is_paid_when_it_settles(
    system: System, guest: Guest
) -> None:
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    body(await system.pay(session, PROCESSING_CARD), 200)
    processing = await guest.sees(order_id, payment_status="processing")
    document = await system.document(order_id)
    await system.switch(f"payment_intents/{intent_of(session)}/settle", {"outcome": "succeed"})

    assert processing["status"] == "pending_payment"
    assert processing["pay_until"] is None
    assert document is not None
    assert "due_at" not in document
    await guest.sees(order_id, status="confirmed", payment_status="paid")


async def test_a_card_that_fails_to_settle_gives_the_guest_a_new_deadline(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    body(await system.pay(session, PROCESSING_THEN_FAILING_CARD), 200)
    await guest.sees(order_id, payment_status="processing")
    await system.switch(f"payment_intents/{intent_of(session)}/settle", {"outcome": "fail"})

    unpaid = await guest.sees(order_id, status="pending_payment", payment_status="unpaid")
    assert unpaid["pay_until"] is not None
    assert unpaid["payment_failure"]
    body(await system.pay(session), 200)
    await guest.sees(order_id, status="confirmed", payment_status="paid")


async def test_a_second_request_for_the_session_returns_the_same_secret_and_opens_no_second_intent(
    system: System, guest: Guest
) -> None:
    order_id = (await guest.order())["order_id"]

    first = await guest.session(order_id)
    calls = system.opening.total
    second = await guest.session(order_id)

    assert second == first
    assert system.opening.total == calls
    assert len(await system.intents(order_id)) == 1


async def test_two_requests_for_the_session_at_the_same_time_get_the_same_one(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]

    async with system.faults(api={"latency_ms": 200}):
        first, second = await asyncio.gather(guest.session(order_id), guest.session(order_id))

    assert first == second
    assert len(await system.intents(order_id)) == 1


async def test_a_paid_order_cannot_be_paid_again(system: System, guest: Guest) -> None:
    order_id, _ = await paid_order(system, guest)

    answer = await guest.ask_for_session(order_id)

    assert "paid already" in problem(answer, 409, "order-not-payable")["detail"]
    assert len(await system.intents(order_id)) == 1


async def test_a_webhook_that_arrives_twice_changes_nothing(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    async with system.faults(webhooks={"duplicate": {"next": 1, "match": "payment_intent.succeeded"}}):
        body(await system.pay(session), 200)
        await guest.sees(order_id, status="confirmed", payment_status="paid")
        await until(lambda: outcomes(system, PAYMENTS, "duplicate"), "the second copy was recognised")

    assert await copies_passed(system, order_id, 2)
    await confirmed_once(system, order_id)


async def test_an_event_sent_again_after_the_confirmation_changes_nothing(system: System, guest: Guest) -> None:
    order_id, session = await paid_order(system, guest)
    [event] = await system.psp_events(intent_of(session), "payment_intent.succeeded")
    before = await system.document(order_id)

    await system.switch(f"events/{event['id']}/resend")

    await until(lambda: copies_passed(system, order_id, 2), "the copy has passed the bus")
    await until(lambda: system_is_idle(system), "the copy has been handled")
    await confirmed_once(system, order_id)
    after = await system.document(order_id)
    assert before is not None
    assert after is not None
    assert after["state"] == before["state"]


async def test_a_success_reported_by_two_different_events_confirms_once(system: System, guest: Guest) -> None:
    order_id, session = await paid_order(system, guest)
    [event] = await system.psp_events(intent_of(session), "payment_intent.succeeded")
    ignored = await system.counted(PAYMENTS, "bellhop_messages_handled", outcome="ignored")

    answer = await system.post_event(event | {"id": event["id"] + "Again"})

    assert answer.json()["outcome"] == "done"
    await until(lambda: counts_more(system, PAYMENTS, ignored, outcome="ignored"), "the payment service has ignored it")
    await confirmed_once(system, order_id)


@pytest.mark.parametrize(("fault", "times"), [("close_after_effect", 2), ("fail_500", 2), ("fail_429", 1)])
async def test_a_session_is_opened_once_although_the_psp_stumbles(
    system: System, guest: Guest, fault: str, times: int
) -> None:
    order_id = (await guest.order())["order_id"]

    async with system.faults(api={fault: {"next": times, "match": "POST /v1/payment_intents"}}):
        session = await guest.session(order_id)

    [intent] = await system.intents(order_id)
    assert session["client_secret"] == intent["client_secret"]
    body(await system.pay(session), 200)
    await guest.sees(order_id, status="confirmed", payment_status="paid")


async def test_a_session_is_opened_once_by_the_retry_ladder_when_the_psp_breaks_off_longer_than_the_sdk_tries(
    system: System, guest: Guest
) -> None:
    order_id = (await guest.order())["order_id"]
    retried = await system.counted(ADAPTER, "bellhop_messages_handled", outcome="retried")

    async with system.faults(api={"close_after_effect": {"next": 4, "match": "POST /v1/payment_intents"}}):
        session = await guest.session(order_id)

    assert await system.counted(ADAPTER, "bellhop_messages_handled", outcome="retried") > retried
    [intent] = await system.intents(order_id)
    assert session["client_secret"] == intent["client_secret"]


async def test_no_usable_client_secret_lies_in_documents_or_in_the_log(system: System, guest: Guest) -> None:
    order_id, session = await paid_order(system, guest)

    log = await system.log()

    secret = session["client_secret"]
    assert not [message.type for message in log if secret.encode() in message.body]
    assert secret not in str(await system.document(order_id))
    assert secret not in str(await system.payment_of(order_id))


async def payment_is(system: System, order_id: str, status: str) -> bool:
    payment = await system.payment_of(order_id)
    return payment is not None and payment["state"]["status"] == status


async def failure_of(guest: Guest, order_id: str) -> str:
    return str((await guest.see(order_id))["payment_failure"] or "")


async def outcomes(system: System, part: str, outcome: str) -> int:
    return await system.counted(part, "bellhop_messages_handled", outcome=outcome)


async def counts_more(system: System, part: str, before: int, **labels: str) -> bool:
    return await system.counted(part, "bellhop_messages_handled", **labels) > before


async def copies_passed(system: System, order_id: str, times: int) -> bool:
    """Whether the PSP's success has passed the bus so often: copies of one event have one message id."""
    needle = order_id.encode()
    copies = [each for each in await system.log() if each.type == "psp.psp-payment-succeeded.v1"]
    return sum(needle in each.body for each in copies) == times


async def system_is_idle(system: System) -> bool:
    depths = [await system.depth(queue) for queue in ("payments.psp", "extras.payments")]
    return not any(depths)


async def confirmed_once(system: System, order_id: str) -> None:
    kinds = "payments.payment-succeeded.v1", "orders.order-confirmed.v1"
    log = await system.log_of(order_id, *kinds)
    assert [log[kind] for kind in kinds] == [1, 1]
    document = await system.document(order_id)
    assert document is not None
    assert (document["state"]["status"], document["state"]["payment_status"]) == ("confirmed", "paid")
    assert set((await system.parked()).values()) == {0}
